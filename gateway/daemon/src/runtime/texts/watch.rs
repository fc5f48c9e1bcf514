//! Looks whether a file of profiles, their scripts or rules changed, without reading any.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::gather::{files_in, folders};
use crate::config::Settings;

/// The folders as one look found them: which files, how long, and when they were changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look(Vec<Seen>);

/// A file: its number, length, and the two times that a write moves.
type Seen = (PathBuf, Option<(u64, u64, (i64, i64), (i64, i64))>);

impl Look {
    /// Looks at the folders of the settings. A folder that cannot be read is something to see, too.
    #[must_use]
    pub fn at(settings: &Settings) -> Self {
        let mut seen = Vec::new();
        for folder in folders(settings) {
            let mut files = Vec::new();
            if files_in(&folder, &["js", "toml"], &mut files).is_err() {
                seen.push((folder, None));
            }
            for path in files {
                let of = std::fs::metadata(&path).ok().map(|of| {
                    (of.ino(), of.len(), (of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec()))
                });
                seen.push((path, of));
            }
        }
        seen.sort();
        Self(seen)
    }
}
