//! What appenders, the writer and the tails share under one lock.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use orderly_core::record::{Entry, Seq};
use orderly_core::time::{Clock, Now};

use super::format::{self, Form, Header, Key};
use super::losses::Losses;
use super::recover::Damage;
use super::segment::{self, Segment, last_hash};
use super::worn::GivenUp;
use super::writer::Writer;
use super::{Appended, Durable, JournalError, JournalOptions, Recovered};
use crate::disk::{Disk, DiskFile};

/// Buffers of evicted groups kept for reuse; larger ones are given back.
const SPARE_BUFFERS: usize = 2;
const SPARE_BYTES: usize = 1 << 20;
/// A lower cap could never be kept, as the segment being written cannot go.
const LEAST_SEGMENTS: u64 = 4;
/// Withdrawn ranges remembered for those who wait.
const WITHDRAWN: usize = 64;

pub(crate) struct Shared {
    pub dir: PathBuf,
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub watch: Box<dyn Fn(Durable) + Send + Sync>,
    pub limits: Limits,
    inner: Mutex<Inner>,
    /// The writer has something to do.
    pub work: Condvar,
    /// Watermark, generation or state changed.
    pub moved: Condvar,
    /// The keeper has something to do.
    pub keep: Condvar,
    /// Held while segments are sealed and deleted.
    pub keeping: Mutex<()>,
}

pub(crate) struct Limits {
    pub segment_bytes: u64,
    pub hot_bytes: usize,
    pub frame_bytes: usize,
    pub max_unsynced: usize,
    pub retry: Duration,
    pub keep_for: Duration,
    pub keep_bytes: u64,
}

pub(crate) enum State {
    Open,
    Broken(String),
}

/// One durable group in memory.
pub(crate) struct HotGroup {
    pub last: Seq,
    pub bytes: Vec<u8>,
}

pub(crate) struct Inner {
    pub state: State,
    pub closing: bool,
    pub ended: bool,
    /// Encoded records of the open group.
    pub open: Vec<u8>,
    pub open_first: Seq,
    /// Bytes that the writer has taken and not finished.
    pub writing: usize,
    pub next: Seq,
    pub key: Key,
    pub last_now: Now,
    pub durable: Durable,
    pub withdrawn: VecDeque<(Seq, Seq)>,
    pub hot: VecDeque<Arc<HotGroup>>,
    pub hot_bytes: usize,
    /// All records of the journal behind this one are in `hot`.
    pub hot_floor: Seq,
    pub spare: Vec<Vec<u8>>,
    pub tails: Vec<Weak<AtomicU64>>,
    /// All segments; the last is the one being written.
    pub segments: Vec<Segment>,
    pub consumed: Seq,
    /// Bytes of all segments.
    pub file_bytes: u64,
    pub keep_wanted: bool,
    pub prepare_wanted: bool,
    /// The file of the next segment, made ahead.
    pub prepared: Option<(PathBuf, Arc<dyn DiskFile>)>,
    pub prepared_files: u64,
    pub syncs: u64,
    pub last_sync_ms: u64,
    /// Damage that was met and not yet handed over.
    pub losses: Losses,
    /// Segments that a tail could not read as they are, until they are deleted.
    pub stuck: BTreeMap<u64, Stuck>,
}

/// A segment that a tail failed to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stuck {
    /// Behind which record it failed last.
    pub behind: Seq,
    /// How often it failed since something of it could be read there.
    pub failures: u32,
    /// The blocks that are given up. Other tails read over them at once, and try any other block anew.
    pub given_up: Arc<GivenUp>,
}

impl Inner {
    pub fn unsynced(&self) -> usize {
        self.open.len() + self.writing
    }

    /// Forgets hot groups that every tail has passed, and the oldest while they are too many.
    pub fn evict(&mut self, limit: usize) {
        self.tails.retain(|t| t.strong_count() > 0);
        let positions = self.tails.iter().filter_map(Weak::upgrade).map(|p| p.load(Ordering::Relaxed));
        let passed = positions.min().unwrap_or(Seq::MAX);
        while let Some(group) = self.hot.front() {
            if group.last > passed && self.hot_bytes <= limit {
                break;
            }
            self.hot_bytes -= group.bytes.len();
            self.hot_floor = group.last;
            let group = self.hot.pop_front().and_then(Arc::into_inner);
            if let Some(HotGroup { mut bytes, .. }) = group
                && self.spare.len() < SPARE_BUFFERS
                && bytes.capacity() <= SPARE_BYTES
            {
                bytes.clear();
                self.spare.push(bytes);
            }
        }
    }

    /// Takes back everything that is not durable; the numbers stay used.
    pub fn withdraw(&mut self, why: String) {
        if self.next > self.durable.seq + 1 {
            if self.withdrawn.len() == WITHDRAWN {
                self.withdrawn.pop_front();
            }
            self.withdrawn.push_back((self.durable.seq + 1, self.next - 1));
        }
        self.open.clear();
        self.writing = 0;
        self.durable.generation += 1;
        self.state = State::Broken(why);
    }
}

impl Shared {
    pub fn open(
        mut options: JournalOptions,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        watch: Box<dyn Fn(Durable) + Send + Sync>,
    ) -> Result<(Arc<Self>, Writer, Recovered), JournalError> {
        let dir = std::mem::take(&mut options.dir);
        disk.create_dir_all(&dir).map_err(JournalError::io("make", &dir))?;
        let found = super::recover::recover(&*disk, &dir, options.read_over)?;
        let report = found.report;
        let next = found.next.max(options.after + 1);
        let now = clock.now();
        let header = Header {
            form: Form::Raw,
            number: found.number,
            first: next,
            base: report.last,
            created: now.wall,
            salt: (options.salts)(),
            previous: last_hash(&found.segments),
        };
        let file = segment::create(&*disk, &dir, &header, None)?;
        let mut segments = found.segments;
        segments.push(Segment::new(header));
        let mut losses = Losses::default();
        for damage in &report.damaged {
            losses.note(damage.clone());
        }
        let inner = Inner {
            state: State::Open,
            closing: false,
            ended: false,
            open: Vec::new(),
            open_first: next,
            writing: 0,
            next,
            key: header.key(),
            last_now: now,
            durable: Durable { seq: report.last, generation: 0 },
            withdrawn: VecDeque::new(),
            hot: VecDeque::new(),
            hot_bytes: 0,
            hot_floor: report.last,
            spare: Vec::new(),
            tails: Vec::new(),
            file_bytes: segments.iter().map(|s| s.bytes).sum(),
            segments,
            consumed: 0,
            keep_wanted: true,
            prepare_wanted: false,
            prepared: None,
            prepared_files: 0,
            syncs: 0,
            last_sync_ms: 0,
            losses,
            stuck: BTreeMap::new(),
        };
        let limits = Limits {
            segment_bytes: options.segment_bytes,
            hot_bytes: options.hot_bytes,
            frame_bytes: options.frame_bytes,
            max_unsynced: options.max_unsynced,
            retry: options.retry,
            keep_for: options.keep_for,
            keep_bytes: options.keep_bytes.max(LEAST_SEGMENTS * options.segment_bytes),
        };
        let shared = Arc::new(Self {
            dir,
            disk,
            clock,
            watch,
            limits,
            inner: Mutex::new(inner),
            work: Condvar::new(),
            moved: Condvar::new(),
            keep: Condvar::new(),
            keeping: Mutex::new(()),
        });
        let writer = Writer::new(Arc::clone(&shared), options.salts, header, file);
        Ok((shared, writer, report))
    }

    /// A panic of another thread cannot leave the state half changed in a way that matters more than going on.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes damage that somebody met, for [`super::Journal::take_damage`].
    pub fn tell(&self, damaged: Vec<Damage>) {
        for damage in damaged {
            let (segment, offset, bytes) = (damage.segment, damage.offset, damage.bytes);
            let (after, lost) = (damage.after, damage.records_lost);
            if self.lock().losses.note(damage) {
                tracing::error!(segment, offset, bytes, after, lost, "the journal is damaged");
            }
        }
    }

    pub fn wait<'a>(&self, on: &Condvar, inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        on.wait(inner).unwrap_or_else(PoisonError::into_inner)
    }

    pub fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, JournalError> {
        entries.iter().try_for_each(format::check)?;
        let mut inner = self.lock();
        if inner.closing {
            return Err(JournalError::Closed);
        }
        if let State::Broken(why) = &inner.state {
            return Err(JournalError::Broken(why.clone()));
        }
        if inner.unsynced() > self.limits.max_unsynced {
            return Err(JournalError::Behind(inner.unsynced()));
        }
        self.refuse_full(&mut inner)?;
        let inner = &mut *inner;
        let mut now = self.clock.now();
        if now.boot == inner.last_now.boot {
            now.steady_ms = now.steady_ms.max(inner.last_now.steady_ms);
        }
        inner.last_now = now;
        let first = inner.next;
        let idle = inner.open.is_empty();
        if idle {
            inner.open_first = first;
        }
        for entry in entries {
            let starts = inner.open.is_empty();
            format::encode(&mut inner.open, inner.key, starts, inner.next, now, entry);
            inner.next += 1;
        }
        if idle && inner.writing == 0 {
            self.work.notify_one();
        }
        Ok(Appended { first, last: inner.next - 1, now, generation: inner.durable.generation })
    }

    pub fn wait_durable(&self, seq: Seq) -> Result<(), JournalError> {
        let mut inner = self.lock();
        loop {
            if inner.withdrawn.iter().any(|&(first, last)| (first..=last).contains(&seq)) {
                return Err(JournalError::Withdrawn(seq));
            }
            if inner.durable.seq >= seq {
                return Ok(());
            }
            if inner.ended {
                return Err(JournalError::Closed);
            }
            inner = self.wait(&self.moved, inner);
        }
    }

    /// Asks the threads to end.
    pub fn shut(&self) {
        self.lock().closing = true;
        self.work.notify_all();
        self.moved.notify_all();
        self.keep.notify_all();
    }
}
