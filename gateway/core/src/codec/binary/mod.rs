//! Binary payloads that a profile describes field by field: bits and bytes, either byte order, optional fields,
//! repeated groups and fields that a tag announces.
//!
//! A field only says what stands in the payload. What it means (unit, scale, states, range) is the metric's.

mod bits;
mod read;
mod settings;
#[cfg(test)]
mod tests;

pub use bits::{BitReader, Endian};
pub use read::read;

/// What a payload consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub(super) parts: Vec<Part>,
}

/// One part of a payload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// `None`: passed over.
    name: Option<String>,
    /// Known to conditions, but not written.
    hidden: bool,
    /// From this byte of the payload on; `None`: after the part before.
    at: Option<usize>,
    /// Only if this holds.
    when: Option<Condition>,
    /// May be missing at the end of the payload.
    optional: bool,
    kind: Kind,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A whole number of so many bits.
    Whole { bits: u32, signed: bool, endian: Endian },
    /// An IEEE 754 number of 16, 32 or 64 bits.
    Float { bits: u32, endian: Endian },
    /// Two decimal digits in each byte.
    Bcd { bytes: usize, endian: Endian },
    /// A text; zero bytes at its end are filling.
    Text { bytes: Size },
    /// Bytes, shown as hexadecimal digits.
    Bytes { bytes: Size },
    /// The same parts again and again.
    Group { times: Times, parts: Vec<Part> },
    /// A tag, then the parts that it announces; again until the payload ends.
    Tagged { bits: u32, endian: Endian, cases: Vec<Case>, unknown: Unknown },
}

/// How long a text or a run of bytes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Size {
    Fixed(usize),
    /// As an earlier field says.
    Field(String),
    Rest,
}

/// How often a group comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Times {
    Fixed(usize),
    /// As an earlier field says.
    Field(String),
    /// Until the payload ends.
    Rest,
}

/// The parts that follow some tags.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    tags: Vec<i128>,
    parts: Vec<Part>,
}

/// What to do with a tag that no case names. Its length is not known, so nothing behind it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Refuse,
    Stop,
}

/// When a part is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// A bit of an earlier field is set (or is not).
    Bit { field: String, bit: u32, set: bool },
    /// An earlier field has one of these values.
    Is { field: String, values: Vec<i128> },
    /// The message came on one of these LoRaWAN ports.
    Port(Vec<i128>),
}
