//! Reading payloads: JSON, line protocol and Modbus polls; each refuses what is malformed and says where.

pub mod binary;
pub mod ble;
pub mod cursor;
pub mod document;
pub mod float;
pub mod gatt;
pub mod javascript;
pub mod json;
pub mod line;
pub mod packed;
pub mod registers;
pub mod senml;
pub mod table;
pub mod wrap;

use std::borrow::Cow;

/// What a payload holds in one place, before its meaning is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Sent<'a> {
    /// Nothing is there.
    #[default]
    Absent,
    /// The sender says that there is nothing.
    Null,
    /// Yes or no.
    Flag(bool),
    /// A number in the sender's own digits.
    Digits(Cow<'a, str>),
    /// A whole number that came in binary.
    Whole(i64),
    /// A number that came in binary.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list or an object, where only a single value has a meaning.
    Structure(&'static str),
}

impl Sent<'_> {
    /// What it is, for messages to people; long texts are cut.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Absent => "nothing".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Digits(digits) => format!("the number {}", cut(digits)),
            Self::Whole(n) => format!("the number {n}"),
            Self::Float(n) => format!("the number {n}"),
            Self::Text(text) => format!("the text {:?}", cut(text)),
            Self::Structure(what) => (*what).to_owned(),
        }
    }
}

/// The first characters of a text, at most 64 bytes of them.
#[must_use]
pub fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}
