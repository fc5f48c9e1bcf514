//! CSV and plain text, written as JSON.
//!
//! A field that is a number in the grammar of JSON stands there with its own digits; any other is a text.

use regex::Regex;

use super::document::{CodecError, Document, is_number};

/// How a CSV payload is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    /// What parts the fields of a row.
    pub separator: u8,
    /// Names of the columns; empty: the first row has them.
    pub columns: Vec<String>,
}

/// Writes a CSV payload as `{"rows":[{"column":field, ..}, ..]}`.
///
/// # Errors
/// When it is not UTF-8, a quoted field does not end, or a row has another number of fields than there are columns.
pub fn csv(settings: &Csv, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(settings.separator)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(payload);
    let mut columns = settings.columns.clone();
    let mut document = Document::new(out);
    document.begin_object();
    document.key("rows");
    document.begin_list();
    let mut row = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) if columns.is_empty() => columns = row.iter().map(str::to_owned).collect(),
            Ok(true) if row.len() == columns.len() => {
                document.begin_object();
                for (column, field) in columns.iter().zip(&row) {
                    document.key(column);
                    value(&mut document, field);
                }
                document.end_object();
                document.check()?;
            }
            Ok(true) => {
                let at = row.position().map(|p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
                let what = format!("{} fields, {} columns are known", row.len(), columns.len());
                return Err(CodecError { at, what });
            }
            Err(error) => {
                let at = error.position().map(|p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
                return Err(CodecError { at, what: format!("this is no CSV: {error}") });
            }
        }
    }
    document.end_list();
    document.end_object();
    document.check()
}

/// Writes what a pattern finds in a text as an object of its named groups; a group that took no part is left out.
///
/// # Errors
/// When the payload is not UTF-8, or the pattern is not found in it.
pub fn text(pattern: &Regex, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let text = std::str::from_utf8(payload)
        .map_err(|error| CodecError::at(error.valid_up_to(), "the payload is not UTF-8"))?;
    let found = pattern
        .captures(text)
        .ok_or_else(|| CodecError::whole(format!("the pattern {:?} is not found in it", pattern.as_str())))?;
    let mut document = Document::new(out);
    document.begin_object();
    for name in pattern.capture_names().flatten() {
        if let Some(part) = found.name(name) {
            document.key(name);
            value(&mut document, part.as_str());
        }
    }
    document.end_object();
    document.check()
}

fn value(document: &mut Document<'_>, field: &str) {
    if is_number(field) { document.verbatim(field) } else { document.text(field) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &Csv, payload: &str) -> Result<String, CodecError> {
        let mut out = Vec::new();
        csv(settings, payload.as_bytes(), &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn rows_take_their_names_from_the_first_row_or_the_settings() {
        let headed = Csv { separator: b',', columns: Vec::new() };
        assert_eq!(
            read(&headed, "time,temp\r\n2026-11-21T07:30:00Z, 4.50\r\n").unwrap(),
            r#"{"rows":[{"time":"2026-11-21T07:30:00Z","temp":4.50}]}"#
        );
        let named = Csv { separator: b';', columns: vec!["a".to_owned(), "b".to_owned()] };
        assert_eq!(
            read(&named, "1;\"x;\"\"y\"\n-2;").unwrap(),
            r#"{"rows":[{"a":1,"b":"x;\"y"},{"a":-2,"b":""}]}"#
        );
        assert_eq!(read(&named, "").unwrap(), r#"{"rows":[]}"#);
    }

    #[test]
    fn a_row_of_another_length_is_refused_with_its_place() {
        let named = Csv { separator: b',', columns: vec!["a".to_owned(), "b".to_owned()] };
        let error = read(&named, "1,2\n3\n").unwrap_err();
        assert_eq!(error.at, Some(4));
        assert!(error.what.contains("1 fields, 2 columns"), "{error}");
        let headed = Csv { separator: b',', columns: Vec::new() };
        assert!(csv(&headed, b"a,b\n\xff,1\n", &mut Vec::new()).is_err());
    }

    #[test]
    fn named_groups_become_members() {
        let pattern = Regex::new(r"^T=(?<temp>-?[\d.]+)C(?: RH=(?<rh>\d+))? (?<state>\w+)$").unwrap();
        let mut out = Vec::new();
        text(&pattern, b"T=-4.50C ok", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"temp":-4.50,"state":"ok"}"#);
        assert!(text(&pattern, b"hello", &mut Vec::new()).unwrap_err().what.contains("not found"));
        assert_eq!(text(&pattern, b"ab\xff", &mut Vec::new()).unwrap_err().at, Some(2));
    }
}
