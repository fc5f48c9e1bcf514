//! One daemon per data directory, and per folder of keys.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The lock on a directory; given back when dropped, and by the operating system when the process dies.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Why a data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{dir} is in use by {}; stop it first, or choose another data directory", holder(*.pid))]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// The process that holds it, if it said so.
        pid: Option<u32>,
    },
    /// The operating system refused.
    #[error("cannot lock {path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl DirLock {
    /// Locks a data directory, making it if it is missing, and writes our process number into the file `LOCK`.
    ///
    /// # Errors
    /// When another process has it, or the operating system refuses.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("LOCK");
        let io = |source| LockError::Io { path: path.clone(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who it is only makes the message better.
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(LockError::Held { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }

    /// Locks a directory that is there, and leaves nothing in it. `None`: another process has it.
    ///
    /// # Errors
    /// When the operating system refuses; some file systems have no locks.
    pub fn hold(dir: &Path) -> io::Result<Option<Self>> {
        let file = File::open(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = DirLock::take(&data).unwrap();
        let refused = DirLock::take(&data).unwrap_err();
        assert!(matches!(refused, LockError::Held { pid: Some(pid), .. } if pid == std::process::id()));
        let expected = format!("is in use by process {};", std::process::id());
        assert!(refused.to_string().contains(&expected), "{refused}");
        drop(first);
        assert!(DirLock::take(&data).is_ok());
    }

    #[test]
    fn a_held_directory_has_no_second_holder_and_nothing_new_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let missing = DirLock::hold(&dir.path().join("keys")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let first = DirLock::hold(dir.path()).unwrap();
        assert!(first.is_some() && DirLock::hold(dir.path()).unwrap().is_none());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(first);
        assert!(DirLock::hold(dir.path()).unwrap().is_some());
    }
}
