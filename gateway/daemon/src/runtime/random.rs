//! The one place that asks the machine for random bytes.

use std::io;

/// `N` random bytes of the operating system.
///
/// # Errors
/// When the operating system gives none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(bytes)
}
