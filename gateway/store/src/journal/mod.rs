//! The journal: every input of the engine, on stable storage before it is acknowledged.
//!
//! **Way of a record.** [`Journal::append`] takes one lock, gives the record its number and time, and encodes it
//! straight into the open group; it never waits for the disk. One writer thread takes the whole open group, writes
//! and syncs it, moves the durable watermark and calls the watch; what came meanwhile is the next group. A [`Tail`]
//! gives durable records in order, from memory when it is close behind and from the files when not.
//!
//! **A failed write or sync** is never tried again on that file: after a failed fsync nothing is known about it.
//! The watermark never covers the records of that group nor those appended meanwhile; they are withdrawn, the
//! generation grows, and `append` refuses until a new segment is open. Its header names the last record that is part
//! of the journal (`base`) and the first number of its own, so recovery drops what an older segment holds behind
//! `base`, although it may be there in full. Numbers of withdrawn records are not given out again: the sequence has
//! a gap, which is no damage. If the machine stops before the new header is durable, the group may come back as the
//! journal's end. That is a late success of records which nobody had seen, and it is unambiguous as nothing follows.
//!
//! **A source** acks what [`Durable::covers`] says. When the generation has grown it drops what it waits for,
//! unacknowledged, so that the devices send again.
//!
//! The journal never decodes a payload and never refuses to open because of what its files hold.

mod check;
mod error;
mod format;
mod keep;
mod losses;
mod prepare;
mod recover;
mod scan;
mod seal;
mod segment;
mod shared;
mod tail;
mod worn;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use orderly_core::record::{Entry, Seq};
use orderly_core::time::{Clock, Now};

use crate::disk::Disk;
pub use check::{Report, SegmentReport, check, dump};
pub use error::JournalError;
pub use format::{Form, MAX_BODY};
pub use recover::{Damage, Recovered};
use shared::Shared;
pub use tail::{Group, Tail};

/// How a journal is kept.
pub struct JournalOptions {
    /// Its directory; made if missing.
    pub dir: PathBuf,
    /// A segment that has reached this size is completed.
    pub segment_bytes: u64,
    /// How many bytes of durable records stay in memory for tails that are close behind.
    pub hot_bytes: usize,
    /// Sealed segments are compressed in frames of this many bytes, which is what one damaged byte can cost.
    pub frame_bytes: usize,
    /// With more bytes waiting for the disk, `append` refuses.
    pub max_unsynced: usize,
    /// Consumed segments older than this are deleted.
    pub keep_for: Duration,
    /// With more bytes the oldest consumed segments are deleted, and if there are none, `append` refuses.
    pub keep_bytes: u64,
    /// The longest pause between tries to open a new segment after a failure.
    pub retry: Duration,
    /// Numbers given out are above this: the cursor of the state, in case the journal was lost behind it.
    pub after: Seq,
    /// Whether the start reads over what the disk does not give, and tells it as damage. Otherwise it fails with an
    /// error of the disk, nothing is changed, and the disk may be given time.
    pub read_over: bool,
    /// Whether a thread of the journal seals and deletes; without it [`Journal::maintain`] does.
    pub background: bool,
    /// Where the salts of new segments come from; they must not be guessable.
    pub salts: Box<dyn FnMut() -> u128 + Send>,
}

impl JournalOptions {
    /// The defaults of DESIGN 3 in this directory.
    #[must_use]
    pub fn new(dir: PathBuf, salts: Box<dyn FnMut() -> u128 + Send>) -> Self {
        Self {
            dir,
            segment_bytes: 32 << 20,
            hot_bytes: 16 << 20,
            frame_bytes: 64 << 10,
            max_unsynced: 64 << 20,
            keep_for: Duration::from_secs(30 * 24 * 3600),
            keep_bytes: 20 << 30,
            retry: Duration::from_secs(5),
            after: 0,
            read_over: true,
            background: true,
            salts,
        }
    }
}

/// What an append was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Number of its first record.
    pub first: Seq,
    /// Number of its last record.
    pub last: Seq,
    /// When, by both clocks; all records of one append share it.
    pub now: Now,
    /// The generation in which it was appended.
    pub generation: u32,
}

/// How far the journal is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durable {
    /// The last durable record.
    pub seq: Seq,
    /// Grows at each failed write: what was appended before and is not covered then is withdrawn.
    pub generation: u32,
}

impl Durable {
    /// Whether these records may be acknowledged.
    #[must_use]
    pub fn covers(&self, appended: &Appended) -> bool {
        self.generation == appended.generation && self.seq >= appended.last
    }
}

/// Figures of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Segment files.
    pub segments: usize,
    /// Those known to hold bytes that are no records.
    pub damaged_segments: usize,
    /// Bytes in all files and on the way there.
    pub bytes: u64,
    /// The oldest record kept.
    pub first: Seq,
    /// The last number given out.
    pub appended: Seq,
    /// What all readers have passed.
    pub consumed: Seq,
    /// The watermark.
    pub durable: Durable,
    /// Bytes that wait for the disk.
    pub unsynced_bytes: usize,
    /// Groups written since the start.
    pub syncs: u64,
    /// How long the last write and sync took, in milliseconds.
    pub last_sync_ms: u64,
    /// Why nothing can be written at the moment.
    pub trouble: Option<String>,
}

/// A handle of the journal; cloning is cheap, and the threads end with the last one.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    _threads: Arc<Threads>,
}

struct Threads {
    shared: Arc<Shared>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    fn start(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), JournalError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        self.running.push(thread.map_err(JournalError::io("start a thread for", &self.shared.dir))?);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.shut();
        let me = std::thread::current().id();
        // The last handle may be dropped inside the watch callback, on the writer thread itself.
        for thread in self.running.drain(..).filter(|t| t.thread().id() != me) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal panicked");
            }
        }
    }
}

impl Journal {
    /// Opens the journal of a directory, with a new segment for this run, and starts its writer.
    ///
    /// `watch` is called on the writer thread after each group and after each failure; it must not wait.
    ///
    /// # Errors
    /// When the disk refuses, or a newer version wrote the files; never because of what the files hold. What the disk
    /// does not give back is an error only without [`JournalOptions::read_over`].
    pub fn open(
        options: JournalOptions,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        watch: Box<dyn Fn(Durable) + Send + Sync>,
    ) -> Result<(Self, Recovered), JournalError> {
        let background = options.background;
        let (shared, writer, recovered) = Shared::open(options, disk, clock, watch)?;
        let mut threads = Threads { shared: Arc::clone(&shared), running: Vec::new() };
        threads.start("journal", move || writer.run())?;
        if background {
            let shared = Arc::clone(&shared);
            threads.start("journal-keep", move || shared.keeper())?;
        }
        Ok((Self { shared, _threads: Arc::new(threads) }, recovered))
    }

    /// Appends records, all or none; they are durable when [`Self::durable`] covers them.
    ///
    /// # Errors
    /// When a part is too long, the disk fails or is behind, the cap is reached, or the journal is closed.
    pub fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, JournalError> {
        self.shared.append(entries)
    }

    /// How far the journal is on stable storage.
    #[must_use]
    pub fn durable(&self) -> Durable {
        self.shared.lock().durable
    }

    /// Waits until a record is durable.
    ///
    /// # Errors
    /// When a failed write withdrew the record, or the journal was closed before.
    pub fn wait_durable(&self, seq: Seq) -> Result<(), JournalError> {
        self.shared.wait_durable(seq)
    }

    /// Bytes that wait for the disk.
    #[must_use]
    pub fn unsynced_bytes(&self) -> usize {
        self.shared.lock().unsynced()
    }

    /// A reader of the durable records behind `after`.
    #[must_use]
    pub fn tail(&self, after: Seq) -> Tail {
        Tail::new(Arc::clone(&self.shared), after)
    }

    /// Damage that was met since the last call, at the start and by whoever read on; each place once in a run. What
    /// is not made known and kept by the caller is lost with the process.
    #[must_use]
    pub fn take_damage(&self) -> Vec<Damage> {
        self.shared.lock().losses.take()
    }

    /// All cursors have passed `consumed`: what it covers may be deleted when the rules of keeping say so.
    pub fn trim(&self, consumed: Seq) {
        self.shared.trim(consumed);
    }

    /// Writes what was appended and ends; other handles then get [`JournalError::Closed`].
    pub fn close(self) {
        self.shared.shut();
        let mut inner = self.shared.lock();
        while !inner.ended {
            inner = self.shared.wait(&self.shared.moved, inner);
        }
    }
}
