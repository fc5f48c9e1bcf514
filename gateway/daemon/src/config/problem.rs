//! What is wrong with a settings file, said so that a person can mend it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use super::secret::blanked;

/// One thing that is wrong, at one place of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, or what stands for one (`environment`, `default.toml`).
    pub file: String,
    /// The whole text of the file, so that the place can be drawn.
    pub text: Arc<str>,
    /// Where in the text, in bytes.
    pub at: Option<Range<usize>>,
    /// Dotted path of the key; empty when it is not about a key.
    pub key: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.key, self.message)
        }
    }
}

impl std::error::Error for Problem {}

/// A problem together with its source under its name, as miette wants it.
#[derive(Debug)]
struct Drawn<'a> {
    problem: &'a Problem,
    source: NamedSource<Arc<str>>,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problem.at.is_some().then_some(&self.source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let at = self.problem.at.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::new(Some("here".to_owned()), at.start, at.len()))))
    }
}

/// Draws problems one below the other, each with the line that it is about and its neighbours; never a secret.
#[must_use]
pub fn draw(problems: &[Problem]) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    let mut page = String::new();
    for problem in problems {
        let source = NamedSource::new(&problem.file, blanked(&problem.text).into());
        let drawn = Drawn { problem, source };
        if handler.render_report(&mut page, &drawn).is_err() {
            page.push_str(&problem.to_string());
        }
        if problem.at.is_none() {
            page.push_str(&format!("   in {}\n", problem.file));
        }
    }
    // The blanks in place of a secret would tell its length.
    page.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}
