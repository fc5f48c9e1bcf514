//! Why a command failed, and with which exit code.

use std::fmt;

use orderly_core::diagnostic::Diagnostic;

use crate::config::{Problem, draw};
use crate::runtime::texts::{Broken, BrokenTexts};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Settings, profiles or rules are wrong: exit code 2, as for a wrong command line.
    Problems(Vec<Problem>),
    /// Something else: exit code 1.
    Other(String),
}

impl Failure {
    /// Something went wrong that one sentence says.
    pub fn because(error: impl fmt::Display) -> Self {
        Self::Other(error.to_string())
    }

    /// The exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Problems(_) => 2,
            Self::Other(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problems(problems) => f.write_str(&draw(problems)),
            Self::Other(text) => write!(f, "orderly: {text}"),
        }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

impl From<BrokenTexts> for Failure {
    fn from(broken: BrokenTexts) -> Self {
        Self::Problems(broken.0.iter().flat_map(|b| b.found.iter().map(|d| problem(b, d))).collect())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<BrokenTexts>() {
            Ok(broken) => broken.into(),
            Err(error) => Self::Other(format!("{error:#}")),
        }
    }
}

/// A diagnostic of the core as a problem with its place in the text.
fn problem(broken: &Broken, found: &Diagnostic) -> Problem {
    let text = &broken.file.text;
    let line_start: usize =
        text.split_inclusive('\n').take(found.line.saturating_sub(1) as usize).map(str::len).sum();
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let before: usize = line.chars().take(found.column.saturating_sub(1) as usize).map(char::len_utf8).sum();
    let at = (!text.is_empty()).then(|| line_start + before..line_start + line.trim_end().len().max(before));
    Problem {
        file: found.file.clone(),
        text: text.as_str().into(),
        at,
        key: found.key.clone(),
        message: found.message.clone(),
        hint: found.hint.clone(),
    }
}
