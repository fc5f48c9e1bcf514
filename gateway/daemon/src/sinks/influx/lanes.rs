//! What to send next: the newest readings, the backlog, or a hole. Pure.
//!
//! Without a backlog there is one lane, in order. After an outage the newest readings go first: whenever there are any, the
//! next request is theirs, and the one after it is the backlog's, oldest first. So boards behind the store are live again at
//! once, and neither starves the other. When the newest fall behind once more (the store was away again, or a flood came),
//! what they left becomes backlog too. Holes get one request in five of those that are not the newest's, and all when there
//! is nothing else.
//!
//! A correction among the newest overwrites its point outside, and then the backlog may bring the original and
//! overwrite it back. So corrections that overtook the backlog are sent once more behind it.

use std::collections::VecDeque;

use orderly_core::record::Seq;

use crate::sinks::Hole;

/// One request in this many goes to the holes.
const SHARE: u64 = 5;

/// Of what makes a backlog, this part is taken for the newest: what came while nobody knew yet that the store is back.
const NEWEST: u64 = 4;

/// Most parts of a backlog. Each is longer than `split_after`; with so many the newest wait in order.
const MOST_PARTS: usize = 64;

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
        /// Where this part of the backlog ends.
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
    /// The parts of the backlog, oldest first: behind which record, and up to which.
    backlog: VecDeque<(Seq, Seq)>,
    /// Behind which record, and up to which, corrections have overtaken the backlog.
    overtaken: Option<(Seq, Seq)>,
    holes: VecDeque<Hole>,
    split_after: u64,
    turn: u64,
    /// The newest had the last turn.
    live_was_last: bool,
}

impl Lanes {
    /// Begins behind the cursor.
    #[must_use]
    pub fn new(cursor: Seq, holes: &[Hole], split_after: u64) -> Self {
        let mut lanes = Self {
            live: cursor,
            backlog: VecDeque::new(),
            overtaken: None,
            holes: VecDeque::new(),
            split_after: split_after.max(1),
            turn: 0,
            live_was_last: false,
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
        let behind = self.backlog.iter().copied().chain(self.overtaken).map(|(after, _)| after);
        behind.fold(self.live, Seq::min)
    }

    /// Whether a backlog is being worked off.
    #[must_use]
    pub fn catching_up(&self) -> bool {
        !self.backlog.is_empty() || self.overtaken.is_some()
    }

    /// Records of holes that are still missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.holes.iter().map(|hole| (hole.last + 1).saturating_sub(hole.first)).sum()
    }

    /// Begins behind this record, wherever it stood.
    pub fn begin(&mut self, cursor: Seq) {
        self.live = cursor;
        self.backlog.clear();
        self.overtaken = None;
    }

    /// Begins again behind this record: the store forgot what lay after it.
    pub fn rewind(&mut self, to: Seq) {
        self.begin(self.live.min(to));
    }

    /// What to do next, when records up to `head` are decided.
    pub fn next(&mut self, head: Seq) -> Option<Job> {
        if head.saturating_sub(self.live) > self.split_after && self.backlog.len() < MOST_PARTS {
            let newest = head - self.split_after / NEWEST;
            self.backlog.push_back((self.live, newest));
            self.live = newest;
        }
        let live = (head > self.live).then_some(Job::Live { after: self.live });
        let again = self.overtaken.map(|(after, end)| Job::Again { after, end });
        let behind = self.backlog.front().map(|&(after, end)| Job::Backlog { after, end }).or(again);
        let fill = self.holes.front().map(|hole| Job::Fill { hole: *hole });
        self.turn += 1;
        let for_holes = self.turn.is_multiple_of(SHARE);
        match behind {
            Some(_) if !self.live_was_last && live.is_some() => live,
            Some(_) if !for_holes => behind,
            Some(_) => fill.or(behind),
            None if for_holes => fill.or(live),
            None => live.or(fill),
        }
    }

    /// The job was done up to this record.
    pub fn done(&mut self, job: Job, up_to: Seq) {
        self.live_was_last = matches!(job, Job::Live { .. });
        match job {
            Job::Live { .. } => self.live = self.live.max(up_to),
            Job::Backlog { end, .. } => {
                if let Some(part) = self.backlog.iter_mut().find(|part| part.1 == end) {
                    part.0 = part.0.max(up_to);
                }
                self.backlog.retain(|(after, end)| after < end);
            }
            Job::Again { .. } => {
                let left = self.overtaken.map(|(after, end)| (after.max(up_to), end));
                self.overtaken = left.filter(|(after, end)| after < end);
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
        let overtakes = match job {
            Job::Live { .. } => self.catching_up(),
            Job::Backlog { .. } => self.overtaken.is_some_and(|(after, _)| last > after),
            Job::Again { .. } | Job::Fill { .. } => false,
        };
        if overtakes {
            let (after, end) = self.overtaken.unwrap_or((first.saturating_sub(1), last));
            self.overtaken = Some((after, end.max(last)));
        }
    }

    /// Passes over everything up to this record: it has become a hole.
    pub fn skip(&mut self, to: Seq) {
        self.live = self.live.max(to);
        let left = |(after, end): (Seq, Seq)| (end > to).then_some((after.max(to), end));
        self.backlog = self.backlog.drain(..).filter_map(left).collect();
        self.overtaken = self.overtaken.and_then(left);
    }
}

#[cfg(test)]
mod tests;
