//! Every sentence that may stand in quarantine, each with a stable code, so that boards can say it in any language.
//!
//! The English sentence is what is kept and what the command line shows. [`read`] finds its code and the texts in its
//! places again, so a row that an earlier version wrote is understood as well. Within a sentence there may be others:
//! `line 3: byte 9: expected a value` is three.

use std::collections::BTreeMap;

mod sentences;
#[cfg(test)]
mod tests;

pub use sentences::{KINDS, SENTENCES};

/// A kind of sentence: its stable code, and how it reads in English with `{places}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sentence {
    /// Stable code.
    pub code: &'static str,
    /// The English text.
    pub english: &'static str,
}

/// A sentence that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Stable code of the sentence.
    pub code: &'static str,
    /// What stands in its places.
    pub params: BTreeMap<&'static str, Part>,
}

/// What stands in a place of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A name, a number or another text that is the same in all languages.
    Text(String),
    /// A sentence of its own.
    Said(Said),
}

/// Stands for a reason that may repeat what a sealed payload says.
pub const SEALED_REASON: &str =
    "it cannot be read; what is wrong is not told here, as the message may say who somebody is";

/// Kinds whose reasons are made of the topic, the register and names of profiles alone.
const NO_CONTENT: [&str; 14] = [
    "ambiguous_profile",
    "late_answer",
    "no_device",
    "no_firmware",
    "no_reader",
    "oversize",
    "revoked",
    "sealed",
    "too_many_readings",
    "unknown_class",
    "unknown_device",
    "wrong_class",
    "wrong_profile",
    "wrong_site",
];

/// Whether the reasons of a kind repeat nothing that a payload says, but for the name of its device.
#[must_use]
pub fn names_no_content(kind: &str) -> bool {
    NO_CONTENT.contains(&kind)
}

/// Places that hold digits only.
const NUMBERS: [&str; 2] = ["n", "most"];
/// Places that hold another sentence.
const NESTED: [&str; 5] = ["rest", "wanted", "found", "more", "what"];
/// Places that hold one word.
const WORDS: [&str; 2] = ["metric", "number"];
/// Sentences within one another that are followed; a text of ours never has more.
const DEPTH: usize = 8;

/// Understands a sentence; `None` when it is none of ours (the words of a store, say).
#[must_use]
pub fn read(text: &str) -> Option<Said> {
    read_within(text, DEPTH)
}

fn read_within(text: &str, depth: usize) -> Option<Said> {
    let deeper = depth.checked_sub(1)?;
    SENTENCES.iter().find_map(|sentence| {
        let params = fit(sentence.english, text, deeper)?;
        Some(Said { code: sentence.code, params })
    })
}

/// The texts in the places of a template, if the text is made by it.
fn fit(template: &'static str, text: &str, depth: usize) -> Option<BTreeMap<&'static str, Part>> {
    let mut params = BTreeMap::new();
    let (head, mut template) = template.split_once('{').unwrap_or((template, ""));
    let mut text = text.strip_prefix(head)?;
    while !template.is_empty() {
        let (name, after) = template.split_once('}')?;
        let (literal, rest) = after.split_once('{').unwrap_or((after, ""));
        // The last place takes all that is left before the end of the template.
        let (value, left) = match (literal, rest) {
            ("", "") => (text, ""),
            (end, "") => (text.strip_suffix(end)?, ""),
            (literal, _) => text.split_once(literal)?,
        };
        let any = |names: &[&str]| names.contains(&name);
        // A text that somebody sent may be empty; what we say never is.
        let odd = value.is_empty() && (any(&NUMBERS) || any(&NESTED) || any(&WORDS))
            || any(&NUMBERS) && !value.bytes().all(|b| b.is_ascii_digit())
            || any(&WORDS) && value.contains(char::is_whitespace);
        if odd {
            return None;
        }
        let said = if NESTED.contains(&name) { read_within(value, depth) } else { None };
        params.insert(name, said.map_or_else(|| Part::Text(value.to_owned()), Part::Said));
        (text, template) = (left, rest);
    }
    text.is_empty().then_some(params)
}
