//! The outbox as a notifier reads it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use orderly_core::time::Timestamp;
use orderly_store::state::{DueNotice, StateError, StateReader};

/// Where notices wait. Calls block; a notifier makes them off the async threads.
pub trait Outbox: Send + Sync + 'static {
    /// Notices whose time has come, oldest first.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueNotice>, String>;

    /// When the next notice is due; `None`: none waits.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    fn next(&self) -> Result<Option<Timestamp>, String>;
}

/// The outbox in `state.db`. A connection that failed is opened again at the next call.
pub struct OutboxFile {
    dir: PathBuf,
    reader: Mutex<Option<StateReader>>,
}

impl OutboxFile {
    /// The outbox in this directory; it is opened when it is first needed.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), reader: Mutex::default() }
    }

    fn ask<T>(&self, question: impl FnOnce(&StateReader) -> Result<T, StateError>) -> Result<T, String> {
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = match slot.take() {
            Some(reader) => reader,
            None => StateReader::open(&self.dir).map_err(|e| e.to_string())?,
        };
        let answer = question(&reader).map_err(|e| e.to_string())?;
        *slot = Some(reader);
        Ok(answer)
    }
}

impl Outbox for OutboxFile {
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueNotice>, String> {
        self.ask(|reader| reader.outbox_due(now, limit))
    }

    fn next(&self) -> Result<Option<Timestamp>, String> {
        self.ask(StateReader::outbox_next)
    }
}
