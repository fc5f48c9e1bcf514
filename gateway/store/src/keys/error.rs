//! What can go wrong with keys, and with what is sealed.

use std::io;
use std::path::{Path, PathBuf};

use orderly_core::sealed::Day;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Somebody else than the owner can read it.
    #[error("others can read the key {}: type chmod 600 {} and start again", .path.display(), .path.display())]
    Open {
        /// The key's file.
        path: PathBuf,
    },
    /// Another gateway keeps its keys there.
    #[error("another gateway has the folder of the keys {}: give each one of its own ([privacy] keys), for each replaces and \
             destroys what is in it", .dir.display())]
    Shared {
        /// The folder.
        dir: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There are no random bytes.
    #[error("no random bytes for a key: {0}")]
    Random(io::Error),
    /// The cipher refused.
    #[error("the cipher refuses")]
    Cipher,
}

impl KeyError {
    /// For `map_err`: says what was tried on which file.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// Why a sealed body cannot be read; the sentences stand in quarantine (`orderly_core::refusal`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// Its key was destroyed.
    #[error("it was sealed with the key of {0}, which is gone: nobody can read it any more")]
    Gone(Day),
    /// It is not what was sealed, or not where.
    #[error("it was sealed with the key of {0}, and does not open with it: it is damaged")]
    Damaged(Day),
    /// It does not say which key it needs.
    #[error("it is sealed, and there is no key to open it with")]
    NotSealed,
}
