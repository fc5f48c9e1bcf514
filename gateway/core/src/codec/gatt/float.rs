//! The medical floating-point types of ISO/IEEE 11073-20601: decimal mantissa and exponent in 16 or 32 bits.

use crate::codec::document::Document;

/// A number with its decimal digits, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medical {
    /// mantissa times ten to the power of the exponent.
    Decimal {
        /// The digits.
        mantissa: i32,
        /// The power of ten.
        exponent: i8,
    },
    /// Not a number.
    NotANumber,
    /// Not at this resolution.
    NotAtThisResolution,
    /// Above what can be said.
    Above,
    /// Below what can be said.
    Below,
    /// Reserved by the standard.
    Reserved,
}

/// Reads an SFLOAT. The special values are told by the raw word, whatever they would be as numbers.
#[must_use]
pub const fn short(word: u16) -> Medical {
    match word {
        0x07ff => Medical::NotANumber,
        0x0800 => Medical::NotAtThisResolution,
        0x07fe => Medical::Above,
        0x0802 => Medical::Below,
        0x0801 => Medical::Reserved,
        _ => {
            let mantissa = ((word << 4).cast_signed() >> 4) as i32;
            let exponent = (word.cast_signed() >> 12) as i8;
            Medical::Decimal { mantissa, exponent }
        }
    }
}

/// Reads a FLOAT.
#[must_use]
pub const fn long(word: u32) -> Medical {
    match word {
        0x007f_ffff => Medical::NotANumber,
        0x0080_0000 => Medical::NotAtThisResolution,
        0x007f_fffe => Medical::Above,
        0x0080_0002 => Medical::Below,
        0x0080_0001 => Medical::Reserved,
        _ => {
            let mantissa = (word << 8).cast_signed() >> 8;
            let exponent = (word.cast_signed() >> 24) as i8;
            Medical::Decimal { mantissa, exponent }
        }
    }
}

impl Medical {
    /// The same number times ten to the power `shift`.
    #[must_use]
    pub const fn scaled(self, shift: i8) -> Self {
        match self {
            Self::Decimal { mantissa, exponent } => {
                Self::Decimal { mantissa, exponent: exponent.saturating_add(shift) }
            }
            special => special,
        }
    }

    /// Writes the number, or a word that a profile names under `missing`.
    pub fn write(self, document: &mut Document<'_>) {
        match self {
            Self::Decimal { mantissa, exponent } => document.decimal(mantissa.into(), exponent),
            Self::NotANumber => document.text("NaN"),
            Self::NotAtThisResolution => document.text("NRes"),
            Self::Above => document.text("+INF"),
            Self::Below => document.text("-INF"),
            Self::Reserved => document.text("reserved"),
        }
    }
}
