//! A disk in memory that can lose power and fail on order; for tests.
//!
//! Every change is kept in a log. [`SimDisk::cut`] builds the disk as it may be after the power went at a place of
//! that log: all that was synced, and of the rest any part, in blocks of 512 bytes or 4 KiB, in any order; names that
//! were created, renamed or removed without a sync of their directory may be the old or the new ones. After a failed
//! sync the unsynced bytes still read back but no later sync makes them durable, as with a real page cache.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// What a disk refuses with when it is worn out.
pub const EIO: i32 = 5;
/// What a disk refuses with when it is full.
pub const ENOSPC: i32 = 28;

/// A kind of call that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Making a file.
    Create,
    /// Opening a file.
    Open,
    /// Writing bytes or cutting a file.
    Write,
    /// Reading bytes, a size or a directory.
    Read,
    /// Syncing a file.
    Sync,
    /// Syncing a directory.
    SyncDir,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
}

/// An order to fail.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Which calls count; `None`: all.
    pub call: Option<Call>,
    /// Which of them fails, from 1.
    pub nth: u64,
    /// Whether all after it fail too.
    pub sticky: bool,
    /// The error number.
    pub errno: i32,
}

/// One change in the log.
#[derive(Debug, Clone)]
enum Op {
    Create { path: PathBuf, file: u64 },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
    Write { file: u64, offset: u64, bytes: Arc<[u8]> },
    Truncate { file: u64, size: u64 },
    Sync { file: u64, failed: bool },
    SyncDir { dir: PathBuf, failed: bool },
    Mark(u64),
}

/// Names and contents at one moment.
#[derive(Debug, Clone, Default)]
struct Tree {
    names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, Vec<u8>>,
    dirs: BTreeSet<PathBuf>,
}

#[derive(Default)]
struct State {
    /// What was durable when the log began.
    base: Tree,
    /// What the program sees.
    live: Tree,
    log: Vec<Op>,
    next_file: u64,
    fault: Option<Fault>,
    counted: u64,
    fired: u64,
    /// Bytes of files that cannot be read, with the file's number.
    worn: Vec<(u64, Range<u64>)>,
}

/// The simulated disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a note of the test into the log, at this very moment.
    pub fn mark(&self, note: u64) {
        self.lock().log.push(Op::Mark(note));
    }

    /// How many entries the log has.
    #[must_use]
    pub fn log_len(&self) -> usize {
        self.lock().log.len()
    }

    /// The notes in the first `at` entries of the log.
    #[must_use]
    pub fn marks(&self, at: usize) -> Vec<u64> {
        let state = self.lock();
        let notes =
            state.log.iter().take(at).filter_map(|op| if let Op::Mark(n) = op { Some(*n) } else { None });
        notes.collect()
    }

    /// From now on one call, or all from it on, fails.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.lock();
        (state.fault, state.counted, state.fired) = (Some(fault), 0, 0);
    }

    /// No call fails any more; gives how many did.
    pub fn mend(&self) -> u64 {
        let mut state = self.lock();
        state.fault = None;
        state.fired
    }

    /// Changes bytes of a file behind the program's back, durably, as a worn-out disk does.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        if let Some(file) = state.live.names.get(path).copied() {
            let content = state.live.files.entry(file).or_default();
            change(content);
            let copy = content.clone();
            state.base.names.insert(path.to_owned(), file);
            state.base.files.insert(file, copy);
        }
    }

    /// From now on nothing that touches these bytes of a file can be read, as on a disk with bad blocks.
    pub fn wear(&self, path: &Path, bytes: Range<u64>) {
        let mut state = self.lock();
        if let Some(file) = state.live.names.get(path).copied() {
            state.worn.push((file, bytes));
        }
    }

    /// All bytes can be read again.
    pub fn heal(&self) {
        self.lock().worn.clear();
    }

    /// A copy of what the program sees, all of it durable: the disk after an orderly stop.
    #[must_use]
    pub fn settled(&self) -> Self {
        let state = self.lock();
        Self::from_tree(state.live.clone(), state.next_file)
    }

    /// What may be on the disk when the power goes after the first `at` entries of the log.
    #[must_use]
    pub fn cut(&self, at: usize, seed: u64) -> Self {
        let state = self.lock();
        let mut cut = Cut { tree: state.base.clone(), rng: Rng(seed), ..Cut::default() };
        cut.style();
        state.log.iter().take(at).for_each(|op| cut.replay(op));
        Self::from_tree(cut.power_off(), state.next_file)
    }

    /// Every file with its content, as the program sees it.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let tree = &self.lock().live;
        let content = |file| tree.files.get(file).cloned().unwrap_or_default();
        tree.names.iter().map(|(path, file)| (path.clone(), content(file))).collect()
    }

    fn from_tree(tree: Tree, next_file: u64) -> Self {
        let state = State { base: tree.clone(), live: tree, next_file, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl State {
    fn call(&mut self, call: Call) -> io::Result<()> {
        let Some(fault) = self.fault.filter(|f| f.call.is_none_or(|c| c == call)) else { return Ok(()) };
        self.counted += 1;
        if self.counted == fault.nth || fault.sticky && self.counted > fault.nth {
            self.fired += 1;
            return Err(io::Error::from_raw_os_error(fault.errno));
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        self.live.names.get(path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn write(&mut self, file: u64, offset: u64, bytes: &[u8]) {
        apply(self.live.files.entry(file).or_default(), offset, bytes);
        self.log.push(Op::Write { file, offset, bytes: bytes.into() });
    }
}

fn apply(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

impl Disk for SimDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.call(Call::Create)?;
        // Directories are taken to be durable at once; the journal makes its own only once, at its first start.
        state.live.dirs.insert(dir.to_owned());
        state.base.dirs.insert(dir.to_owned());
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.call(Call::Create)?;
        if state.live.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.next_file;
        state.next_file += 1;
        state.live.names.insert(path.to_owned(), file);
        state.live.files.insert(file, Vec::new());
        state.log.push(Op::Create { path: path.to_owned(), file });
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.call(Call::Open)?;
        let file = state.find(path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.call(Call::Rename)?;
        let file = state.find(from)?;
        state.live.names.remove(from);
        state.live.names.insert(to.to_owned(), file);
        state.log.push(Op::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.call(Call::Remove)?;
        state.find(path)?;
        state.live.names.remove(path);
        state.log.push(Op::Remove { path: path.to_owned() });
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.lock();
        state.call(Call::Read)?;
        let inside = state.live.names.keys().filter(|p| p.parent() == Some(dir));
        Ok(inside.filter_map(|p| p.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let done = state.call(Call::SyncDir);
        state.log.push(Op::SyncDir { dir: dir.to_owned(), failed: done.is_err() });
        done
    }
}

struct SimFile {
    disk: SimDisk,
    file: u64,
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let done = state.call(Call::Write);
        // A failed write may have written some of it.
        let some = if done.is_ok() { bytes.len() } else { bytes.len() / 2 };
        state.write(self.file, offset, &bytes[..some]);
        done
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.call(Call::Read)?;
        let end = offset + buffer.len() as u64;
        if state.worn.iter().any(|(file, bad)| *file == self.file && bad.start < end && offset < bad.end) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let content = state.live.files.get(&self.file).map_or(&[][..], Vec::as_slice);
        let rest = content.get(offset as usize..).unwrap_or(&[]);
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let done = state.call(Call::Sync);
        state.log.push(Op::Sync { file: self.file, failed: done.is_err() });
        done
    }

    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.call(Call::Read)?;
        Ok(state.live.files.get(&self.file).map_or(0, |c| c.len() as u64))
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.call(Call::Write)?;
        state.live.files.entry(self.file).or_default().resize(size as usize, 0);
        state.log.push(Op::Truncate { file: self.file, size });
        Ok(())
    }
}

/// Replays a log up to a power cut.
#[derive(Default)]
struct Cut {
    tree: Tree,
    rng: Rng,
    block: u64,
    /// Of 256 blocks or names in doubt, how many are the new ones.
    keep: u64,
    pending: BTreeMap<u64, Vec<Op>>,
    names: Vec<Op>,
}

impl Cut {
    fn style(&mut self) {
        self.block = if self.rng.below(2) == 0 { 512 } else { 4096 };
        self.keep = [0, 256, 40, 128, 216][self.rng.below(5) as usize];
    }

    fn lucky(&mut self) -> bool {
        self.rng.below(256) < self.keep
    }

    fn replay(&mut self, op: &Op) {
        match op {
            Op::Create { .. } | Op::Rename { .. } | Op::Remove { .. } => self.names.push(op.clone()),
            Op::Write { file, .. } | Op::Truncate { file, .. } => {
                self.pending.entry(*file).or_default().push(op.clone());
            }
            Op::Sync { file, failed } => self.settle(*file, !failed),
            Op::SyncDir { dir, failed: false } => self.settle_dir(Some(dir), true),
            // Names are the file system's own data: it keeps them for its next try.
            Op::SyncDir { failed: true, .. } | Op::Mark(_) => {}
        }
    }

    /// Decides the fate of a file's unsynced bytes: all of them, or the part that chance picks.
    fn settle(&mut self, file: u64, all: bool) {
        let ops = self.pending.remove(&file).unwrap_or_default();
        let mut content = self.tree.files.remove(&file).unwrap_or_default();
        for op in ops {
            match op {
                Op::Write { offset, bytes, .. } => {
                    let mut at = 0;
                    while at < bytes.len() {
                        let here = offset + at as u64;
                        let to =
                            ((here / self.block + 1) * self.block - offset).min(bytes.len() as u64) as usize;
                        if all || self.lucky() {
                            apply(&mut content, here, &bytes[at..to]);
                        }
                        at = to;
                    }
                }
                Op::Truncate { size, .. } if all || self.lucky() => content.resize(size as usize, 0),
                _ => {}
            }
        }
        self.tree.files.insert(file, content);
    }

    fn settle_dir(&mut self, dir: Option<&PathBuf>, all: bool) {
        for op in std::mem::take(&mut self.names) {
            let path = match &op {
                Op::Create { path, .. } | Op::Remove { path } => path,
                Op::Rename { to, .. } => to,
                _ => continue,
            };
            if dir.is_some_and(|d| path.parent() != Some(d)) {
                self.names.push(op);
            } else if all || self.lucky() {
                self.name(op);
            }
        }
    }

    fn name(&mut self, op: Op) {
        let names = &mut self.tree.names;
        match op {
            Op::Create { path, file } => {
                names.insert(path, file);
            }
            Op::Rename { from, to } => {
                if let Some(file) = names.remove(&from) {
                    names.insert(to, file);
                }
            }
            Op::Remove { path } => {
                names.remove(&path);
            }
            _ => {}
        }
    }

    fn power_off(mut self) -> Tree {
        let files: Vec<u64> = self.pending.keys().copied().collect();
        files.into_iter().for_each(|file| self.settle(file, false));
        self.settle_dir(None, false);
        let named: BTreeSet<u64> = self.tree.names.values().copied().collect();
        self.tree.files.retain(|file, _| named.contains(file));
        for file in named {
            self.tree.files.entry(file).or_default();
        }
        self.tree
    }
}

/// Small seeded generator (splitmix64).
#[derive(Debug, Clone, Default)]
pub struct Rng(pub u64);

impl Rng {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n.max(1)
    }
}
