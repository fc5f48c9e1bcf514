//! The one thread that writes: a whole group, one write, one sync, then the watermark.

use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use orderly_core::record::Seq;

use super::JournalError;
use super::format::{Form, Header, Key, ZONE};
use super::segment::{self, Segment};
use super::shared::{HotGroup, Shared, State};
use crate::disk::DiskFile;

const FIRST_RETRY: Duration = Duration::from_millis(20);

/// The writer's own state; nobody else touches the file.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    salts: Box<dyn FnMut() -> u128 + Send>,
    header: Header,
    file: Arc<dyn DiskFile>,
    size: u64,
    /// Whether the file was prepared, and whether the next one was asked for.
    prepared: bool,
    asked: bool,
    /// Number of the last segment that was made or tried; a failed one is not tried again.
    number: u64,
}

/// A group on its way to the disk.
struct Taken {
    first: Seq,
    last: Seq,
    bytes: Vec<u8>,
    /// The segment is full with this group: the salt of the next, with which records are encoded from now on.
    next_salt: Option<u128>,
}

/// Tells those who wait that nothing will move any more, also when the watch panics.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.closing = true;
        inner.ended = true;
        drop(inner);
        self.0.moved.notify_all();
    }
}

impl Writer {
    pub fn new(
        shared: Arc<Shared>,
        salts: Box<dyn FnMut() -> u128 + Send>,
        header: Header,
        file: Arc<dyn DiskFile>,
    ) -> Self {
        Self {
            shared,
            salts,
            header,
            file,
            size: ZONE as u64,
            prepared: false,
            asked: false,
            number: header.number,
        }
    }

    pub fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.shared));
        while let Some(taken) = self.take() {
            let next_salt = taken.next_salt;
            let done = self.write(&taken.bytes).map(|ms| self.publish(taken, ms));
            let done = done.and_then(|()| next_salt.map_or(Ok(()), |salt| self.advance(salt)));
            if let Err(error) = done {
                self.fail(&error);
                if !self.reopen() {
                    break;
                }
            }
        }
    }

    /// The whole open group; waits for one, and gives none when the journal closes.
    fn take(&mut self) -> Option<Taken> {
        let mut inner = self.shared.lock();
        while inner.open.is_empty() {
            if inner.closing {
                return None;
            }
            inner = self.shared.wait(&self.shared.work, inner);
        }
        let empty = inner.spare.pop().unwrap_or_default();
        let bytes = mem::replace(&mut inner.open, empty);
        inner.writing = bytes.len();
        let size = self.size + bytes.len() as u64;
        // A growing file is given up for a prepared one as soon as there is one.
        let full = size >= self.shared.limits.segment_bytes || !self.prepared && inner.prepared.is_some();
        let next_salt = full.then(|| (self.salts)());
        if let Some(salt) = next_salt {
            inner.key = Key::of(salt);
        }
        Some(Taken { first: inner.open_first, last: inner.next - 1, bytes, next_salt })
    }

    /// Milliseconds that it took.
    fn write(&self, bytes: &[u8]) -> Result<u64, JournalError> {
        let path = || segment::path(&self.shared.dir, self.header.number, Form::Raw);
        let began = self.shared.clock.now().steady_ms;
        self.file.write_at(bytes, self.size).map_err(|e| JournalError::io("write", &path())(e))?;
        self.file.sync_data().map_err(|e| JournalError::io("sync", &path())(e))?;
        Ok(self.shared.clock.now().steady_ms.saturating_sub(began))
    }

    fn publish(&mut self, taken: Taken, took_ms: u64) {
        let Taken { first, last, bytes, .. } = taken;
        let offset = self.size;
        self.size += bytes.len() as u64;
        let mut inner = self.shared.lock();
        if !self.asked && self.shared.worth_preparing(self.size) {
            self.asked = true;
            inner.prepare_wanted = true;
            inner.keep_wanted = true;
            self.shared.keep.notify_one();
        }
        inner.writing = 0;
        inner.durable.seq = last;
        inner.syncs += 1;
        inner.last_sync_ms = took_ms;
        inner.file_bytes += bytes.len() as u64;
        inner.hot_bytes += bytes.len();
        inner.hot.push_back(Arc::new(HotGroup { last, bytes }));
        inner.evict(self.shared.limits.hot_bytes);
        let wall = inner.last_now.wall;
        if let Some(segment) = inner.segments.last_mut() {
            segment.mark(first, offset);
            segment.last = last;
            segment.ended = wall;
            segment.bytes = self.size;
        }
        self.tell(inner);
    }

    fn tell(&self, inner: std::sync::MutexGuard<'_, super::shared::Inner>) {
        let durable = inner.durable;
        drop(inner);
        self.shared.moved.notify_all();
        (self.shared.watch)(durable);
    }

    fn fail(&self, error: &JournalError) {
        tracing::error!(%error, "journal write failed; its records are withdrawn and a new segment is needed");
        let mut inner = self.shared.lock();
        inner.withdraw(error.to_string());
        self.tell(inner);
    }

    /// Begins the next segment after the one that is full.
    fn advance(&mut self, salt: u128) -> Result<(), JournalError> {
        // What is in the open group already belongs to the next segment, so its first number is that behind the watermark.
        let last = self.shared.lock().durable.seq;
        self.create(salt, last + 1, last)
    }

    /// Tries to open a new segment until it works; false when the journal closes meanwhile.
    fn reopen(&mut self) -> bool {
        let mut pause = FIRST_RETRY.min(self.shared.limits.retry);
        loop {
            let salt = (self.salts)();
            let (next, last) = {
                let inner = self.shared.lock();
                (inner.next, inner.durable.seq)
            };
            match self.create(salt, next, last) {
                Ok(()) => {
                    let mut inner = self.shared.lock();
                    inner.key = Key::of(salt);
                    inner.state = State::Open;
                    tracing::info!(segment = self.number, "the journal can be written again");
                    self.tell(inner);
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, "no new journal segment yet");
                    self.shared.lock().state = State::Broken(error.to_string());
                }
            }
            let inner = self.shared.lock();
            let waited = self.shared.work.wait_timeout_while(inner, pause, |i| !i.closing);
            if waited.unwrap_or_else(PoisonError::into_inner).0.closing {
                return false;
            }
            pause = (pause * 2).min(self.shared.limits.retry);
        }
    }

    fn create(&mut self, salt: u128, first: Seq, base: Seq) -> Result<(), JournalError> {
        self.number += 1;
        let created = self.shared.clock.now().wall;
        let previous = segment::last_hash(&self.shared.lock().segments);
        let header = Header { form: Form::Raw, number: self.number, first, base, created, salt, previous };
        let prepared = self.shared.lock().prepared.take();
        self.prepared = prepared.is_some();
        self.asked = false;
        let made = segment::create(&*self.shared.disk, &self.shared.dir, &header, prepared);
        let file = made.inspect_err(|_| {
            // Only tidiness: recovery ignores a segment without records.
            let path = segment::path(&self.shared.dir, self.number, Form::Raw);
            if let Err(error) = self.shared.disk.remove(&path) {
                tracing::debug!(%error, "an unfinished segment stays behind");
            }
        })?;
        self.header = header;
        self.file = file;
        self.size = ZONE as u64;
        let mut inner = self.shared.lock();
        inner.segments.push(Segment::new(header));
        inner.recount();
        inner.keep_wanted = true;
        self.shared.keep.notify_one();
        Ok(())
    }
}
