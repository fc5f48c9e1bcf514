//! Decided batches that are still at hand: what look-ups must see besides the series store, and what sinks that
//! keep up need not read from the state store again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderly_core::output::Output;
use orderly_core::reading::Reading;
use orderly_core::record::Seq;

/// The engine runs at most so many batches ahead of the series store.
const BATCHES: usize = 64;
/// And at most so many readings, a single larger batch aside: a reading of twelve values takes 1.3 KiB. Two full
/// batches: one is applied while the next is committed.
const READINGS: usize = 4_000;
/// What the series store has is held for sinks up to so many readings; a sink further behind reads from the state store.
const FOR_SINKS: usize = 2_000;
/// A sink is given so many readings at once, unless one batch holds more.
const AT_ONCE: usize = 2_000;

/// The readings of one decided batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// First record that was handled for it.
    pub first: Seq,
    /// Last record that was handled for it.
    pub cursor: Seq,
    /// Its readings, in order of origin.
    pub readings: Arc<Vec<Reading>>,
}

/// A sink that may take batches from here.
#[derive(Debug, Clone, Copy)]
pub struct Follower(usize);

/// The batches at hand, in order.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    batches: VecDeque<Decided>,
    /// Everything that was decided after this record is here; `None`: nothing was decided yet.
    from: Option<Seq>,
    /// The series store holds this.
    applied: Seq,
    /// How far each sink is; one that is too far behind waits for nothing here.
    followers: Vec<Seq>,
}

impl Recent {
    /// A batch was decided.
    pub fn push(&self, batch: &Output) {
        let mut held = self.lock();
        held.from.get_or_insert(batch.first.saturating_sub(1));
        let Output { first, cursor, .. } = *batch;
        held.batches.push_back(Decided { first, cursor, readings: Arc::clone(&batch.readings) });
    }

    /// The series store holds everything up to here.
    pub fn applied(&self, cursor: Seq) {
        let mut held = self.lock();
        held.applied = cursor;
        held.let_go();
    }

    /// Forgets what was not committed.
    pub fn dropped(&self, committed: Seq) {
        self.lock().batches.retain(|batch| batch.cursor <= committed);
    }

    /// Whether there is room for a batch of so many readings before the series store has caught up: look-ups read all
    /// of it. What a person waits for may come on top, within a bound.
    pub fn has_room(&self, readings: usize, urgent: bool) -> bool {
        let held = self.lock();
        let (batches, ahead) = held.ahead().fold((0, 0), |(n, all), b| (n + 1, all + b.readings.len()));
        let most = if urgent { 2 * READINGS } else { READINGS };
        batches < BATCHES && (ahead == 0 || ahead + readings <= most)
    }

    /// All batches that the series store does not have, the oldest first.
    pub fn ahead(&self) -> Vec<Decided> {
        self.lock().ahead().cloned().collect()
    }

    /// The batches of `after < cursor <= committed`, the oldest first.
    pub fn between(&self, after: Seq, committed: Seq) -> Vec<Decided> {
        let held = self.lock();
        held.batches.iter().filter(|b| b.cursor > after && b.cursor <= committed).cloned().collect()
    }

    /// A sink that may take batches from here.
    pub fn follow(&self) -> Follower {
        let mut held = self.lock();
        held.followers.push(Seq::MAX);
        Follower(held.followers.len() - 1)
    }

    /// Committed batches after `after`, and the record up to which they reach; `None`: not all are here any more.
    pub fn follow_up(&self, sink: Follower, after: Seq, committed: Seq) -> Option<(Vec<Decided>, Seq)> {
        let mut held = self.lock();
        let here = held.from.is_some_and(|from| after >= from);
        if let Some(at) = held.followers.get_mut(sink.0) {
            *at = if here { after } else { Seq::MAX };
        }
        held.let_go();
        if !here {
            return None;
        }
        let (mut found, mut readings) = (Vec::new(), 0);
        for batch in held.batches.iter().filter(|b| b.cursor > after && b.cursor <= committed) {
            readings += batch.readings.len();
            if let Some(last) = found.last().filter(|_| readings > AT_ONCE) {
                let last: &Decided = last;
                let through = last.cursor;
                return Some((found, through));
            }
            found.push(batch.clone());
        }
        Some((found, committed.max(after)))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn ahead(&self) -> impl Iterator<Item = &Decided> {
        self.batches.iter().filter(|batch| batch.cursor > self.applied)
    }

    /// Lets go of what the series store and the sinks have, and of what is too much to hold for a sink.
    fn let_go(&mut self) {
        let taken = self.followers.iter().copied().min().unwrap_or(Seq::MAX);
        let for_sinks = self.batches.iter().filter(|batch| batch.cursor <= self.applied);
        let mut readings: usize = for_sinks.map(|batch| batch.readings.len()).sum();
        while let Some(batch) = self.batches.front() {
            if batch.cursor > self.applied || (batch.cursor > taken && readings <= FOR_SINKS) {
                break;
            }
            readings -= batch.readings.len();
            self.from = Some(batch.cursor);
            self.batches.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use orderly_core::ids::Id;
    use orderly_core::reading::{Marks, Origin};
    use orderly_core::time::Timestamp;

    use super::*;

    fn reading(seq: Seq) -> Reading {
        Reading {
            origin: Origin { seq, index: 0 },
            device: Id::new("bp-1").unwrap(),
            class: Id::new("bp_meter").unwrap(),
            epoch: 0,
            stream: Id::new("reading").unwrap(),
            device_time: None,
            taken_at: Timestamp(0),
            received_at: Timestamp(0),
            sequence: None,
            offset_ns: 0,
            profile: 0,
            marks: Marks::default(),
            replaces: None,
            zone: None,
            values: std::iter::empty().collect(),
        }
    }

    fn push(recent: &Recent, first: Seq, cursor: Seq) {
        let readings = (first..=cursor).map(reading).collect();
        recent.push(&Output { first, cursor, readings: Arc::new(readings), ..Output::default() });
    }

    fn firsts(batches: &[Decided]) -> Vec<Seq> {
        batches.iter().map(|b| b.first).collect()
    }

    #[test]
    fn forgets_what_is_applied_and_what_was_never_committed() {
        let recent = Recent::default();
        for (first, cursor) in [(1, 4), (5, 9), (10, 12)] {
            push(&recent, first, cursor);
        }
        assert_eq!(firsts(&recent.between(4, 9)), [5]);
        recent.applied(4);
        recent.dropped(9);
        assert_eq!(firsts(&recent.ahead()), [5]);
        assert_eq!(firsts(&recent.between(0, 99)), [5]);
        assert!(recent.has_room(1, false));
        for cursor in 13..100 {
            push(&recent, cursor, cursor);
        }
        assert!(!recent.has_room(1, false));
    }

    #[test]
    fn there_is_room_for_two_full_batches_and_for_one_more_that_a_person_waits_for() {
        let recent = Recent::default();
        assert!(recent.has_room(9_000, false), "one larger batch goes alone");
        push(&recent, 1, 2_000);
        assert!(recent.has_room(2_000, false));
        push(&recent, 2_001, 4_000);
        assert!(!recent.has_room(1, false));
        assert!(recent.has_room(2_000, true));
        for first in [4_001, 6_001] {
            push(&recent, first, first + 1_999);
        }
        assert!(!recent.has_room(1, true), "people cannot fill the memory either");
        recent.applied(4_000);
        assert!(!recent.has_room(1, false));
        recent.applied(6_000);
        assert!(recent.has_room(2_000, false));
    }

    #[test]
    fn a_sink_that_keeps_up_is_given_what_is_committed_and_applied() {
        let recent = Recent::default();
        let sink = recent.follow();
        assert_eq!(recent.follow_up(sink, 7, 7), None, "nothing was decided yet");
        for (first, cursor) in [(8, 10), (11, 20), (21, 30)] {
            push(&recent, first, cursor);
        }
        assert_eq!(recent.follow_up(sink, 6, 20), None, "what was decided before is not here");
        let (found, through) = recent.follow_up(sink, 7, 20).unwrap();
        assert_eq!((firsts(&found), through), (vec![8, 11], 20), "only what is committed");
        recent.applied(30);
        let (found, through) = recent.follow_up(sink, 10, 30).unwrap();
        assert_eq!((firsts(&found), through), (vec![11, 21], 30), "held until the sink has it");
        assert_eq!(firsts(&recent.ahead()), [] as [Seq; 0]);
        assert_eq!(recent.follow_up(sink, 30, 35), Some((Vec::new(), 35)), "records without readings");
        assert_eq!(recent.follow_up(sink, 10, 35), None, "it has gone back");
    }

    #[test]
    fn holds_a_bounded_number_of_readings_for_a_sink() {
        let recent = Recent::default();
        let sink = recent.follow();
        push(&recent, 1, 10);
        assert_eq!(recent.follow_up(sink, 0, 10).unwrap().0.len(), 1);
        for n in 0..10 {
            push(&recent, 11 + 500 * n, 510 + 500 * n);
        }
        assert_eq!(recent.between(0, Seq::MAX).len(), 11);
        recent.applied(5_010);
        let held: usize = recent.between(0, Seq::MAX).iter().map(|b| b.readings.len()).sum();
        assert_eq!(held, FOR_SINKS);
        assert_eq!(recent.follow_up(sink, 10, 5_010), None, "the sink reads on from the state store");
        assert!(recent.between(0, Seq::MAX).is_empty(), "and nothing waits for it");
        push(&recent, 5_011, 5_020);
        assert_eq!(recent.follow_up(sink, 5_010, 5_020).unwrap().0.len(), 1, "until it has caught up");
    }

    #[test]
    fn a_sink_takes_bites() {
        let recent = Recent::default();
        let sink = recent.follow();
        for n in 0..4 {
            push(&recent, 1 + 900 * n, 900 + 900 * n);
        }
        let (found, through) = recent.follow_up(sink, 0, 3_600).unwrap();
        assert_eq!((found.len(), through), (2, 1_800));
    }
}
