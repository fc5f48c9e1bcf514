//! A file of the registry, line by line: CSV holds one table, TOML any of them.

use toml::de::{DeTable, DeValue};

use super::form::{Cells, FORMS, Form};
use super::row::Row;
use crate::diagnostic::{Lines, nearest};
use crate::inventory::Refused;
use crate::inventory::sheet::{Sheet, cut, text};

/// What a file says.
#[derive(Debug, Default)]
pub struct Content {
    /// What it is about: of these it names all rows.
    pub forms: Vec<Form>,
    /// Its rows, each with its line.
    pub rows: Vec<(u64, Row)>,
    /// Lines that cannot be understood.
    pub refused: Vec<Refused>,
}

/// Reads a file; its name says what it holds.
#[must_use]
pub fn read(name: &str, bytes: &[u8]) -> Content {
    let mut content = Content::default();
    let whole = if name.ends_with(".toml") {
        read_toml(bytes, &mut content)
    } else {
        read_csv(name, bytes, &mut content)
    };
    content.refused.extend(whole.err());
    content
}

fn read_csv(name: &str, bytes: &[u8], content: &mut Content) -> Result<(), Refused> {
    let form = Form::of_file(name)?;
    content.forms.push(form);
    let mut sheet = Sheet::open(bytes, form.columns(), form.needed())?;
    while let Some(line) = sheet.advance() {
        match line.and_then(|()| form.read(&sheet)) {
            Ok(row) => content.rows.push((sheet.line(), row)),
            Err(refused) => content.refused.push(refused),
        }
    }
    Ok(())
}

fn read_toml(bytes: &[u8], content: &mut Content) -> Result<(), Refused> {
    let text = text(bytes)?;
    let lines = Lines::new(text);
    let line = |at: usize| u64::from(lines.place(at).0);
    let (document, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let line = line(error.span().unwrap_or(0..0).start);
        return Err(Refused { line, message: error.message().to_owned(), ..Refused::default() });
    }
    for (heading, value) in document.get_ref() {
        let at = line(heading.span().start);
        let said: &str = heading.get_ref();
        let Some(form) = FORMS.into_iter().find(|form| form.heading == said) else {
            let known = FORMS.iter().map(|form| form.heading);
            let hint = match nearest(said, known.clone()) {
                Some(near) => format!("did you mean [[{near}]]?"),
                None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
            };
            let (column, message) = (cut(said), "no such table is known".to_owned());
            content.refused.push(Refused { line: at, column, message, hint });
            continue;
        };
        content.forms.push(form);
        let DeValue::Array(rows) = value.get_ref() else {
            let hint = format!("head each row with [[{said}]]");
            let message = "it must be a list of rows".to_owned();
            content.refused.push(Refused { line: at, column: cut(said), message, hint });
            continue;
        };
        for row in rows {
            let at = line(row.span().start);
            let read = entry(form, at, row.get_ref(), &line).and_then(|entry| form.read(&entry));
            match read {
                Ok(row) => content.rows.push((at, row)),
                Err(refused) => content.refused.push(refused),
            }
        }
    }
    Ok(())
}

/// A row of a TOML text as cells.
struct Entry {
    form: Form,
    line: u64,
    cells: Vec<(u64, String)>,
}

impl Cells for Entry {
    fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", |(_, text)| text)
    }

    fn wrong(&self, column: usize, message: String, hint: &str) -> Refused {
        let line = self.cells.get(column).map_or(self.line, |(line, _)| *line);
        let column = self.form.columns().get(column).map_or("", |(name, _)| name).to_owned();
        Refused { line, column, message, hint: hint.to_owned() }
    }
}

fn entry(form: Form, at: u64, row: &DeValue<'_>, line: &dyn Fn(usize) -> u64) -> Result<Entry, Refused> {
    let DeValue::Table(row) = row else {
        let (column, message) = (form.heading.to_owned(), "it must be a row".to_owned());
        return Err(Refused {
            line: at,
            column,
            message,
            hint: format!("head it with [[{}]]", form.heading),
        });
    };
    let columns = form.columns();
    let mut cells = vec![(at, String::new()); columns.len()];
    for (key, value) in row {
        let said: &str = key.get_ref();
        let wrong = |message: &str, hint: String| Refused {
            line: line(key.span().start),
            column: cut(said),
            message: message.to_owned(),
            hint,
        };
        let Some(column) = columns.iter().position(|(name, _)| *name == said) else {
            let known = columns.iter().map(|(name, _)| *name);
            let hint = match nearest(said, known.clone()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(wrong("no such key is known", hint));
        };
        let text = plain(value.get_ref())
            .ok_or_else(|| wrong("it must be a text or a number", "as in \"ward-3\"".to_owned()))?;
        cells[column] = (line(key.span().start), text);
    }
    Ok(Entry { form, line: at, cells })
}

/// A value as it would stand in a cell.
fn plain(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.trim().to_owned(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| plain(item.get_ref())).collect();
            items?.join(" ")
        }
        _ => return None,
    })
}
