//! The few file operations that our own files need, behind a trait so that tests can lose power.
//!
//! [`RealDisk`] is the operating system, [`sim::SimDisk`] remembers what was synced and forgets the rest.

mod real;
pub mod sim;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;

use crate::lock::DirLock;

/// Whether a directory is ours alone.
#[derive(Debug)]
pub enum Hold {
    /// It is, as long as this is kept; without a lock where there are no others.
    Ours(Option<DirLock>),
    /// Another process has it.
    Taken,
}

/// A place for files. Names are durable only after [`Disk::sync_dir`].
pub trait Disk: Send + Sync {
    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// What the operating system reports.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes a new file; an existing one is an error.
    ///
    /// # Errors
    /// What the operating system reports.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a new file that only its owner may read; an existing one is an error.
    ///
    /// # Errors
    /// What the operating system reports.
    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    /// The permissions of a file that others than its owner have; 0: none.
    ///
    /// # Errors
    /// What the operating system reports.
    fn open_to_others(&self, path: &Path) -> io::Result<u32> {
        self.open(path).map(|_| 0)
    }

    /// Keeps other processes from a directory that is there.
    ///
    /// # Errors
    /// What the operating system reports.
    fn hold(&self, dir: &Path) -> io::Result<Hold> {
        let _nobody_else = dir;
        Ok(Hold::Ours(None))
    }

    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// What the operating system reports.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// What the operating system reports.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// What the operating system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file away.
    ///
    /// # Errors
    /// What the operating system reports.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Names of the files in a directory, in no order.
    ///
    /// # Errors
    /// What the operating system reports.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes created, renamed and removed names of a directory durable.
    ///
    /// # Errors
    /// What the operating system reports; the names are then in doubt.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file. Bytes are durable only after [`DiskFile::sync_data`].
pub trait DiskFile: Send + Sync {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// What the operating system reports; any part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads at an offset; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// What the operating system reports.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes what was written durable. After an error nothing is known about the unsynced bytes, and a second
    /// call that succeeds proves nothing.
    ///
    /// # Errors
    /// What the operating system reports.
    fn sync_data(&self) -> io::Result<()>;

    /// Length of the file in bytes.
    ///
    /// # Errors
    /// What the operating system reports.
    fn size(&self) -> io::Result<u64>;

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// What the operating system reports.
    fn truncate(&self, size: u64) -> io::Result<()>;
}
