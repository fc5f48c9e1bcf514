//! Looks into the write-ahead log of a dead SQLite database: was it killed inside a commit?

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Counts whole frames behind the last commit frame of a `-wal` file.
///
/// A frame belongs to the log's present run when its two salts equal those of the header. More than none means that
/// the process died while it wrote a transaction. A missing or empty log has none. Only the heads of the frames are
/// read: a log has thirty megabytes at times.
///
/// # Errors
/// When the file cannot be read.
pub fn frames_after_last_commit(wal: &Path) -> io::Result<usize> {
    let file = match File::open(wal) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(e),
    };
    let size = file.metadata()?.len();
    let Some(header) = head(&file, 0)? else { return Ok(0) };
    let (page_size, salts) = (word(&header, 8), &header[16..24]);
    let frame_size = 24 + u64::from(page_size);
    let mut open = 0;
    let mut at = 32;
    while at + frame_size <= size
        && let Some(frame) = head(&file, at)?
        && frame[8..16] == *salts
    {
        open = if word(&frame, 4) == 0 { open + 1 } else { 0 };
        at += frame_size;
    }
    Ok(open)
}

/// 24 bytes at an offset, if the file has so many.
fn head(file: &File, at: u64) -> io::Result<Option<[u8; 24]>> {
    let mut head = [0; 24];
    match file.read_exact_at(&mut head, at) {
        Ok(()) => Ok(Some(head)),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

fn word(bytes: &[u8; 24], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_transaction_is_told_from_a_finished_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let log = dir.path().join("x.db-wal");
        assert_eq!(frames_after_last_commit(&log).unwrap(), 0);
        let db = rusqlite::Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.execute_batch("CREATE TABLE t(a BLOB); BEGIN; INSERT INTO t VALUES(zeroblob(20000)); COMMIT")
            .unwrap();
        assert_eq!(frames_after_last_commit(&log).unwrap(), 0);
        let whole = std::fs::read(&log).unwrap();
        // The last frame ends the transaction: without it, or with a part of it, the transaction is open.
        for cut in [1, 4096 + 24] {
            std::fs::write(&log, &whole[..whole.len() - cut]).unwrap();
            assert!(frames_after_last_commit(&log).unwrap() > 0, "{cut}");
        }
    }
}
