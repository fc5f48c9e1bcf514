//! Inputs that could not be read, on the wire.

use std::collections::BTreeMap;

use orderly_core::refusal::{self, Part, Said};
use orderly_core::sealed::{OVERHEAD, is_sealed};
use serde::Serialize;
use utoipa::ToSchema;

use super::Moment;
use crate::api::reads::Unreadable;

/// How much of the kept beginning is shown, in characters.
const EXCERPT_CHARS: usize = 400;

/// An input that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuarantineItem {
    /// The journal record.
    pub seq: u64,
    /// Place within the record.
    pub index: u16,
    /// When it came.
    pub received_at: Moment,
    /// The source that took it in.
    pub source: String,
    /// Topic or address.
    pub address: String,
    /// Stable code of the reason.
    #[schema(example = "unknown_device")]
    pub code: String,
    /// What is wrong and what would be right.
    pub reason: String,
    /// The same for boards of any language; null when the sentence is not of the gateway (a store said it).
    pub why: Option<Why>,
    /// The beginning of the payload; bytes that are not text are shown as `\xNN`.
    pub excerpt: String,
    /// How many bytes of the payload are kept here (at most 4 KiB).
    pub bytes: usize,
    /// It may say who somebody is: what is kept of it is sealed and shown nowhere.
    pub sealed: bool,
}

/// A sentence: its stable code and what stands in its places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Why {
    /// Stable code of the sentence.
    #[schema(example = "unknown_device")]
    pub code: String,
    /// What stands in its places.
    pub params: BTreeMap<String, WhyPart>,
}

/// What stands in a place of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(no_recursion)]
pub enum WhyPart {
    /// A name, a number or another text that is the same in all languages.
    Text(String),
    /// A sentence of its own.
    Why(Why),
}

impl From<Said> for Why {
    fn from(said: Said) -> Self {
        let part = |part| match part {
            Part::Text(text) => WhyPart::Text(text),
            Part::Said(said) => WhyPart::Why(said.into()),
        };
        Self {
            code: said.code.to_owned(),
            params: said.params.into_iter().map(|(name, one)| (name.to_owned(), part(one))).collect(),
        }
    }
}

/// Inputs that could not be read, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Quarantine {
    /// The inputs.
    pub items: Vec<QuarantineItem>,
    /// How many there are in all.
    pub total: u64,
    /// Give it as `after` for the next page; null: there is no more.
    pub next: Option<String>,
}

impl From<&Unreadable> for QuarantineItem {
    fn from(item: &Unreadable) -> Self {
        let sealed = is_sealed(&item.excerpt);
        Self {
            seq: item.seq,
            index: item.index,
            received_at: Moment(item.received_at),
            source: item.source.clone(),
            address: item.address.clone(),
            code: item.code.clone(),
            reason: item.reason.clone(),
            why: refusal::read(&item.reason).map(Why::from),
            excerpt: shown(&item.excerpt),
            bytes: if sealed { item.excerpt.len().saturating_sub(OVERHEAD) } else { item.excerpt.len() },
            sealed,
        }
    }
}

/// The beginning of a payload, if anybody may see it.
pub(super) fn shown(excerpt: &[u8]) -> String {
    if is_sealed(excerpt) { String::new() } else { readable(excerpt) }
}

/// Bytes as text that can be shown: no control characters, no invalid UTF-8, not too long.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut shown = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if shown == EXCERPT_CHARS {
                return text + "…";
            }
            shown += 1;
            if character.is_control() && !matches!(character, '\n' | '\t') {
                text.push_str(&format!("\\x{:02X}", u32::from(character)));
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            if shown == EXCERPT_CHARS {
                return text + "…";
            }
            shown += 1;
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_become_text_that_can_be_shown() {
        assert_eq!(readable("血压 {\"sys\":1}".as_bytes()), "血压 {\"sys\":1}");
        assert_eq!(readable(&[0x17, b'a', 0xff, 0xfe]), "\\x17a\\xFF\\xFE");
        assert_eq!(readable(&[b'x'; 5_000]).chars().count(), EXCERPT_CHARS + 1);
    }
}
