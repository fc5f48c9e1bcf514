//! What is wrong in a text that a person wrote, with the place and, where possible, what was meant.
//!
//! Configuration, profiles and rules all answer in this form.

mod reader;
mod replaced;

use std::fmt;

pub use reader::{Section, read};

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// The file, as the person named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The key it is about, dotted (`metric[2].unit`); empty when the whole text is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What would be right, if that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// The candidate that a person most likely meant by `name`, if one is near enough.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + name.len().max(candidate.len()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of a text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column, both from 1, of a byte offset.
    #[must_use]
    pub fn place(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let before = self.text.get(self.starts[line]..offset).unwrap_or("");
        (to_u32(line) + 1, to_u32(before.chars().count()) + 1)
    }
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_the_nearest_name_only_when_it_is_near() {
        let names = ["topic", "modbus", "measurement", "tags"];
        assert_eq!(nearest("topc", names), Some("topic"));
        assert_eq!(nearest("mesurement", names), Some("measurement"));
        assert_eq!(nearest("colour", names), None);
    }

    #[test]
    fn counts_lines_and_characters() {
        let lines = Lines::new("a\n血b\n");
        assert_eq!(lines.place(0), (1, 1));
        assert_eq!(lines.place(2), (2, 1));
        assert_eq!(lines.place(5), (2, 2));
        assert_eq!(lines.place(99), (3, 1));
    }
}
