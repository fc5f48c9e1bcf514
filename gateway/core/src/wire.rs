//! The smallest pieces of our blobs: variable-length integers, decimals, strings; and a reader that never trusts a length.

use crate::value::{Missing, Quality, Reason};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a later version.
    #[error("format {0} is not known to this version")]
    Format(u8),
    /// The bytes end before what they announce.
    #[error("it ends before what it announces")]
    Short,
    /// Something in it cannot be.
    #[error("its {0} cannot be read")]
    Malformed(&'static str),
}

/// Powers of ten that [`put_number`] tries; on disk only their index is kept.
const POWERS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
/// Beyond this a decimal takes as many bytes as the raw number.
const MAX_DECIMAL: f64 = 562_949_953_421_312.0; // 2^49
/// Tag of a number that is kept as its eight bytes.
const RAW: u64 = 7;

/// Appends an unsigned integer, seven bits a byte, lowest first.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push((v as u8) | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Appends a signed integer so that small ones of either sign are short.
#[inline]
pub fn put_zigzag(out: &mut Vec<u8>, v: i64) {
    put_varint(out, zigzag(v));
}

/// Appends a text with its length.
#[inline]
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number: as a short decimal when that gives back the same bits, else as its eight bytes.
///
/// Devices send decimals. Dividing two exactly known integers rounds once, so `m / 10^k` is the very
/// number that parsing the decimal gave.
pub fn put_number(out: &mut Vec<u8>, v: f64) {
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
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of all of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not yet read.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next byte, left where it is.
    #[must_use]
    pub fn first(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// One byte.
    ///
    /// # Errors
    /// When it is not there.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    /// So many bytes.
    ///
    /// # Errors
    /// When it is not there.
    #[inline]
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// When it is not there.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
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

    /// A signed integer.
    ///
    /// # Errors
    /// When it is not there.
    #[inline]
    pub fn zigzag(&mut self) -> Result<i64, DecodeError> {
        self.varint().map(unzigzag)
    }

    /// A small number of things, each of which takes at least one byte of what is left.
    ///
    /// # Errors
    /// When it is not there or cannot be.
    pub fn count(&mut self) -> Result<usize, DecodeError> {
        let n = usize::try_from(self.varint()?).map_err(|_| DecodeError::Short)?;
        if n > self.left() { Err(DecodeError::Short) } else { Ok(n) }
    }

    /// A text.
    ///
    /// # Errors
    /// When it is not there.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let n = self.count()?;
        std::str::from_utf8(self.bytes(n)?).map_err(|_| DecodeError::Malformed("text"))
    }

    /// A number.
    ///
    /// # Errors
    /// When it is not there.
    pub fn number(&mut self) -> Result<f64, DecodeError> {
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

/// The number of a reason for a missing value on disk.
#[must_use]
pub const fn missing_code(why: Missing) -> u8 {
    match why {
        Missing::High => 0,
        Missing::Low => 1,
        Missing::NotANumber => 2,
        Missing::Absent => 3,
        Missing::SensorFault => 4,
    }
}

/// The way back from [`missing_code`].
///
/// # Errors
/// For an unknown code.
pub const fn missing(code: u8) -> Result<Missing, DecodeError> {
    Ok(match code {
        0 => Missing::High,
        1 => Missing::Low,
        2 => Missing::NotANumber,
        3 => Missing::Absent,
        4 => Missing::SensorFault,
        _ => return Err(DecodeError::Malformed("missing")),
    })
}

/// Quality and reason in one byte; 0 is good.
#[must_use]
pub const fn trust_code(quality: Quality, reason: Option<Reason>) -> u8 {
    let q = match quality {
        Quality::Good => 0,
        Quality::Uncertain => 1,
        Quality::Bad => 2,
    };
    let r = match reason {
        None => 0,
        Some(Reason::OutOfRange) => 1,
        Some(Reason::UnknownState) => 2,
        Some(Reason::DeviceFlag) => 3,
        Some(Reason::Implausible) => 4,
        Some(Reason::Missing) => 5,
    };
    q * 16 + r
}

/// The way back from [`trust_code`].
///
/// # Errors
/// For an unknown code.
pub const fn trust(code: u8) -> Result<(Quality, Option<Reason>), DecodeError> {
    let quality = match code >> 4 {
        0 => Quality::Good,
        1 => Quality::Uncertain,
        2 => Quality::Bad,
        _ => return Err(DecodeError::Malformed("quality")),
    };
    let reason = match code & 15 {
        0 => None,
        1 => Some(Reason::OutOfRange),
        2 => Some(Reason::UnknownState),
        3 => Some(Reason::DeviceFlag),
        4 => Some(Reason::Implausible),
        5 => Some(Reason::Missing),
        _ => return Err(DecodeError::Malformed("reason")),
    };
    Ok((quality, reason))
}
