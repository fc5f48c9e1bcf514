//! JSON payloads: wanted values are picked in one pass over the bytes, without building a document.
//!
//! The whole payload is checked while it is read (RFC 8259, UTF-8, no key twice in an object, limits), so
//! a value is never taken out of a document that another reader would refuse or read differently.

mod blank;
mod path;
mod pick;
mod raw;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use blank::Blanks;
pub use pick::{PathError, Paths, Picked};
pub use raw::Locator;

/// How large a payload may be before it is refused unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the payload.
    pub bytes: usize,
    /// Objects and lists within one another.
    pub depth: u8,
    /// Keys of objects and items of lists, counted over the whole payload.
    pub fields: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 * 1024, depth: 32, fields: 4_096 }
    }
}

/// Where and why a payload is no JSON that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {what}")]
pub struct Malformed {
    /// Offset in bytes, from 0.
    pub at: usize,
    /// What is wrong there.
    pub what: Cow<'static, str>,
}
