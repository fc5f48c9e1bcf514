//! Power cuts for what writes its own files, SQLite above all: a preloaded shim records every file call of a child
//! process; afterwards any number of crash states are built from the recording and opened by the ordinary code.
//!
//! The shim (`tests/shim/iofail.c`) also fails the nth call of a kind. It sees calls through the C library, not
//! memory maps: SQLite must run without `mmap_size`, and its `-shm` file is left out, as SQLite makes it anew.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use orderly_store::disk::sim::{EIO, Fault, SimDisk};
use orderly_store::disk::{Disk, DiskFile};

/// The name of the file through which a child notes what it has acknowledged: each write of 8 little-endian bytes.
pub const MARKS: &str = "MARKS";

/// The name of the file through which a child orders calls to fail and asks how many did.
pub const FAULT: &str = "FAULT";

/// The compiled shim.
#[derive(Debug, Clone)]
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Compiles the shim into a directory, unless it is there.
    ///
    /// # Errors
    /// When there is no C compiler, or it refuses.
    pub fn build(into: &Path) -> anyhow::Result<Self> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/shim/iofail.c");
        let library = into.join("iofail.so");
        if !library.exists() {
            let new = into.join("iofail.so.new");
            let done = Command::new("cc")
                .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"])
                .args([new.as_os_str(), source.as_ref()])
                .output()
                .context("a C compiler is needed (cc)")?;
            ensure!(done.status.success(), "cc: {}", String::from_utf8_lossy(&done.stderr));
            std::fs::rename(&new, &library)?;
        }
        Ok(Self { library })
    }

    /// Makes a child record what it does under `dir`; the recording must lie outside of it.
    ///
    /// `fail` is `KIND:NTH:ERRNO[:sticky]` with KIND one of `open write sync truncate unlink rename any`.
    pub fn watch(&self, child: &mut Command, dir: &Path, recording: &Path, fail: Option<&str>) {
        child.env("LD_PRELOAD", &self.library).env("ORDERLY_IO_DIR", dir).env("ORDERLY_IO_LOG", recording);
        if let Some(fail) = fail {
            child.env("ORDERLY_IO_FAIL", fail);
        }
    }
}

/// What a child did to its files, ready to be cut anywhere.
pub struct Recording {
    disk: SimDisk,
    root: PathBuf,
    /// What each step was about: a name, or nothing when it was a note.
    names: Vec<String>,
    /// The places right behind calls that failed.
    failed: Vec<usize>,
}

impl Recording {
    /// Reads a recording of what was done under `dir`, which was empty when the child started.
    ///
    /// # Errors
    /// When the file cannot be read or makes no sense.
    pub fn read(recording: &Path, dir: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(recording).with_context(|| recording.display().to_string())?;
        let root = dir.canonicalize()?;
        let mut replay =
            Replay { disk: SimDisk::new(), files: HashMap::new(), named: HashMap::new(), root: root.clone() };
        let (mut names, mut failed) = (Vec::new(), Vec::new());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // The child may have been killed in the middle of the last one.
            let Some(length) = rest.get(16..24).map(number) else { break };
            let Some(body) = usize::try_from(length).ok().and_then(|n| rest.get(24..24 + n)) else { break };
            let name = replay.step(&rest[..24], body)?;
            names.resize(replay.disk.log_len(), name);
            if rest[1] != 0 {
                failed.push(names.len());
            }
            rest = &rest[24 + body.len()..];
        }
        Ok(Self { disk: replay.disk, root, names, failed })
    }

    /// The places right behind calls that failed.
    #[must_use]
    pub fn failed(&self) -> &[usize] {
        &self.failed
    }

    /// The places right behind a step on a file whose name begins so.
    #[must_use]
    pub fn steps_on(&self, name: &str) -> Vec<usize> {
        let on = self.names.iter().enumerate().filter(|(_, n)| n.starts_with(name));
        on.map(|(at, _)| at + 1).collect()
    }

    /// How many places there are to cut at.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.disk.log_len()
    }

    /// The notes that the child had made before the cut.
    #[must_use]
    pub fn marks(&self, at: usize) -> Vec<u64> {
        self.disk.marks(at)
    }

    /// Writes the files as they may be after a power cut at this place into an empty directory.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn cut(&self, at: usize, seed: u64, into: &Path) -> io::Result<()> {
        for (path, content) in self.disk.cut(at, seed).files() {
            let Ok(name) = path.strip_prefix(&self.root) else { continue };
            let target = into.join(name);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(target, content)?;
        }
        Ok(())
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Does to a simulated disk what the child did to the real one.
struct Replay {
    disk: SimDisk,
    /// By inode number; a number that is used again stands for the newer file.
    files: HashMap<u64, Arc<dyn DiskFile>>,
    named: HashMap<u64, String>,
    root: PathBuf,
}

impl Replay {
    /// Gives the name of the file that the step was about.
    fn step(&mut self, head: &[u8], body: &[u8]) -> anyhow::Result<String> {
        let (op, failed, file, offset) = (head[0], head[1] != 0, number(&head[4..8]), number(&head[8..16]));
        if failed && op != 3 {
            self.disk.fail(Fault { call: None, nth: 1, sticky: false, errno: EIO });
        }
        let done = self.apply(op, file, offset, body);
        let failures = self.disk.mend();
        if failed && failures == 0 && op != 3 {
            bail!("step {op} was recorded as failed and did not");
        }
        if !failed {
            done?;
        }
        if matches!(op, 1 | 2) {
            let name = String::from_utf8_lossy(body).rsplit('/').next().map(str::to_owned);
            self.named.insert(file, name.unwrap_or_default());
        }
        Ok(self.named.get(&file).cloned().unwrap_or_default())
    }

    fn apply(&mut self, op: u8, file: u64, offset: u64, body: &[u8]) -> anyhow::Result<()> {
        let path = || PathBuf::from(String::from_utf8_lossy(body).into_owned());
        match op {
            1 => {
                let path = path();
                if !is_shared_memory(&path) {
                    self.files.insert(file, self.disk.create(&path)?);
                } else {
                    self.files.remove(&file);
                }
            }
            2 if !is_shared_memory(&path()) => {
                // Opening by name again: the same file, unless something replaced it.
                let opened = self
                    .disk
                    .open(&path())
                    .with_context(|| format!("{} was there before", path().display()))?;
                self.files.insert(file, opened);
            }
            3 => self.of(file, |f| f.write_at(body, offset))?,
            4 => self.of(file, |f| f.truncate(offset))?,
            5 => self.of(file, |f| f.sync_data())?,
            6 => self.disk.sync_dir(&path())?,
            7 if !is_shared_memory(&path()) => self.disk.remove(&path())?,
            8 => {
                let mut two =
                    body.split(|b| *b == 0).map(|p| PathBuf::from(String::from_utf8_lossy(p).into_owned()));
                let (Some(from), Some(to)) = (two.next(), two.next()) else {
                    bail!("a rename without two names")
                };
                self.disk.rename(&from, &to)?;
            }
            9 => self.disk.mark(number(&body[..body.len().min(8)])),
            2 | 7 => {}
            other => bail!("no such step: {other}, under {}", self.root.display()),
        }
        Ok(())
    }

    fn of(&self, file: u64, act: impl Fn(&dyn DiskFile) -> io::Result<()>) -> io::Result<()> {
        self.files.get(&file).map_or(Ok(()), |f| act(&**f))
    }
}

fn is_shared_memory(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().ends_with("-shm")
}
