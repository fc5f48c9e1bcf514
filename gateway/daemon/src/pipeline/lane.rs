//! The bulk lane's gate: closed while what the engine has not handled would take it more than 20 ms.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orderly_core::record::Seq;
use tokio::sync::watch;

/// What may stand before the engine, in time.
const LIMIT: Duration = Duration::from_millis(20);
/// What may stand before the engine, in records, however fast it is: two commits' worth.
const LIMIT_RECORDS: u64 = 8_000;

/// Counts what is appended and what is handled.
#[derive(Debug)]
pub struct Lane {
    appended: AtomicU64,
    handled: AtomicU64,
    /// Running mean of the time for one record.
    cost_ns: AtomicU64,
    crowded: watch::Sender<bool>,
}

impl Lane {
    /// An empty lane behind a record.
    pub fn new(cursor: Seq) -> Self {
        Self {
            appended: AtomicU64::new(cursor),
            handled: AtomicU64::new(cursor),
            cost_ns: AtomicU64::new(5_000),
            crowded: watch::Sender::new(false),
        }
    }

    /// Whether bulk doors should wait, now and later.
    pub fn crowded(&self) -> watch::Receiver<bool> {
        self.crowded.subscribe()
    }

    /// Records up to `last` were appended.
    pub fn appended(&self, last: Seq) {
        self.appended.fetch_max(last, Ordering::Relaxed);
        self.judge();
    }

    /// Records up to `last` were handled; `count` of them took `took`.
    pub fn handled(&self, last: Seq, count: u64, took: Duration) {
        self.handled.fetch_max(last, Ordering::Relaxed);
        if let Some(each) = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).checked_div(count) {
            let mean = self.cost_ns.load(Ordering::Relaxed);
            self.cost_ns.store((mean * 7 + each) / 8, Ordering::Relaxed);
        }
        self.judge();
    }

    /// How many records wait for the engine.
    pub fn unhandled(&self) -> u64 {
        self.appended.load(Ordering::Relaxed).saturating_sub(self.handled.load(Ordering::Relaxed))
    }

    /// How long the engine will take for them.
    pub fn waiting(&self) -> Duration {
        Duration::from_nanos(self.unhandled().saturating_mul(self.cost_ns.load(Ordering::Relaxed)))
    }

    fn judge(&self) {
        let crowded = self.waiting() > LIMIT || self.unhandled() > LIMIT_RECORDS;
        self.crowded.send_if_modified(|was| std::mem::replace(was, crowded) != crowded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_when_the_engine_would_need_more_than_20_ms_and_opens_again() {
        let lane = Lane::new(100);
        let crowded = lane.crowded();
        lane.appended(100 + 3_000);
        assert!(!*crowded.borrow());
        lane.appended(100 + 4_001);
        assert!(*crowded.borrow(), "4,001 records at 5 µs each");
        assert_eq!(lane.waiting(), Duration::from_micros(4_001 * 5));
        lane.handled(2_000, 1_900, Duration::from_micros(1_900));
        assert!(!*crowded.borrow());
        lane.appended(2_000 + LIMIT_RECORDS + 1);
        assert!(*crowded.borrow());
        assert_eq!(lane.unhandled(), LIMIT_RECORDS + 1);
    }
}
