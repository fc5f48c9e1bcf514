//! What to send next: the newest readings, the backlog, or a hole. Pure.
//!
//! Without a backlog there is one lane, in order. After an outage the backlog is worked off oldest first, and one
//! request in five goes to the newest readings, so that boards behind the store are live again at once. Holes get
//! one request in five while there is anything else, and all of them when there is not.
//!
//! A correction among the newest overwrites its point outside, and then the backlog may bring the original and
//! overwrite it back. So corrections that overtook the backlog are sent once more behind it.

use std::collections::VecDeque;

use orderly_core::record::Seq;

use crate::sinks::Hole;

/// One request in this many goes to the lane that is not the main one.
const SHARE: u64 = 5;

/// A piece of reading to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Batches after this record, up to `head` at least, in order: the newest readings.
    Live {
        /// Where to begin.
        after: Seq,
    },
    /// Batches after this record and up to `end`: what an outage left.
    Backlog {
        /// Where to begin.
        after: Seq,
        /// Where the backlog ends.
        end: Seq,
    },
    /// Corrections alone, of batches after this record and up to `end`: they had overtaken the backlog.
    Again {
        /// Where to begin.
        after: Seq,
        /// The last that overtook.
        end: Seq,
    },
    /// Readings of the long-term store after this record and up to the end of the hole.
    Fill {
        /// What is left of the hole.
        hole: Hole,
    },
}

/// Where each lane stands.
#[derive(Debug, Clone)]
pub struct Lanes {
    live: Seq,
    backlog: Option<(Seq, Seq)>,
    /// Behind which record, and up to which, corrections have overtaken the backlog.
    overtaken: Option<(Seq, Seq)>,
    holes: VecDeque<Hole>,
    split_after: u64,
    turn: u64,
}

impl Lanes {
    /// Begins behind the cursor.
    #[must_use]
    pub fn new(cursor: Seq, holes: &[Hole], split_after: u64) -> Self {
        let mut lanes = Self {
            live: cursor,
            backlog: None,
            overtaken: None,
            holes: VecDeque::new(),
            split_after: split_after.max(1),
            turn: 0,
        };
        lanes.set_holes(holes);
        lanes
    }

    /// Takes over the holes that the state store knows.
    pub fn set_holes(&mut self, holes: &[Hole]) {
        self.holes = holes.iter().copied().collect();
    }

    /// Everything up to this record has been read and sent.
    #[must_use]
    pub fn cursor(&self) -> Seq {
        let behind = [self.backlog, self.overtaken].into_iter().flatten().map(|(after, _)| after);
        behind.fold(self.live, Seq::min)
    }

    /// Whether a backlog is being worked off.
    #[must_use]
    pub const fn catching_up(&self) -> bool {
        self.backlog.is_some() || self.overtaken.is_some()
    }

    /// Records of holes that are still missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.holes.iter().map(|hole| (hole.last + 1).saturating_sub(hole.first)).sum()
    }

    /// Begins behind this record, wherever it stood.
    pub const fn begin(&mut self, cursor: Seq) {
        self.live = cursor;
        self.backlog = None;
        self.overtaken = None;
    }

    /// Begins again behind this record: the store forgot what lay after it.
    pub fn rewind(&mut self, to: Seq) {
        self.live = self.live.min(to);
        self.backlog = None;
        self.overtaken = None;
    }

    /// What to do next, when records up to `head` are decided.
    pub fn next(&mut self, head: Seq) -> Option<Job> {
        if !self.catching_up() && head.saturating_sub(self.live) > self.split_after {
            self.backlog = Some((self.live, head));
            self.live = head;
        }
        let live = (head > self.live).then_some(Job::Live { after: self.live });
        let again = self.overtaken.map(|(after, end)| Job::Again { after, end });
        let backlog = self.backlog.map(|(after, end)| Job::Backlog { after, end }).or(again);
        let fill = self.holes.front().map(|hole| Job::Fill { hole: *hole });
        self.turn += 1;
        let (main, other) = if backlog.is_some() { (backlog, live.or(fill)) } else { (live, fill) };
        if self.turn.is_multiple_of(SHARE) { other.or(main) } else { main.or(other) }
    }

    /// The job was done up to this record.
    pub fn done(&mut self, job: Job, up_to: Seq) {
        match job {
            Job::Live { .. } => self.live = self.live.max(up_to),
            Job::Backlog { end, .. } => self.backlog = (up_to < end).then_some((up_to, end)),
            Job::Again { .. } => {
                self.overtaken = self.overtaken.filter(|(_, end)| up_to < *end).map(|(_, end)| (up_to, end));
            }
            Job::Fill { hole } => {
                if let Some(known) = self.holes.iter_mut().find(|known| **known == hole) {
                    known.first = known.first.max(up_to + 1);
                }
                self.holes.retain(|hole| hole.first <= hole.last);
            }
        }
    }

    /// The job brought corrections, of these records the first and the last. Those that come behind one which is to
    /// be sent again go again too, or an older one would have the last word.
    pub fn corrected(&mut self, job: Job, (first, last): (Seq, Seq)) {
        if matches!(job, Job::Live { .. }) && self.catching_up() {
            let after = self.overtaken.map_or(first.saturating_sub(1), |(after, _)| after);
            self.overtaken = Some((after, last));
        }
    }

    /// Passes over everything up to this record: it has become a hole.
    pub fn skip(&mut self, to: Seq) {
        self.live = self.live.max(to);
        for lane in [&mut self.backlog, &mut self.overtaken] {
            *lane = lane.filter(|(_, end)| *end > to).map(|(after, end)| (after.max(to), end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lane_in_order_while_it_keeps_up() {
        let mut lanes = Lanes::new(10, &[], 100);
        assert_eq!(lanes.next(10), None);
        let job = lanes.next(12).unwrap();
        assert_eq!(job, Job::Live { after: 10 });
        lanes.done(job, 12);
        assert_eq!((lanes.cursor(), lanes.next(12)), (12, None));
    }

    #[test]
    fn a_backlog_goes_oldest_first_and_the_newest_get_every_fifth_turn() {
        let mut lanes = Lanes::new(0, &[], 100);
        let mut head = 1_000;
        let (mut order, mut newest) = (Vec::new(), 0);
        while let Some(job) = lanes.next(head) {
            match job {
                Job::Backlog { after, end } => {
                    assert_eq!((lanes.cursor(), end), (after, 1_000), "the cursor stays with the backlog");
                    order.push(after);
                    lanes.done(job, (after + 50).min(end));
                    head += 1;
                }
                Job::Live { .. } => {
                    newest += 1;
                    lanes.done(job, head);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(order, (0..20).map(|n| n * 50).collect::<Vec<_>>());
        assert!((4..=6).contains(&newest), "{newest}");
        assert_eq!((lanes.cursor(), lanes.catching_up()), (head, false));
    }

    #[test]
    fn holes_are_filled_oldest_first_and_never_before_the_live_ones() {
        let holes = [Hole { first: 5, last: 9 }, Hole { first: 20, last: 29 }];
        let mut lanes = Lanes::new(100, &holes, 100);
        assert_eq!(lanes.missing(), 15);
        let mut jobs = Vec::new();
        for head in 101..=108 {
            let job = lanes.next(head).unwrap();
            let up_to = match job {
                Job::Live { .. } => head,
                Job::Fill { hole } => hole.last,
                other => panic!("{other:?}"),
            };
            jobs.push(matches!(job, Job::Fill { .. }));
            lanes.done(job, up_to);
        }
        assert_eq!(jobs, [false, false, false, false, true, false, false, false]);
        let fill = Job::Fill { hole: holes[1] };
        assert_eq!(lanes.next(108), Some(fill), "idle: all turns");
        lanes.done(fill, 24);
        assert_eq!(lanes.missing(), 5);
        assert_eq!(lanes.next(108), Some(Job::Fill { hole: Hole { first: 25, last: 29 } }));
    }

    #[test]
    fn what_became_a_hole_is_passed_over() {
        let mut lanes = Lanes::new(0, &[], 100);
        assert_eq!(lanes.next(1_000), Some(Job::Backlog { after: 0, end: 1_000 }));
        lanes.skip(600);
        assert_eq!((lanes.cursor(), lanes.next(1_000)), (600, Some(Job::Backlog { after: 600, end: 1_000 })));
        lanes.skip(1_500);
        assert_eq!((lanes.cursor(), lanes.next(1_000)), (1_500, None));
    }

    /// Lanes with a backlog of 1 to 1,000 left, and corrections of 1,003 and 1,005 sent live.
    fn overtaken() -> Lanes {
        let mut lanes = Lanes::new(0, &[], 100);
        assert_eq!(lanes.next(1_000), Some(Job::Backlog { after: 0, end: 1_000 }));
        for (after, up_to) in [(1_000, 1_004), (1_004, 1_006), (1_006, 1_010)] {
            let live = Job::Live { after };
            if up_to < 1_010 {
                lanes.corrected(live, (up_to - 1, up_to - 1));
            }
            lanes.done(live, up_to);
        }
        lanes
    }

    #[test]
    fn corrections_that_overtook_the_backlog_go_again_behind_it() {
        let mut lanes = overtaken();
        let backlog = lanes.next(1_010).unwrap();
        assert_eq!(backlog, Job::Backlog { after: 0, end: 1_000 });
        lanes.done(backlog, 1_000);
        assert_eq!((lanes.cursor(), lanes.catching_up()), (1_002, true), "a restart begins before them");
        let again = lanes.next(1_010).unwrap();
        assert_eq!(again, Job::Again { after: 1_002, end: 1_005 });
        lanes.done(again, 1_003);
        // One more overtakes what is left; it may correct the same point.
        lanes.corrected(Job::Live { after: 1_010 }, (1_012, 1_012));
        lanes.done(Job::Live { after: 1_010 }, 1_020);
        assert_eq!(lanes.next(1_020), Some(Job::Again { after: 1_003, end: 1_012 }));
        lanes.done(Job::Again { after: 1_003, end: 1_012 }, 1_012);
        lanes.corrected(Job::Live { after: 1_020 }, (1_021, 1_021));
        assert_eq!((lanes.cursor(), lanes.next(1_020)), (1_020, None), "in order again");
    }

    #[test]
    fn corrections_that_became_a_hole_wait_for_nothing() {
        let mut lanes = overtaken();
        lanes.skip(1_004);
        assert_eq!(
            (lanes.cursor(), lanes.next(1_010)),
            (1_004, Some(Job::Again { after: 1_004, end: 1_005 }))
        );
        lanes.skip(1_010);
        assert_eq!((lanes.cursor(), lanes.next(1_010)), (1_010, None));
    }

    #[test]
    fn a_store_that_forgot_gets_it_again() {
        let mut lanes = Lanes::new(0, &[], 100);
        let job = lanes.next(50).unwrap();
        lanes.done(job, 50);
        lanes.rewind(20);
        assert_eq!((lanes.cursor(), lanes.next(50)), (20, Some(Job::Live { after: 20 })));
    }
}
