//! Looks after completed segments: seals them, and deletes what every reader has passed and the rules let go.

use std::io;
use std::time::Duration;

use orderly_core::record::Seq;
use orderly_core::time::Timestamp;

use super::format::Form;
use super::recover::end_of;
use super::seal::{self, Sealed};
use super::segment::{self, Segment};
use super::shared::{Inner, Shared};
use super::{Journal, JournalError, Stats};

/// The cap can be overrun by so many segments while deletion is under way.
const SLACK_SEGMENTS: u64 = 2;

impl Inner {
    /// Bytes in all files and on the way there.
    pub fn bytes(&self) -> u64 {
        self.file_bytes + self.unsynced() as u64
    }

    /// To be called after segments came or went.
    pub fn recount(&mut self) {
        self.file_bytes = self.segments.iter().map(|s| s.bytes).sum();
    }

    /// The completed segment that may go next: an empty one, or the oldest if all readers passed it and it is too
    /// old or one too many.
    fn removable(&self, now: Timestamp, keep_for: Duration, cap: u64) -> Option<usize> {
        let (_, completed) = self.segments.split_last()?;
        let keep_ms = i64::try_from(keep_for.as_millis()).unwrap_or(i64::MAX);
        let may_go =
            |s: &Segment| s.last <= self.consumed && (now.since(s.ended) > keep_ms || self.bytes() > cap);
        // Empty ones first: they may hold a withdrawn group, and only the header behind them says so.
        let empty = completed.iter().position(Segment::is_empty);
        empty.or_else(|| completed.first().filter(|s| may_go(s)).map(|_| 0))
    }

    fn sealable(&self) -> Option<&Segment> {
        let (_, completed) = self.segments.split_last()?;
        completed.iter().find(|s| s.header.form == Form::Raw && !s.damaged && !s.is_empty())
    }

    fn position(&self, segment: &Segment) -> Option<usize> {
        self.segments.iter().position(|s| s.header.number == segment.header.number)
    }
}

impl Shared {
    /// Whether the cap forbids to append; wakes the keeper when it is reached.
    pub fn refuse_full(&self, inner: &mut Inner) -> Result<(), JournalError> {
        let (bytes, cap) = (inner.bytes(), self.limits.keep_bytes);
        if bytes <= cap {
            return Ok(());
        }
        inner.keep_wanted = true;
        self.keep.notify_one();
        let going =
            inner.segments.first().is_some_and(|s| s.last <= inner.consumed && inner.segments.len() > 1);
        if going && bytes <= cap + SLACK_SEGMENTS * self.limits.segment_bytes {
            return Ok(());
        }
        Err(JournalError::Full { bytes, cap })
    }

    pub fn trim(&self, consumed: Seq) {
        let now = self.clock.now().wall;
        let mut inner = self.lock();
        inner.consumed = inner.consumed.max(consumed);
        if inner.removable(now, self.limits.keep_for, self.limits.keep_bytes).is_some() {
            inner.keep_wanted = true;
            self.keep.notify_one();
        }
    }

    /// Runs [`Self::maintain`] whenever there may be something to do, until the journal closes.
    pub fn keeper(&self) {
        loop {
            let mut inner = self.lock();
            while !inner.keep_wanted && !inner.closing {
                inner = self.wait(&self.keep, inner);
            }
            if inner.closing {
                return;
            }
            inner.keep_wanted = false;
            drop(inner);
            if let Err(error) = self.maintain() {
                tracing::warn!(%error, "looking after the journal's segments failed; it is tried again later");
            }
        }
    }

    /// Deletes, seals and prepares until nothing is left to do.
    pub fn maintain(&self) -> Result<(), JournalError> {
        let _alone = self.keeping.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.remove_old()?;
        self.prepare()?;
        while self.seal_next()? {
            self.remove_old()?;
            self.prepare()?;
        }
        Ok(())
    }

    /// Oldest first, each durably gone before the next, so that a power cut never leaves a hole.
    fn remove_old(&self) -> Result<(), JournalError> {
        loop {
            let now = self.clock.now().wall;
            let mut inner = self.lock();
            let limits = &self.limits;
            let Some(i) = inner.removable(now, limits.keep_for, limits.keep_bytes) else { return Ok(()) };
            let segment = inner.segments.remove(i);
            inner.recount();
            drop(inner);
            // A raw file may still lie beside its sealed one, if removing it failed.
            let gone = self.remove(&segment, Form::Raw).and_then(|()| self.remove(&segment, Form::Sealed));
            let synced = gone.and_then(|()| self.sync_dir());
            if let Err(error) = synced {
                let mut inner = self.lock();
                inner.segments.insert(i, segment);
                inner.recount();
                return Err(error);
            }
            self.lock().stuck.remove(&segment.header.number);
        }
    }

    fn seal_next(&self) -> Result<bool, JournalError> {
        let Some(segment) = self.lock().sealable().cloned() else { return Ok(false) };
        if self.lock().closing {
            return Ok(false);
        }
        let sealed = seal::seal(&*self.disk, &self.dir, &segment, self.limits.frame_bytes)?;
        let mut inner = self.lock();
        let Some(i) = inner.position(&segment) else { return Ok(true) };
        match sealed {
            Sealed::Damaged => {
                tracing::warn!(
                    segment = segment.header.number,
                    "a damaged segment stays as it is; see journal check"
                );
                inner.segments[i].damaged = true;
                drop(inner);
                self.tell_all(&segment);
                Ok(true)
            }
            Sealed::Done(bytes) => {
                inner.segments[i].bytes = bytes;
                inner.segments[i].header.form = Form::Sealed;
                inner.segments[i].marks = Vec::new();
                inner.stuck.remove(&segment.header.number);
                inner.recount();
                drop(inner);
                self.remove(&segment, Form::Raw)?;
                self.sync_dir().map(|()| true)
            }
        }
    }

    /// What a segment has lost is told although nobody may ever read it again: it is part of the record.
    fn tell_all(&self, segment: &Segment) {
        match end_of(&*self.disk, &self.dir, segment, segment.last, true) {
            Ok(end) => self.tell(end.damaged),
            Err(error) => tracing::warn!(%error, "a damaged segment cannot be read through"),
        }
    }

    fn remove(&self, segment: &Segment, form: Form) -> Result<(), JournalError> {
        let path = segment::path(&self.dir, segment.header.number, form);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn sync_dir(&self) -> Result<(), JournalError> {
        self.disk.sync_dir(&self.dir).map_err(JournalError::io("sync the directory", &self.dir))
    }
}

impl Journal {
    /// Seals completed segments and deletes what may go, now and on this thread. A journal with
    /// [`super::JournalOptions::background`] does so by itself.
    ///
    /// # Errors
    /// When the disk refuses; nothing is lost by it, and the next call goes on.
    pub fn maintain(&self) -> Result<(), JournalError> {
        self.shared.maintain()
    }

    /// Figures for the status page.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let inner = self.shared.lock();
        Stats {
            segments: inner.segments.len(),
            damaged_segments: inner.segments.iter().filter(|s| s.damaged).count(),
            bytes: inner.bytes(),
            first: inner.segments.iter().find(|s| !s.is_empty()).map_or(inner.next, |s| s.header.first),
            appended: inner.next - 1,
            consumed: inner.consumed,
            durable: inner.durable,
            unsynced_bytes: inner.unsynced(),
            syncs: inner.syncs,
            last_sync_ms: inner.last_sync_ms,
            trouble: match &inner.state {
                super::shared::State::Open => None,
                super::shared::State::Broken(why) => Some(why.clone()),
            },
        }
    }
}
