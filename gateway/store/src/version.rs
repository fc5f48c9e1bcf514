//! The version of a data directory, in a file of its own, so that an older program refuses before it touches anything.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;

/// The version that this program writes, and the newest that it reads.
pub const DATA_VERSION: u32 = 1;
const NAME: &str = "VERSION";
const WORDS: &str = "orderly data ";
/// A version file is one short line.
const MOST_BYTES: usize = 64;

/// Why a data directory is not taken.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// A newer program wrote it.
    #[error(
        "{path} says version {found}, this Orderly reads up to {DATA_VERSION}: start the newer Orderly, or restore a backup"
    )]
    Newer {
        /// The version file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// The file says something else.
    #[error(
        "{path} does not hold a data version: restore it, or write the line \"orderly data {DATA_VERSION}\" if you are sure"
    )]
    Unreadable {
        /// The version file.
        path: PathBuf,
    },
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
}

/// Reads the version of a data directory; a new one gets ours. Gives the version found.
///
/// # Errors
/// When a newer program wrote the directory, the file is no version file, or the disk refuses.
pub fn agree(disk: &dyn Disk, dir: &Path) -> Result<u32, VersionError> {
    let path = dir.join(NAME);
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| VersionError::Io { what, path, source }
    };
    let file = match disk.open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            write(disk, dir, &path)?;
            return Ok(DATA_VERSION);
        }
        file => file.map_err(io("open", &path))?,
    };
    let mut bytes = [0; MOST_BYTES];
    let got = file.read_at(&mut bytes, 0).map_err(io("read", &path))?;
    let text = std::str::from_utf8(&bytes[..got]).unwrap_or_default();
    match text.strip_prefix(WORDS).and_then(|n| n.trim().parse().ok()) {
        Some(found) if found > DATA_VERSION => Err(VersionError::Newer { path, found }),
        Some(found) => Ok(found),
        None => Err(VersionError::Unreadable { path }),
    }
}

/// Under another name first: a power cut never leaves half a version.
fn write(disk: &dyn Disk, dir: &Path, path: &Path) -> Result<(), VersionError> {
    let new = dir.join("VERSION.new");
    let io = |what| {
        let path = path.to_owned();
        move |source| VersionError::Io { what, path, source }
    };
    disk.create_dir_all(dir).map_err(io("make the directory of"))?;
    match disk.remove(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io("replace")(e)),
        _ => {}
    }
    let file = disk.create(&new).map_err(io("create"))?;
    file.write_at(format!("{WORDS}{DATA_VERSION}\n").as_bytes(), 0).map_err(io("write"))?;
    file.sync_data().map_err(io("sync"))?;
    disk.rename(&new, path).map_err(io("rename"))?;
    disk.sync_dir(dir).map_err(io("sync the directory of"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn a_new_directory_gets_ours_and_a_newer_one_is_refused() {
        let disk = SimDisk::new();
        let dir = Path::new("/data");
        assert_eq!(agree(&disk, dir).unwrap(), DATA_VERSION);
        assert_eq!(agree(&disk, dir).unwrap(), DATA_VERSION);
        disk.corrupt(&dir.join(NAME), |bytes| *bytes = b"orderly data 9\n".to_vec());
        let refused = agree(&disk, dir).unwrap_err().to_string();
        let expected = "/data/VERSION says version 9, this Orderly reads up to 1: start the newer Orderly, or restore a backup";
        assert_eq!(refused, expected);
        disk.corrupt(&dir.join(NAME), |bytes| *bytes = b"hello".to_vec());
        assert!(matches!(agree(&disk, dir), Err(VersionError::Unreadable { .. })));
    }

    #[test]
    fn a_power_cut_leaves_a_whole_version_or_none() {
        let disk = SimDisk::new();
        agree(&disk, Path::new("/data")).unwrap();
        for at in 0..=disk.log_len() {
            for seed in 0..40 {
                assert_eq!(
                    agree(&disk.cut(at, seed), Path::new("/data")).unwrap(),
                    DATA_VERSION,
                    "{at} {seed}"
                );
            }
        }
    }
}
