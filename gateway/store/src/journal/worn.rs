//! A file on a worn disk: blocks that cannot be read read as zeros, which are no records, so whoever reads finds
//! his way over them and counts what is missing.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::DiskFile;

/// What a disk reads or refuses at once.
pub(super) const BLOCK: u64 = 4096;
/// A block is tried so often.
const TRIES: usize = 3;
/// Behind so many bad blocks of one file, a request that fails is given up whole: each try may take a disk seconds.
const GIVE_UP: u64 = 256;
const EIO: i32 = 5;
const ENODATA: i32 = 61;
const EBADMSG: i32 = 74;
const EILSEQ: i32 = 84;
const EUCLEAN: i32 = 117;

/// Whether an error tells that the disk cannot give back what was written; others may go by themselves.
pub(crate) fn is_of_the_disk(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EIO | ENODATA | EBADMSG | EILSEQ | EUCLEAN))
}

/// Where a file was given up: block by block, or from one place to another.
#[derive(Debug, Default)]
pub(crate) struct GivenUp(Mutex<BTreeMap<u64, u64>>);

impl GivenUp {
    /// Whole blocks, whichever part of them was asked for.
    fn add(&self, from: u64, to: u64) {
        let (from, to) = (from - from % BLOCK, to.next_multiple_of(BLOCK));
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = parts.entry(from).or_default();
        *end = to.max(*end);
    }

    fn holds(&self, from: u64, to: u64) -> bool {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.range(..=from).any(|(_, end)| to <= *end)
    }
}

/// A file that is read as far as the disk gives it.
pub(crate) struct Worn {
    file: Arc<dyn DiskFile>,
    given_up: Arc<GivenUp>,
    /// Whether more may be given up.
    more: bool,
    blocks: AtomicU64,
    until: AtomicU64,
}

impl Worn {
    pub fn new(file: Arc<dyn DiskFile>) -> Self {
        Self::giving_up(file, Arc::default())
    }

    /// Gives up what cannot be read and keeps in mind what that was.
    pub fn giving_up(file: Arc<dyn DiskFile>, given_up: Arc<GivenUp>) -> Self {
        Self { file, given_up, more: true, blocks: AtomicU64::new(0), until: AtomicU64::new(0) }
    }

    /// Reads over what is given up already; what else cannot be read is an error.
    pub fn knowing(file: Arc<dyn DiskFile>, given_up: Arc<GivenUp>) -> Self {
        Self { more: false, ..Self::giving_up(file, given_up) }
    }

    /// Where the last block ends that could not be read; 0 when all could.
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }

    fn bad(&self, part: &mut [u8], from: u64) {
        part.fill(0);
        self.given_up.add(from, from + part.len() as u64);
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.until.fetch_max(from + part.len() as u64, Ordering::Relaxed);
    }

    /// Reads block by block what cannot be read at once.
    fn by_blocks(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.file.size()?;
        let wanted = size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut done = 0;
        while done < wanted {
            let at = offset + done as u64;
            let rest = wanted - done;
            let given_up = self.more && self.blocks.load(Ordering::Relaxed) >= GIVE_UP;
            let step = if given_up { rest } else { rest.min((BLOCK - at % BLOCK) as usize) };
            let part = &mut buffer[done..done + step];
            if self.given_up.holds(at, at + step as u64) {
                part.fill(0);
                done += step;
                continue;
            }
            match self.insist(part, at) {
                Ok(0) => break,
                Ok(got) => done += got,
                Err(error) if self.more && is_of_the_disk(&error) => {
                    self.bad(part, at);
                    done += step;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn insist(&self, part: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = self.file.read_at(part, at);
        for _ in 1..TRIES {
            if read.as_ref().is_ok_and(|_| true) || !read.as_ref().is_err_and(is_of_the_disk) {
                break;
            }
            read = self.file.read_at(part, at);
        }
        read
    }
}

impl DiskFile for Worn {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.file.read_at(buffer, offset) {
            Err(error) if is_of_the_disk(&error) => self.by_blocks(buffer, offset),
            read => read,
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.truncate(size)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::Disk;
    use crate::disk::sim::SimDisk;

    #[test]
    fn unreadable_blocks_read_as_zeros_and_the_rest_as_it_is() {
        let (disk, path) = (SimDisk::new(), Path::new("/f"));
        disk.create_dir_all(Path::new("/")).unwrap();
        let written = vec![7; 3 * BLOCK as usize + 100];
        disk.create(path).unwrap().write_at(&written, 0).unwrap();
        disk.wear(path, 5000..5001);
        let file = Worn::new(disk.open(path).unwrap());
        let mut got = vec![1; 4 * BLOCK as usize];
        assert_eq!(file.read_at(&mut got, 10).unwrap(), written.len() - 10);
        let block = BLOCK as usize - 10..2 * BLOCK as usize - 10;
        for (at, byte) in got[..written.len() - 10].iter().enumerate() {
            assert_eq!(*byte, if block.contains(&at) { 0 } else { 7 }, "{at}");
        }
        assert_eq!(file.until(), 2 * BLOCK);
    }

    #[test]
    fn what_is_given_up_stays_so_and_no_other_block_does() {
        let (disk, path) = (SimDisk::new(), Path::new("/f"));
        disk.create_dir_all(Path::new("/")).unwrap();
        disk.create(path).unwrap().write_at(&vec![7; 4 * BLOCK as usize], 0).unwrap();
        disk.wear(path, 5000..5001);
        let given_up = Arc::new(GivenUp::default());
        let mut all = vec![1; 4 * BLOCK as usize];
        let strict = || Worn::knowing(disk.open(path).unwrap(), Arc::clone(&given_up));
        assert!(strict().read_at(&mut all, 0).is_err());
        Worn::giving_up(disk.open(path).unwrap(), Arc::clone(&given_up)).read_at(&mut all, 4500).unwrap();
        assert_eq!(strict().read_at(&mut all, 0).unwrap(), all.len());
        assert_eq!(all.iter().filter(|byte| **byte == 0).count(), BLOCK as usize);
        disk.wear(path, 9000..9001);
        assert!(strict().read_at(&mut all, 0).is_err());
    }
}
