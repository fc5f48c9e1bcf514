//! A table as people save it from a spreadsheet: a line of column names, then a line for each thing.

use super::Refused;
use crate::diagnostic::nearest;

/// The longest file that is read.
pub const MAX_BYTES: usize = 32 << 20;
/// The most lines: each name that was met is remembered to the end.
const MAX_LINES: usize = 200_000;
/// How much of a column's name is shown.
const SHOWN: usize = 40;

/// The names of a column in English and Chinese.
pub type Column = (&'static str, &'static str);

/// A table, read line by line. A cell that is not there is empty.
#[derive(Debug)]
pub struct Sheet<'a> {
    text: &'a str,
    /// Up to which byte line ends were counted, and the line there.
    counted: (usize, u64),
    reader: csv::Reader<&'a [u8]>,
    header: csv::StringRecord,
    columns: &'static [Column],
    /// Where each column stands.
    places: Vec<Option<usize>>,
    row: csv::StringRecord,
}

impl<'a> Sheet<'a> {
    /// Reads the line of column names, of which `needed` must be there. Commas, semicolons and tabs separate; a byte
    /// order mark is taken off.
    ///
    /// # Errors
    /// When no line of the file could be understood: it is too long, not UTF-8, or its first line names no columns.
    pub fn open(
        file: &'a [u8],
        columns: &'static [Column],
        needed: &'static [&'static str],
    ) -> Result<Self, Refused> {
        let text = text(file)?;
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
        let separator =
            [b';', b'\t'].into_iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| whole(1, e.to_string(), ""))?.clone();
        let places = places(&header, columns, needed)?;
        let counted = (0, 1);
        Ok(Self { text, counted, reader, header, columns, places, row: csv::StringRecord::new() })
    }

    /// The number of the line that was read last, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.counted.1
    }

    /// What the file calls a column; the column's own name where the file has none such.
    #[must_use]
    pub fn called(&self, column: &str) -> String {
        let place = self.columns.iter().position(|(name, _)| *name == column).and_then(|n| self.places[n]);
        place.and_then(|place| self.header.get(place)).unwrap_or(column).to_owned()
    }

    /// What stands in a column of the line that was read last.
    #[must_use]
    pub fn cell(&self, column: usize) -> &str {
        self.places.get(column).copied().flatten().and_then(|place| self.row.get(place)).unwrap_or("")
    }

    /// Something is wrong in a column of the line that was read last.
    #[must_use]
    pub fn wrong(&self, column: usize, message: String, hint: &str) -> Refused {
        let column = self.columns.get(column).map_or_else(String::new, |(name, _)| self.called(name));
        Refused { line: self.line(), column, message, hint: hint.to_owned() }
    }

    /// Goes on to the next line that says something; `None` at the end.
    ///
    /// # Errors
    /// When the line has more fields than columns, or is no line of a table.
    pub fn advance(&mut self) -> Option<Result<(), Refused>> {
        loop {
            match self.reader.read_record(&mut self.row) {
                Ok(false) => return None,
                Ok(true) if self.row.iter().all(str::is_empty) => {}
                Ok(true) => {
                    let begin = self.row.position().cloned();
                    self.go_to(begin.as_ref());
                    return Some(self.fits());
                }
                Err(error) => {
                    self.go_to(error.position());
                    let (line, message) = (self.counted.1, error.to_string());
                    return Some(Err(Refused { line, message, ..Refused::default() }));
                }
            }
        }
    }

    fn fits(&self) -> Result<(), Refused> {
        if self.row.len() <= self.header.len() {
            return Ok(());
        }
        let message = format!("it has {} fields, the first line {}", self.row.len(), self.header.len());
        let hint = "put a field that holds the separator into quotes".to_owned();
        Err(Refused { line: self.line(), column: String::new(), message, hint })
    }

    /// Goes on to the line in which a row begins. The reader counts the row from the end of the one before it on, empty
    /// lines included.
    fn go_to(&mut self, row: Option<&csv::Position>) {
        let bytes = self.text.as_bytes();
        let from = row.and_then(|row| usize::try_from(row.byte()).ok()).unwrap_or(0);
        let (mut at, mut line) = self.counted;
        while let Some(byte) = bytes.get(at).filter(|byte| at < from || b"\r\n".contains(byte)) {
            line += u64::from(*byte == b'\n');
            at += 1;
        }
        self.counted = (at, line);
    }
}

/// The text of a file of a person, without the mark that spreadsheets put before it.
///
/// # Errors
/// When it is too long, or not UTF-8.
pub fn text(file: &[u8]) -> Result<&str, Refused> {
    if file.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, and {MAX_BYTES} is the most", file.len());
        return Err(whole(1, message, "split it"));
    }
    let lines = file.iter().filter(|byte| **byte == b'\n').count();
    if lines > MAX_LINES {
        let message = format!("the file has {lines} lines, and {MAX_LINES} is the most");
        return Err(whole(1, message, "split it"));
    }
    let text = std::str::from_utf8(file).map_err(|error| {
        let line = file[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        whole(line, "the file is not UTF-8 here".to_owned(), "in a spreadsheet save it as \"CSV UTF-8\"")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn whole(line: u64, message: String, hint: &str) -> Refused {
    Refused { line, column: String::new(), message, hint: hint.to_owned() }
}

/// Where each column stands.
fn places(
    header: &csv::StringRecord,
    columns: &'static [Column],
    needed: &[&str],
) -> Result<Vec<Option<usize>>, Refused> {
    let mut places = vec![None; columns.len()];
    let names = || columns.iter().flat_map(|(en, zh)| [*en, *zh]);
    let wrong = |column: &str, message: &str, hint: String| Refused {
        line: 1,
        column: cut(column),
        message: message.to_owned(),
        hint,
    };
    for (place, name) in header.iter().enumerate() {
        let lower = name.to_lowercase();
        let Some(column) = columns.iter().position(|(en, zh)| lower == *en || name == *zh) else {
            // Words of the other script are never near: nearness counts bytes.
            let likely = names().filter(|known| known.is_ascii() == name.is_ascii());
            let hint = match nearest(&lower, likely) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(wrong(name, "no such column is known", hint));
        };
        if places[column].replace(place).is_some() {
            return Err(wrong(name, "the column stands twice", "leave one of the two".to_owned()));
        }
    }
    for name in needed {
        let missing = columns.iter().position(|(en, _)| en == name).is_some_and(|n| places[n].is_none());
        if missing {
            let all: Vec<&str> = columns.iter().map(|(en, _)| *en).collect();
            let hint = format!("begin the file with a line as {}", all.join(","));
            return Err(wrong("", &format!("the first line must name the columns, {name} among them"), hint));
        }
    }
    Ok(places)
}

/// The beginning of a text, to be shown.
#[must_use]
pub fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
