//! Payloads that come as text: hexadecimal digits or base64, with the bytes of another codec inside.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::document::CodecError;

/// How the bytes of a payload are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wrap {
    /// They are not.
    #[default]
    None,
    /// Pairs of hexadecimal digits; spaces, line ends and colons between pairs, and `0x` in front, are passed over.
    Hex,
    /// Base64, ordinary or URL-safe, padded or not.
    Base64,
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const ORDINARY: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl Wrap {
    /// The names in a profile, in the order of the variants.
    pub const NAMES: [&str; 3] = ["none", "hex", "base64"];

    /// The wrapping with this place in [`Wrap::NAMES`].
    #[must_use]
    pub const fn numbered(place: usize) -> Self {
        match place {
            1 => Self::Hex,
            2 => Self::Base64,
            _ => Self::None,
        }
    }

    /// The bytes inside.
    ///
    /// # Errors
    /// When the payload is not wrapped in this way.
    pub fn open(self, payload: &[u8]) -> Result<Cow<'_, [u8]>, CodecError> {
        match self {
            Self::None => Ok(Cow::Borrowed(payload)),
            Self::Hex => from_hex(payload).map(Cow::Owned),
            Self::Base64 => from_base64(payload).map(Cow::Owned),
        }
    }
}

/// Reads hexadecimal digits.
///
/// # Errors
/// At the first byte that is none, and when the last pair is incomplete.
pub fn from_hex(text: &[u8]) -> Result<Vec<u8>, CodecError> {
    let start = if text.starts_with(b"0x") || text.starts_with(b"0X") { 2 } else { 0 };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (at, byte) in text.iter().enumerate().skip(start) {
        let digit = match (byte, high) {
            (b' ' | b'\t' | b'\r' | b'\n' | b':', None) => continue,
            (b'0'..=b'9', _) => byte - b'0',
            (b'a'..=b'f', _) => byte - b'a' + 10,
            (b'A'..=b'F', _) => byte - b'A' + 10,
            _ => return Err(CodecError::at(at, "expected a pair of hexadecimal digits")),
        };
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(CodecError::at(text.len(), "the last pair of hexadecimal digits is incomplete")),
    }
}

/// Reads base64.
///
/// # Errors
/// When it is none.
pub fn from_base64(text: &[u8]) -> Result<Vec<u8>, CodecError> {
    let text = text.trim_ascii();
    let engine = if text.iter().any(|byte| matches!(byte, b'-' | b'_')) { &URL_SAFE } else { &ORDINARY };
    engine.decode(text).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) => Some(at),
            _ => None,
        };
        CodecError { at, what: "expected base64".to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_in_the_ways_that_devices_write_them() {
        for text in ["007fFF", "00 7f ff", "0x007FFF", "00:7f:ff\n"] {
            assert_eq!(Wrap::Hex.open(text.as_bytes()).unwrap().as_ref(), [0, 0x7f, 0xff], "{text}");
        }
        assert_eq!(from_hex(b"00 7").unwrap_err().at, Some(4));
        assert_eq!(from_hex(b"0g").unwrap_err().at, Some(1));
        assert_eq!(from_hex(b"0 07").unwrap_err().at, Some(1), "a pair is not parted");
    }

    #[test]
    fn base64_of_both_alphabets_with_and_without_padding() {
        for text in ["+/8A", "-_8A", " +/8A\n"] {
            assert_eq!(Wrap::Base64.open(text.as_bytes()).unwrap().as_ref(), [0xfb, 0xff, 0]);
        }
        assert_eq!(from_base64(b"AQ==").unwrap(), [1]);
        assert_eq!(from_base64(b"AQ").unwrap(), [1]);
        assert_eq!(from_base64(b"A?==").unwrap_err().at, Some(1));
    }
}
