//! Copies audit entries into the chain. STUB

use std::path::Path;

use crate::pipeline::{AuditCopy, DeliveryChange};

/// `audit.db` of a data directory.
pub struct ChainFile;

impl ChainFile {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be opened.
    #[expect(clippy::unnecessary_wraps, reason = "stub")]
    pub fn open(_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self)
    }
}

impl AuditCopy for ChainFile {
    fn catch_up(&mut self) -> Result<Option<DeliveryChange>, String> {
        Ok(None)
    }
}
