//! Line protocol: what existing agents write to us, and what we write to stores.
//!
//! The parser takes all field types and says by line number what is wrong. The writer is our own because a
//! device's text must never become a second line: what cannot be written safely is refused, and whatever is
//! written is read back as it was.
//!
//! A backslash is written twice in every place. In names and tags some stores keep both; names of our own
//! (`crate::ids`) hold none, so this concerns foreign names only.

mod parse;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;

pub use parse::{parse, parse_text};
pub use write::{LineWriter, WriteError};

/// One line: a point of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// What is measured.
    pub measurement: Cow<'a, str>,
    /// Whose it is, in the order of the text.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The values, at least one, in the order of the text.
    pub fields: Vec<(Cow<'a, str>, Field<'a>)>,
    /// Nanoseconds since 1970, if the line has a time.
    pub time_ns: Option<i64>,
    /// The line as it was written.
    pub raw: &'a str,
    /// Its number in the text, from 1.
    pub number: usize,
}

impl Line<'_> {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field<'_>> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<'a> {
    /// `1.5`: always finite.
    Float(f64),
    /// `15i`.
    Integer(i64),
    /// `15u`.
    Unsigned(u64),
    /// `t`, `true`, `f`, `false`.
    Flag(bool),
    /// `"text"`.
    Text(Cow<'a, str>),
}

/// What one step of a line's time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Nanoseconds.
    #[default]
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

impl Precision {
    /// Reads the name that clients use.
    ///
    /// # Errors
    /// A sentence with the names that are known.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "ns" | "n" => Ok(Self::Ns),
            "us" | "u" | "µ" => Ok(Self::Us),
            "ms" => Ok(Self::Ms),
            "s" => Ok(Self::S),
            other => Err(format!("{other:?} is no precision; expected ns, us, ms or s")),
        }
    }

    /// The precision that an address carries as `?precision=ms`; nanoseconds when it carries none.
    #[must_use]
    pub fn of_address(address: &str) -> Self {
        let query = address.split_once('?').map_or("", |(_, query)| query);
        let named = query.split('&').find_map(|pair| pair.strip_prefix("precision="));
        named.and_then(|name| Self::parse(name).ok()).unwrap_or_default()
    }

    /// Nanoseconds of one step.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        match self {
            Self::Ns => 1,
            Self::Us => 1_000,
            Self::Ms => 1_000_000,
            Self::S => 1_000_000_000,
        }
    }
}

/// What is wrong in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}
