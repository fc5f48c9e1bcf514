//! Reads whole numbers of any width out of bytes, bit by bit where they share a byte.

use crate::codec::document::CodecError;

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endian {
    /// The highest; bits are taken from the high end of each byte.
    #[default]
    Big,
    /// The lowest; bits are taken from the low end of each byte.
    Little,
}

/// A place in a payload, to the bit.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    bit: usize,
}

impl<'a> BitReader<'a> {
    /// At the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, bit: 0 }
    }

    /// The byte that comes next, or is begun.
    #[must_use]
    pub const fn byte(&self) -> usize {
        self.bit / 8
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.bit >= self.bytes.len() * 8
    }

    /// Whole bytes that are left, from the next byte border on.
    #[must_use]
    pub const fn bytes_left(&self) -> usize {
        self.bytes.len().saturating_sub(self.bit.div_ceil(8))
    }

    /// Goes on at a byte; a place behind the end holds nothing.
    pub const fn go_to(&mut self, byte: usize) {
        self.bit = byte.saturating_mul(8);
    }

    /// Goes on at the next byte border.
    pub const fn align(&mut self) {
        self.bit = self.bit.div_ceil(8) * 8;
    }

    /// The next `count` bytes, from a byte border.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        self.align();
        let from = self.byte();
        let found = from.checked_add(count).and_then(|to| self.bytes.get(from..to));
        let found = found.ok_or_else(|| self.short(count.saturating_mul(8)))?;
        self.bit += count * 8;
        Ok(found)
    }

    /// The next `count` bits as a number, at most 64.
    ///
    /// # Errors
    /// When fewer are left, or more than 64 are wanted.
    pub fn bits(&mut self, count: u32, endian: Endian) -> Result<u64, CodecError> {
        let width = count as usize;
        if count > 64 || self.bit.saturating_add(width) > self.bytes.len() * 8 {
            return Err(self.short(width));
        }
        let mut number = 0_u64;
        let mut done = 0_usize;
        while done < width {
            let (byte, from) = (self.bytes[self.bit / 8], self.bit % 8);
            let take = (8 - from).min(width - done);
            let mask = (1_u16 << take) - 1;
            let part = match endian {
                Endian::Big => u16::from(byte) >> (8 - from - take) & mask,
                Endian::Little => u16::from(byte) >> from & mask,
            };
            number = match endian {
                Endian::Big => number << take | u64::from(part),
                Endian::Little => number | u64::from(part) << done,
            };
            done += take;
            self.bit += take;
        }
        Ok(number)
    }

    fn short(&self, wanted: usize) -> CodecError {
        let left = (self.bytes.len() * 8).saturating_sub(self.bit);
        let what = match wanted.is_multiple_of(8) && left.is_multiple_of(8) {
            true => format!("{} bytes are needed, {} bytes are left", wanted / 8, left / 8),
            false => format!("{wanted} bits are needed, {left} bits are left"),
        };
        CodecError::at(self.byte(), what)
    }
}
