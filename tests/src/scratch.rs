//! Where tests put files that nobody needs afterwards.

use std::path::Path;

/// A directory in memory where there is one: the files are many and nobody needs them afterwards.
///
/// # Panics
/// When no directory can be made.
#[must_use]
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(dir) = tempfile::tempdir_in(memory)
    {
        return dir;
    }
    tempfile::tempdir().expect("room for a directory")
}
