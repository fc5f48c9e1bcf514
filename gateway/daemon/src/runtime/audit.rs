//! Copies audit entries from `state.db` into the chain of `audit.db`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use orderly_store::audit::AuditStore;
use orderly_store::state::StateReader;

use crate::pipeline::{AuditCopy, DeliveryChange};

/// `audit.db` of a data directory. What failed is closed and opened again at the next call.
#[derive(Debug)]
pub struct ChainFile {
    dir: PathBuf,
    open: Option<AuditStore>,
}

impl ChainFile {
    /// Opens the chain, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let open = Some(AuditStore::open(dir).context("the audit chain")?);
        Ok(Self { dir: dir.to_owned(), open })
    }
}

impl AuditCopy for ChainFile {
    fn catch_up(&mut self) -> Result<Option<DeliveryChange>, String> {
        let mut chain = match self.open.take() {
            Some(chain) => chain,
            None => AuditStore::open(&self.dir).map_err(|e| e.to_string())?,
        };
        // A fresh connection: there are few orders, and it never stands in the way of the log's shortening.
        let state = StateReader::open(&self.dir).map_err(|e| e.to_string())?;
        let change = chain.copy_from(&state).map_err(|e| e.to_string())?;
        self.open = Some(chain);
        Ok(change)
    }
}
