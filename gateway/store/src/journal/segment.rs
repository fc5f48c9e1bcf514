//! The segment files of a journal: names, creation, and what is known of each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderly_core::record::Seq;
use orderly_core::time::Timestamp;

use super::JournalError;
use super::format::{Form, Header, ZONE};
use crate::disk::{Disk, DiskFile};

/// A place in a raw segment is remembered every so many bytes, so that a slow reader need not scan from the front.
const TEMPORARY: &str = ".tmp";
const PREPARED: &str = ".new";
const MARK_EVERY: u64 = 256 << 10;

/// What is known of one segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub header: Header,
    /// The last record of the journal up to this segment's end; below `header.first` when it holds none.
    pub last: Seq,
    /// When it was completed; for the rules of keeping.
    pub ended: Timestamp,
    /// Bytes of its file that count.
    pub bytes: u64,
    /// Sequence numbers of some records and where they begin.
    pub marks: Vec<(Seq, u64)>,
    /// Has bytes that are no records, so it is never sealed: they are evidence.
    pub damaged: bool,
}

impl Segment {
    pub fn new(header: Header) -> Self {
        let (last, ended) = (header.base, header.created);
        Self { header, last, ended, bytes: ZONE as u64, marks: Vec::new(), damaged: false }
    }

    /// Whether it holds no record of the journal.
    pub fn is_empty(&self) -> bool {
        self.last < self.header.first
    }

    /// Remembers where a record begins, if the last such place is far enough behind.
    pub fn mark(&mut self, seq: Seq, offset: u64) {
        if offset - self.marks.last().map_or(ZONE as u64, |&(_, at)| at) >= MARK_EVERY {
            self.marks.push((seq, offset));
        }
    }

    /// The best known place to look for a record.
    pub fn near(&self, seq: Seq) -> (Seq, u64) {
        let after = self.marks.partition_point(|&(first, _)| first <= seq);
        after.checked_sub(1).map_or((self.header.first, ZONE as u64), |i| self.marks[i])
    }

    /// Where its file is.
    pub fn path(&self, dir: &Path) -> PathBuf {
        path(dir, self.header.number, self.header.form)
    }
}

/// The file of a segment.
pub(crate) fn path(dir: &Path, number: u64, form: Form) -> PathBuf {
    let kind = match form {
        Form::Raw => "log",
        Form::Sealed => "zst",
    };
    dir.join(format!("{number:012}.{kind}"))
}

/// Whether a file is one that a seal had not finished or no segment had taken.
pub(crate) fn is_temporary(name: &str) -> bool {
    let number = name.strip_suffix(TEMPORARY).or_else(|| name.strip_suffix(PREPARED));
    number.is_some_and(|n| n.len() == 12 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// What a seal writes before it has its name.
pub(crate) fn temporary(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}{TEMPORARY}"))
}

/// The nth file that a run makes ahead of time.
pub(crate) fn prepared(dir: &Path, nth: u64) -> PathBuf {
    dir.join(format!("{nth:012}{PREPARED}"))
}

/// What a new header keeps of those before it: the hash of the last that holds records, as empty ones may go.
pub(crate) fn last_hash(segments: &[Segment]) -> [u8; 32] {
    segments.iter().rev().find(|s| !s.is_empty()).map_or([0; 32], |s| s.header.hash())
}

/// The number and form that a file name stands for.
pub(crate) fn parse_name(name: &str) -> Option<(u64, Form)> {
    let (number, kind) = name.split_once('.')?;
    let form = match kind {
        "log" => Form::Raw,
        "zst" => Form::Sealed,
        _ => return None,
    };
    (number.len() == 12).then(|| number.parse().ok()).flatten().map(|n| (n, form))
}

/// Makes a raw segment, durable with its name; out of a file that was prepared under another name, if there is one.
pub(crate) fn create(
    disk: &dyn Disk,
    dir: &Path,
    header: &Header,
    prepared: Option<(PathBuf, Arc<dyn DiskFile>)>,
) -> Result<Arc<dyn DiskFile>, JournalError> {
    let path = path(dir, header.number, Form::Raw);
    let (from, file) = match prepared {
        Some((from, file)) => (Some(from), file),
        None => (None, disk.create(&path).map_err(JournalError::io("create", &path))?),
    };
    file.write_at(&header.zone(), 0).map_err(JournalError::io("write", &path))?;
    file.sync_data().map_err(JournalError::io("sync", &path))?;
    if let Some(from) = from {
        disk.rename(&from, &path).map_err(JournalError::io("rename", &path))?;
    }
    disk.sync_dir(dir).map_err(JournalError::io("sync the directory", dir))?;
    Ok(file)
}
