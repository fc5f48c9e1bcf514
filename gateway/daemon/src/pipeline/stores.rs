//! The stores as the pipeline sees them: small traits, so that a test can let each call fail.

use std::path::PathBuf;

use orderly_core::output::{Output, Snapshot};
pub use orderly_store::state::DeliveryChange;
use orderly_store::state::{Keep, StateReader, StateStore, Trimmed};

/// The only writer of the state store.
pub trait StateWrite: Send {
    /// Writes a batch in one transaction; gives the number of the commit.
    ///
    /// # Errors
    /// When nothing of it was written, or nobody knows. The store is then dropped and opened again.
    fn commit(&mut self, output: &Output) -> Result<u64, String>;
    /// Writes delivery changes in one transaction.
    ///
    /// # Errors
    /// When none of them was written.
    fn deliver(&mut self, changes: &[DeliveryChange]) -> Result<(), String>;
    /// Number of the last commit.
    fn commit_no(&self) -> u64;
    /// There is nothing to do at present.
    ///
    /// # Errors
    /// When the store cannot be tidied; it can still be written.
    fn tidy(&mut self) -> Result<(), String>;
    /// Takes away some of what is over and older than is kept.
    ///
    /// # Errors
    /// When nothing was taken away, or nobody knows; [`Self::is_broken`] tells which.
    fn trim(&mut self, keep: Keep) -> Result<Trimmed, String>;
    /// Whether a write failed, so that the store must be dropped and opened again.
    fn is_broken(&self) -> bool;
}

/// Opens the state store, at the start and after a failed commit.
pub trait OpenState: Send {
    /// Opens it and reads what the engine needs.
    ///
    /// # Errors
    /// When it cannot be opened or read now.
    fn open(&mut self) -> Result<(Box<dyn StateWrite>, Snapshot), String>;
}

/// Copies audit entries from the state store into the chain.
pub trait AuditCopy: Send {
    /// Copies all that is committed and waits until it is on disk; gives the change that says so.
    ///
    /// # Errors
    /// When the chain cannot be written; nothing may be answered then.
    fn catch_up(&mut self) -> Result<Option<DeliveryChange>, String>;
}

impl StateWrite for StateStore {
    fn commit(&mut self, output: &Output) -> Result<u64, String> {
        Self::commit(self, output).map_err(|e| e.to_string())
    }

    fn deliver(&mut self, changes: &[DeliveryChange]) -> Result<(), String> {
        self.deliver_all(changes).map_err(|e| e.to_string())
    }

    fn commit_no(&self) -> u64 {
        Self::commit_no(self)
    }

    fn tidy(&mut self) -> Result<(), String> {
        Self::tidy(self).map(drop).map_err(|e| e.to_string())
    }

    fn trim(&mut self, keep: Keep) -> Result<Trimmed, String> {
        Self::trim(self, keep).map_err(|e| e.to_string())
    }

    fn is_broken(&self) -> bool {
        Self::is_broken(self)
    }
}

/// `state.db` of a data directory.
#[derive(Debug, Clone)]
pub struct StateFile(pub PathBuf);

impl OpenState for StateFile {
    fn open(&mut self) -> Result<(Box<dyn StateWrite>, Snapshot), String> {
        let (store, snapshot) = StateStore::open(&self.0).map_err(|e| e.to_string())?;
        Ok((Box::new(store), snapshot))
    }
}

impl StateFile {
    /// A connection that only reads.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn reader(&self) -> Result<StateReader, String> {
        StateReader::open(&self.0).map_err(|e| e.to_string())
    }
}
