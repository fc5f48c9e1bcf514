//! What can go wrong with the journal.

use std::io;
use std::path::{Path, PathBuf};

use orderly_core::record::Seq;

use super::worn::is_of_the_disk;

/// Why the journal refused.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The last write failed and no new segment is open yet; try again later.
    #[error("the journal cannot be written at the moment: {0}")]
    Broken(String),
    /// The byte cap is reached and nothing consumed is left to delete: no acks until sinks or engine catch up.
    #[error("the journal holds {bytes} bytes, its cap is {cap}, and nothing in it is consumed")]
    Full {
        /// Bytes in all segments.
        bytes: u64,
        /// The configured cap.
        cap: u64,
    },
    /// The disk is so far behind that more would not fit in memory; try again later.
    #[error("the disk is behind: {0} bytes wait for it")]
    Behind(usize),
    /// Part of an entry is longer than the format allows.
    #[error("{what} has {bytes} bytes, the journal takes at most {limit}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// This record was withdrawn by a failed write; it is not part of the journal.
    #[error("record {0} was lost by a failed write and must be sent again")]
    Withdrawn(Seq),
    /// The files were written by a newer version.
    #[error(
        "{path} has journal format {found}; this version reads up to {known}: start the newer Orderly, or restore a backup"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The newest format that this version reads.
        known: u16,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Whether the disk does not give back what was written. It may do so a moment later.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_of_the_disk(source))
    }

    /// For `map_err`: says what was tried on which file.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
