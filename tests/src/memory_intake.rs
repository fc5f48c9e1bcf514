//! A journal in memory whose disk does what the test says: at once, after a delay, on demand, or not at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderly::sources::intake::{Appended, Durable, Intake, IntakeError};
use orderly_core::record::{Entry, Flags, Kind, Seq};
use orderly_core::time::{Clock, Now, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

/// A clock that follows tokio's, so that a test with paused time moves both.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock(Instant);

impl TokioClock {
    /// Starts at zero.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it reads a clock")]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Now {
        let steady_ms = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        let wall = Timestamp(1_795_000_000_000).plus_ms(i64::try_from(steady_ms).unwrap_or(i64::MAX));
        Now { wall, steady_ms, boot: 1 }
    }
}

/// When what was appended becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// At once.
    Fast,
    /// This long after the append.
    Slow(Duration),
    /// When the test calls [`MemoryIntake::sync`].
    Held,
}

/// A record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub seq: Seq,
    /// Its kind.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// Its connection.
    pub connection: u32,
    /// Its topic.
    pub address: String,
    /// Its payload.
    pub body: Vec<u8>,
}

/// The journal.
#[derive(Debug)]
pub struct MemoryIntake {
    disk: Disk,
    clock: TokioClock,
    inner: Mutex<Inner>,
    durable: watch::Sender<Durable>,
    crowded: watch::Sender<bool>,
    appended: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Kept>,
    next: Seq,
    generation: u32,
    unsynced: usize,
    appends: usize,
    refuses: bool,
}

impl MemoryIntake {
    /// An empty journal on such a disk.
    #[must_use]
    pub fn new(disk: Disk) -> Arc<Self> {
        Arc::new(Self {
            disk,
            clock: TokioClock::new(),
            inner: Mutex::new(Inner { next: 1, ..Inner::default() }),
            durable: watch::Sender::new(Durable::default()),
            crowded: watch::Sender::new(false),
            appended: watch::Sender::new(0),
        })
    }

    /// All records of the journal.
    #[must_use]
    pub fn records(&self) -> Vec<Kept> {
        self.lock().records.clone()
    }

    /// How many appends there were that brought records.
    #[must_use]
    pub fn appends(&self) -> usize {
        self.lock().appends
    }

    /// Waits until the journal holds this many records.
    pub async fn wait_for(&self, records: usize) {
        let reached = self.appended.subscribe().wait_for(|n| *n >= records).await.map(|n| *n);
        assert!(reached.is_ok(), "the journal is gone");
    }

    /// Makes all that was appended durable.
    pub fn sync(&self) {
        let last = self.lock().next - 1;
        self.sync_to(last);
    }

    /// The sync fails: what was not durable is withdrawn and the generation grows.
    pub fn fail(&self) {
        let mut inner = self.lock();
        let durable = self.durable.borrow().seq;
        inner.records.retain(|record| record.seq <= durable);
        inner.unsynced = 0;
        inner.generation += 1;
        let (generation, left) = (inner.generation, inner.records.len());
        drop(inner);
        self.appended.send_replace(left);
        self.durable.send_modify(|d| d.generation = generation);
    }

    /// Whether appends are refused from now on.
    pub fn refuse(&self, refuses: bool) {
        self.lock().refuses = refuses;
    }

    /// Whether the engine is behind from now on.
    pub fn crowd(&self, crowded: bool) {
        self.crowded.send_replace(crowded);
    }

    fn sync_to(&self, last: Seq) {
        let mut inner = self.lock();
        if last + 1 >= inner.next {
            inner.unsynced = 0;
        }
        let generation = inner.generation;
        drop(inner);
        self.durable.send_if_modified(|d| {
            let moves = d.generation == generation && d.seq < last;
            if moves {
                d.seq = last;
            }
            moves
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal as the doors want it: a handle that can wait for its slow disk.
#[derive(Debug, Clone)]
pub struct Handle(pub Arc<MemoryIntake>);

impl Intake for Handle {
    fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, IntakeError> {
        let this = &self.0;
        let mut inner = this.lock();
        if inner.refuses {
            return Err(IntakeError::Refused("the test says so".to_owned()));
        }
        let first = inner.next;
        for entry in entries {
            let seq = inner.next;
            inner.next += 1;
            inner.unsynced += entry.body.len() + entry.address.len();
            let (address, body) = (entry.address.to_owned(), entry.body.to_vec());
            let Entry { kind, flags, connection, .. } = *entry;
            inner.records.push(Kept { seq, kind, flags, connection, address, body });
        }
        let (last, generation, total) = (inner.next - 1, inner.generation, inner.records.len());
        inner.appends += usize::from(!entries.is_empty());
        drop(inner);
        this.appended.send_replace(total);
        match this.disk {
            Disk::Fast => this.sync_to(last),
            Disk::Slow(delay) => {
                let this = Arc::clone(this);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    this.sync_to(last);
                });
            }
            Disk::Held => {}
        }
        Ok(Appended { first, last, now: this.clock.now(), generation })
    }

    fn durable(&self) -> watch::Receiver<Durable> {
        self.0.durable.subscribe()
    }

    fn crowded(&self) -> watch::Receiver<bool> {
        self.0.crowded.subscribe()
    }

    fn unsynced_bytes(&self) -> usize {
        self.0.lock().unsynced
    }
}
