//! Stores that answer before their disk has it (VictoriaMetrics: some seconds). The stored cursor stays behind what
//! was sent until the store has run on for a while; when it was restarted meanwhile, the rest is sent again. So
//! nothing is kept in memory, and a restart of ours sends the same tail.

use std::collections::VecDeque;
use std::time::Duration;

use orderly_core::record::Seq;

/// What was sent and may not be on the store's disk yet.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    wait_ms: u64,
    settled: Seq,
    /// Cursor and steady time of what was sent, oldest first, at most one a quarter of a second.
    sent: VecDeque<(Seq, u64)>,
    checked_at: Option<u64>,
    started: Option<i64>,
}

/// What the store said about its start: nothing came back, or it does not tell, or when it was.
pub(super) type Started = Result<Option<i64>, ()>;

impl Tail {
    pub(super) fn new(wait: Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self { wait_ms, settled: 0, sent: VecDeque::new(), checked_at: None, started: None }
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
        if started.is_some() && known != started && !self.sent.is_empty() {
            self.sent.clear();
            return false;
        }
        while let Some(&(cursor, at)) = self.sent.front()
            && at.saturating_add(self.wait_ms) <= now
        {
            self.settled = self.settled.max(cursor);
            self.sent.pop_front();
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
    fn without_a_wait_there_is_no_tail_and_no_question() {
        let tail = Tail::new(Duration::ZERO);
        assert_eq!(tail.settled(7), 7);
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
