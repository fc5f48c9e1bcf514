//! Looks into the write-ahead log of a dead SQLite database: was it killed inside a commit?

use std::path::Path;

/// Counts whole frames behind the last commit frame of a `-wal` file.
///
/// A frame belongs to the log's present run when its two salts equal those of the header. More than none means that
/// the process died while it wrote a transaction. A missing or empty log has none.
///
/// # Errors
/// When the file cannot be read.
pub fn frames_after_last_commit(wal: &Path) -> std::io::Result<usize> {
    let bytes = match std::fs::read(wal) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(e),
    };
    let word = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let (Some(page_size), Some(salt1), Some(salt2)) = (word(8), word(16), word(20)) else { return Ok(0) };
    let frame_size = 24 + page_size as usize;
    let mut open = 0;
    let mut at = 32;
    while at + 24 <= bytes.len() {
        if word(at + 8) != Some(salt1) || word(at + 12) != Some(salt2) {
            break;
        }
        open = if word(at + 4) == Some(0) { open + 1 } else { 0 };
        at += frame_size;
    }
    Ok(open)
}
