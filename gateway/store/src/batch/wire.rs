//! The smallest pieces of our blobs: variable-length integers, decimals, strings; and a reader that never trusts a length.

use super::DecodeError;

/// Powers of ten that [`put_number`] tries; on disk only their index is kept.
const POWERS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
/// Beyond this a decimal takes as many bytes as the raw number.
const MAX_DECIMAL: f64 = 562_949_953_421_312.0; // 2^49
/// Tag of a number that is kept as its eight bytes.
const RAW: u64 = 7;

/// Appends an unsigned integer, seven bits a byte, lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push((v as u8) | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Appends a signed integer so that small ones of either sign are short.
pub(crate) fn put_zigzag(out: &mut Vec<u8>, v: i64) {
    put_varint(out, zigzag(v));
}

/// Appends a text with its length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number: as a short decimal when that gives back the same bits, else as its eight bytes.
///
/// Devices send decimals. Dividing two exactly known integers rounds once, so `m / 10^k` is the very
/// number that parsing the decimal gave.
pub(crate) fn put_number(out: &mut Vec<u8>, v: f64) {
    for (k, power) in POWERS.iter().enumerate() {
        let shifted = v * power;
        if shifted.abs() >= MAX_DECIMAL {
            break;
        }
        // Through the integer, for that is what comes back: it has no minus zero. Whether this rounds right in
        // every last case does not matter, as what comes back is compared.
        let m = (shifted + 0.5_f64.copysign(shifted)) as i64;
        if (m as f64 / power).to_bits() == v.to_bits() {
            put_varint(out, (zigzag(m) << 3) | k as u64);
            return;
        }
    }
    put_varint(out, RAW);
    out.extend_from_slice(&v.to_le_bytes());
}

const fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

const fn unzigzag(v: u64) -> i64 {
    ((v >> 1) as i64) ^ -((v & 1) as i64)
}

/// Reads what the functions above wrote; every read is checked against what is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not yet read.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next byte, left where it is.
    pub(crate) fn first(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut v = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            v |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 { Err(DecodeError::Malformed("integer")) } else { Ok(v) };
            }
        }
        Err(DecodeError::Malformed("integer"))
    }

    pub(crate) fn zigzag(&mut self) -> Result<i64, DecodeError> {
        self.varint().map(unzigzag)
    }

    /// A small number of things, each of which takes at least one byte of what is left.
    pub(crate) fn count(&mut self) -> Result<usize, DecodeError> {
        let n = usize::try_from(self.varint()?).map_err(|_| DecodeError::Short)?;
        if n > self.left() { Err(DecodeError::Short) } else { Ok(n) }
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let n = self.count()?;
        std::str::from_utf8(self.bytes(n)?).map_err(|_| DecodeError::Malformed("text"))
    }

    pub(crate) fn number(&mut self) -> Result<f64, DecodeError> {
        let v = self.varint()?;
        let k = v & 7;
        if k == RAW {
            let bytes = self.bytes(8)?.try_into().map_err(|_| DecodeError::Short)?;
            let v = f64::from_le_bytes(bytes);
            return if v.is_finite() { Ok(v) } else { Err(DecodeError::Malformed("number")) };
        }
        let power = POWERS.get(k as usize).ok_or(DecodeError::Malformed("number"))?;
        Ok(unzigzag(v >> 3) as f64 / power)
    }
}
