//! Stores that answer before their disk has it (VictoriaMetrics: some seconds). The stored cursor stays behind what
//! was sent until the store has run on for a while; when it was restarted meanwhile, the rest is sent again. A hole
//! counts as open until then, too. So no line is kept in memory, and a restart of ours sends the same tail.

use std::collections::VecDeque;
use std::time::Duration;

use orderly_core::record::Seq;

use crate::sinks::Hole;

/// What was sent and may not be on the store's disk yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    wait_ms: u64,
    settled: Seq,
    /// Cursor and steady time of what was sent, oldest first, at most one a quarter of a second.
    sent: VecDeque<(Seq, u64)>,
    /// Parts of holes and the steady time when they were filled, oldest first, at most about one a quarter of a second.
    filled: VecDeque<(Hole, u64)>,
    /// Parts that the store has for good.
    closed: Vec<Hole>,
    checked_at: Option<u64>,
    started: Option<i64>,
}

/// What the store said about its start: nothing came back, or it does not tell, or when it was.
pub(super) type Started = Result<Option<i64>, ()>;

impl Tail {
    pub(super) fn new(wait: Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self { wait_ms, settled: 0, checked_at: None, started: None, ..Self::default() }
    }

    pub(super) const fn begin(&mut self, cursor: Seq) {
        self.settled = cursor;
    }

    /// Up to where the store has it for good; `sent` without a wait.
    pub(super) const fn settled(&self, sent: Seq) -> Seq {
        if self.wait_ms == 0 { sent } else { self.settled }
    }

    /// How often the store is asked.
    pub(super) const fn check_every_ms(&self) -> u64 {
        match self.wait_ms {
            0 => u64::MAX,
            wait if wait < 6_000 => wait / 6 + 1,
            wait if wait > 60_000 => 10_000,
            wait => wait / 6,
        }
    }

    /// Whether the store must be asked now.
    pub(super) fn check_is_due(&self, now: u64) -> bool {
        self.wait_ms > 0 && self.checked_at.is_none_or(|at| now.saturating_sub(at) >= self.check_every_ms())
    }

    /// The store has everything up to this cursor, if it does not forget it.
    pub(super) fn sent(&mut self, cursor: Seq, now: u64) {
        if self.wait_ms == 0 {
            return;
        }
        match self.sent.back_mut() {
            Some(last) if last.1 / 250 == now / 250 => *last = (cursor, now),
            _ => self.sent.push_back((cursor, now)),
        }
    }

    /// The store has this part of a hole, if it does not forget it.
    pub(super) fn filled(&mut self, part: Hole, now: u64) {
        if self.wait_ms == 0 {
            self.closed.push(part);
            return;
        }
        match self.filled.back_mut() {
            Some((last, at)) if *at / 250 == now / 250 && last.last + 1 == part.first => {
                (last.last, *at) = (part.last, now);
            }
            _ => self.filled.push_back((part, now)),
        }
    }

    /// The parts of holes that the store has for good since the last call.
    pub(super) fn take_closed(&mut self) -> Vec<Hole> {
        std::mem::take(&mut self.closed)
    }

    /// What is still to be filled of these holes: what the store may yet forget is not sent all the time.
    pub(super) fn to_fill(&self, holes: Vec<Hole>) -> Vec<Hole> {
        self.filled.iter().fold(holes, |holes, (part, _)| {
            let around = |hole: Hole| {
                let before = Hole { last: hole.last.min(part.first.saturating_sub(1)), ..hole };
                let behind = Hole { first: hole.first.max(part.last + 1), ..hole };
                [before, behind]
            };
            holes.into_iter().flat_map(around).filter(|hole| hole.first <= hole.last).collect()
        })
    }

    /// Everything up to this record is a hole now and waits for nothing.
    pub(super) fn skip(&mut self, to: Seq) {
        self.settled = self.settled.max(to);
    }

    /// Takes the store's answer; `false`: it was restarted, and what is not settled must be sent again.
    pub(super) fn seen(&mut self, answer: Started, now: u64) -> bool {
        self.checked_at = Some(now);
        let Ok(started) = answer else { return true };
        let known = std::mem::replace(&mut self.started, started);
        // Points sent before the first answer may have gone to an earlier run of the store.
        let waiting = !self.sent.is_empty() || !self.filled.is_empty();
        if started.is_some() && known != started && waiting {
            self.sent.clear();
            self.filled.clear();
            return false;
        }
        while let Some(&(cursor, at)) = self.sent.front()
            && at.saturating_add(self.wait_ms) <= now
        {
            self.settled = self.settled.max(cursor);
            self.sent.pop_front();
        }
        while let Some(&(part, at)) = self.filled.front()
            && at.saturating_add(self.wait_ms) <= now
        {
            self.closed.push(part);
            self.filled.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail() -> Tail {
        let mut tail = Tail::new(Duration::from_secs(60));
        tail.begin(5);
        assert!(tail.seen(Ok(Some(1)), 0));
        tail
    }

    #[test]
    fn the_cursor_follows_a_minute_later_and_only_while_the_store_is_seen() {
        let mut tail = tail();
        tail.sent(10, 1_000);
        tail.sent(20, 2_000);
        assert!(tail.seen(Ok(Some(1)), 60_999));
        assert_eq!(tail.settled(20), 5);
        assert!(tail.seen(Err(()), 61_500), "no answer is no proof");
        assert_eq!(tail.settled(20), 5);
        assert!(tail.seen(Ok(Some(1)), 61_500));
        assert_eq!(tail.settled(20), 10);
        assert!(tail.seen(Ok(Some(1)), 62_000));
        assert_eq!(tail.settled(20), 20);
    }

    #[test]
    fn a_restart_keeps_what_was_settled_and_asks_for_the_rest() {
        let mut tail = tail();
        tail.sent(10, 1_000);
        tail.sent(20, 50_000);
        assert!(tail.seen(Ok(Some(1)), 61_000));
        assert!(!tail.seen(Ok(Some(2)), 62_000));
        assert_eq!(tail.settled(20), 10);
        assert!(tail.seen(Ok(Some(2)), 63_000), "once");
    }

    #[test]
    fn a_hole_is_closed_a_minute_later_and_its_part_is_not_sent_meanwhile() {
        let hole = |first, last| Hole { first, last };
        let mut tail = tail();
        tail.filled(hole(10, 19), 1_000);
        tail.filled(hole(20, 29), 1_100);
        tail.filled(hole(40, 49), 1_120);
        tail.filled(hole(50, 59), 30_000);
        assert_eq!(tail.filled.len(), 3, "what follows at once is one part");
        let open = vec![hole(1, 34), hole(36, 80)];
        assert_eq!(tail.to_fill(open.clone()), [hole(1, 9), hole(30, 34), hole(36, 39), hole(60, 80)]);
        assert!(tail.seen(Ok(Some(1)), 61_110));
        assert_eq!(tail.take_closed(), [hole(10, 29)]);
        assert!(tail.seen(Ok(Some(1)), 61_120));
        assert_eq!((tail.take_closed(), tail.take_closed()), (vec![hole(40, 49)], vec![]));
        assert!(!tail.seen(Ok(Some(2)), 62_000), "it was restarted before the last part was on its disk");
        assert_eq!(tail.to_fill(open.clone()), open);
        assert!(tail.seen(Ok(Some(2)), 200_000));
        assert_eq!(tail.take_closed(), []);
    }

    #[test]
    fn without_a_wait_there_is_no_tail_and_no_question() {
        let mut tail = Tail::new(Duration::ZERO);
        assert_eq!(tail.settled(7), 7);
        tail.filled(Hole { first: 1, last: 2 }, 0);
        assert_eq!(tail.take_closed(), [Hole { first: 1, last: 2 }]);
        assert!(!tail.check_is_due(1 << 40));
    }

    #[test]
    fn a_store_that_does_not_tell_settles_by_time() {
        let mut tail = Tail::new(Duration::from_secs(60));
        tail.sent(10, 0);
        assert!(tail.seen(Ok(None), 60_000));
        assert_eq!(tail.settled(10), 10);
    }
}
