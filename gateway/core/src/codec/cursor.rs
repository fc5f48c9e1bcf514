//! Reads a payload of bytes from front to back, and says at which byte it is too short.

use super::document::CodecError;

/// A place in a payload.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where its bytes begin in the payload.
    from: usize,
}

impl<'a> Cursor<'a> {
    /// At the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, from: 0 }
    }

    /// At the front of a part of a payload that begins at a byte of it.
    #[must_use]
    pub const fn within(bytes: &'a [u8], from: usize) -> Self {
        Self { bytes, at: 0, from }
    }

    /// The byte of the payload that comes next.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.from + self.at
    }

    /// Bytes that are left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next bytes.
    ///
    /// # Errors
    /// When fewer are left; `what` names the thing that should stand there.
    pub fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], CodecError> {
        match self.rest().get(..count) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => Err(CodecError::at(
                self.at(),
                format!(
                    "field {what:?}: {count} bytes are needed, {} bytes are left",
                    self.bytes.len() - self.at
                ),
            )),
        }
    }

    /// The next bytes as an array.
    ///
    /// # Errors
    /// As [`Cursor::take`].
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`Cursor::take`].
    pub fn u8(&mut self, what: &str) -> Result<u8, CodecError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    /// Two bytes, the lower first.
    ///
    /// # Errors
    /// As [`Cursor::take`].
    pub fn u16(&mut self, what: &str) -> Result<u16, CodecError> {
        self.array(what).map(u16::from_le_bytes)
    }

    /// Three bytes, the lowest first.
    ///
    /// # Errors
    /// As [`Cursor::take`].
    pub fn u24(&mut self, what: &str) -> Result<u32, CodecError> {
        self.array::<3>(what).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    /// Four bytes, the lowest first.
    ///
    /// # Errors
    /// As [`Cursor::take`].
    pub fn u32(&mut self, what: &str) -> Result<u32, CodecError> {
        self.array(what).map(u32::from_le_bytes)
    }
}
