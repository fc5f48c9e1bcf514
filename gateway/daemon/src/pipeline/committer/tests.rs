//! The committer's quiet time: trimming holds up nothing, is not held up for ever, and fails without doing harm.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use orderly_core::time::{Clock, Now, Timestamp};
use orderly_store::state::{Keep, Trimmed};

use super::*;
use crate::config::RetentionSettings;
use crate::observe::health::Health;

const MINUTE: u64 = 60_000;

/// A clock that the test sets.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Now {
        let ms = self.0.load(Ordering::Relaxed);
        Now { wall: Timestamp(1_790_000_000_000 + ms.cast_signed()), steady_ms: ms, boot: 1 }
    }
}

/// What the store answers to trimming, and how often it was asked.
#[derive(Default)]
struct Asked {
    answer: Mutex<Option<Result<Trimmed, String>>>,
    breaks: AtomicBool,
    times: AtomicU64,
}

struct Trims(Arc<Asked>);

impl StateWrite for Trims {
    fn commit(&mut self, _: &Output) -> Result<u64, String> {
        Ok(1)
    }
    fn deliver(&mut self, _: &[DeliveryChange]) -> Result<(), String> {
        Ok(())
    }
    fn commit_no(&self) -> u64 {
        1
    }
    fn tidy(&mut self) -> Result<(), String> {
        Ok(())
    }
    fn trim(&mut self, _: Keep) -> Result<Trimmed, String> {
        self.0.times.fetch_add(1, Ordering::Relaxed);
        self.0.answer.lock().unwrap().clone().unwrap()
    }
    fn is_broken(&self) -> bool {
        self.0.breaks.load(Ordering::Relaxed)
    }
}

struct Never;

impl OpenState for Never {
    fn open(&mut self) -> Result<(Box<dyn StateWrite>, Snapshot), String> {
        Err("not asked for".to_owned())
    }
}

impl AuditCopy for Never {
    fn catch_up(&mut self) -> Result<Option<DeliveryChange>, String> {
        Ok(None)
    }
}

fn committer(clock: &Arc<Hand>, asked: &Arc<Asked>) -> Committer {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Committer {
        opener: Box::new(Never),
        store: Some(Box::new(Trims(Arc::clone(asked)))),
        audit: Box::new(Never),
        signals: Arc::default(),
        recent: Arc::default(),
        answers: Arc::default(),
        committed: watch::channel(0).0,
        observers: Vec::new(),
        pulse: Health::new(Arc::clone(&clock)).pulse("committer"),
        held: Vec::new(),
        unaudited: false,
        census: Arc::default(),
        trimming: Trimming::new(clock, RetentionSettings::default()),
    }
}

/// How often trimming was tried in a beat a second, for so long.
fn beats(committer: &mut Committer, clock: &Hand, asked: &Asked, for_ms: u64) -> u64 {
    let before = asked.times.load(Ordering::Relaxed);
    for _ in 0..for_ms / 1_000 {
        committer.idle();
        clock.0.fetch_add(1_000, Ordering::Relaxed);
    }
    asked.times.load(Ordering::Relaxed) - before
}

#[test]
fn a_trimming_that_fails_is_tried_once_in_a_round_and_breaks_nothing() {
    let (clock, asked) = (Arc::<Hand>::default(), Arc::<Asked>::default());
    *asked.answer.lock().unwrap() = Some(Err("a row cannot be read".to_owned()));
    let mut committer = committer(&clock, &asked);
    assert_eq!(beats(&mut committer, &clock, &asked, 60 * MINUTE), 1);
    assert_eq!(beats(&mut committer, &clock, &asked, 60 * MINUTE), 1);
    assert!(committer.store.is_some());
    assert_eq!(committer.signals.look().failed, None, "the engine goes on");

    asked.breaks.store(true, Ordering::Relaxed);
    assert_eq!(beats(&mut committer, &clock, &asked, MINUTE), 1);
    assert!(committer.store.is_none(), "after a write that failed nobody knows what is in the file");
    assert!(committer.signals.look().failed.is_some());
}

#[test]
fn a_committer_that_is_never_quiet_trims_all_the_same() {
    let (clock, asked) = (Arc::<Hand>::default(), Arc::<Asked>::default());
    *asked.answer.lock().unwrap() = Some(Ok(Trimmed { more: true, ..Trimmed::default() }));
    let mut committer = committer(&clock, &asked);
    committer.signals.tell(|p| p.in_flight = true);
    assert_eq!(beats(&mut committer, &clock, &asked, MINUTE), 0, "decisions go before");
    assert_eq!(beats(&mut committer, &clock, &asked, 10 * MINUTE), 10, "a step a minute");
    committer.signals.tell(|p| p.in_flight = false);
    assert_eq!(beats(&mut committer, &clock, &asked, MINUTE), 60, "each beat while there is more");
}
