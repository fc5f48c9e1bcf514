//! The bulk lane's gate: keeps what stands before the engine under 20 ms of its time, and is closed while a person's order
//! stands there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orderly_core::record::Seq;
use tokio::sync::watch;

/// The gate closes here: what every connection has read by then still comes in, and the engine may slow down.
const LIMIT: Duration = Duration::from_millis(15);
/// What may stand before the engine, in records, however fast it is: two commits' worth.
const LIMIT_RECORDS: u64 = 4_000;
/// The time for one record is the mean over about so many of the last ones. Each counts alike: one small group that had
/// to wait for a processor says little about the others.
const MEAN_OF: u64 = 4_096;
/// What is taken for the time of one record at first, and how many records that counts for.
const FIRST: (u64, u64) = (5_000, 256);

/// Counts what is appended and what is handled.
#[derive(Debug)]
pub struct Lane {
    appended: AtomicU64,
    handled: AtomicU64,
    /// The last order of a person.
    ordered: AtomicU64,
    /// Time and number of the last records; only the engine's thread writes them.
    took_ns: AtomicU64,
    count: AtomicU64,
    crowded: watch::Sender<bool>,
}

impl Lane {
    /// An empty lane behind a record.
    pub fn new(cursor: Seq) -> Self {
        Self {
            appended: AtomicU64::new(cursor),
            handled: AtomicU64::new(cursor),
            ordered: AtomicU64::new(0),
            took_ns: AtomicU64::new(FIRST.0 * FIRST.1),
            count: AtomicU64::new(FIRST.1),
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

    /// A person's order was appended: nothing comes in behind it until the engine has it.
    pub fn ordered(&self, last: Seq) {
        self.ordered.fetch_max(last, Ordering::Relaxed);
    }

    /// Records up to `last` were handled; `count` of them took `took`, with what they had to wait for.
    pub fn handled(&self, last: Seq, count: u64, took: Duration) {
        self.handled.fetch_max(last, Ordering::Relaxed);
        if count > 0 {
            let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            let mut all = self.took_ns.load(Ordering::Relaxed).saturating_add(took_ns);
            let mut n = self.count.load(Ordering::Relaxed).saturating_add(count);
            // The older a record, the less it counts.
            while n > MEAN_OF {
                (all, n) = (all / 2, n / 2);
            }
            self.took_ns.store(all, Ordering::Relaxed);
            self.count.store(n, Ordering::Relaxed);
        }
        self.judge();
    }

    /// The last record that was appended.
    pub fn last(&self) -> Seq {
        self.appended.load(Ordering::Relaxed)
    }

    /// How many records wait for the engine.
    pub fn unhandled(&self) -> u64 {
        self.appended.load(Ordering::Relaxed).saturating_sub(self.handled.load(Ordering::Relaxed))
    }

    /// How long the engine will take for them.
    pub fn waiting(&self) -> Duration {
        let each = self.took_ns.load(Ordering::Relaxed) / self.count.load(Ordering::Relaxed).max(1);
        Duration::from_nanos(self.unhandled().saturating_mul(each))
    }

    fn judge(&self) {
        let order = self.ordered.load(Ordering::Relaxed) > self.handled.load(Ordering::Relaxed);
        let crowded = order || self.waiting() > LIMIT || self.unhandled() > LIMIT_RECORDS;
        self.crowded.send_if_modified(|was| std::mem::replace(was, crowded) != crowded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_when_the_engine_would_need_more_than_15_ms_and_opens_again() {
        let lane = Lane::new(100);
        let crowded = lane.crowded();
        lane.appended(100 + 1_900);
        assert!(!*crowded.borrow());
        lane.handled(2_000, 1_900, Duration::from_micros(1_900 * 10));
        lane.appended(2_000 + 1_400);
        assert!(!*crowded.borrow());
        lane.appended(2_000 + 1_700);
        assert!(*crowded.borrow(), "1,700 records at nearly 10 µs each");
        lane.handled(3_000, 1_000, Duration::from_millis(1));
        assert!(!*crowded.borrow());
        lane.handled(7_000, 4_000, Duration::from_millis(1));
        lane.appended(7_000 + LIMIT_RECORDS + 1);
        assert!(*crowded.borrow());
        assert_eq!(lane.unhandled(), LIMIT_RECORDS + 1);
    }

    #[test]
    fn one_record_that_took_long_says_little_about_a_thousand() {
        let lane = Lane::new(0);
        lane.handled(4_000, 4_000, Duration::from_millis(20));
        lane.handled(4_001, 1, Duration::from_millis(10));
        lane.appended(4_001 + 1_000);
        assert!(lane.waiting() < Duration::from_millis(10), "{:?}", lane.waiting());
        lane.handled(5_001, 1_000, Duration::from_secs(1));
        lane.handled(9_001, 4_000, Duration::from_millis(20));
        lane.handled(13_001, 4_000, Duration::from_millis(20));
        lane.appended(13_001 + 100);
        assert!(lane.waiting() < LIMIT, "a pause is forgotten: {:?}", lane.waiting());
    }

    #[test]
    fn nothing_comes_in_behind_an_order_until_the_engine_has_it() {
        let lane = Lane::new(0);
        let crowded = lane.crowded();
        lane.appended(10);
        lane.ordered(11);
        lane.appended(11);
        assert!(*crowded.borrow());
        lane.handled(10, 10, Duration::from_micros(50));
        assert!(*crowded.borrow());
        lane.handled(11, 1, Duration::from_micros(5));
        assert!(!*crowded.borrow());
    }
}
