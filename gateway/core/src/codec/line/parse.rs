//! The parser.

use std::borrow::Cow;

use super::{Field, Line, LineError, Precision};

/// How many mistakes are told before the rest of a text is left unread.
const MAX_ERRORS: usize = 20;
/// Tags or fields of one line.
const MAX_PAIRS: usize = 1_024;

/// Reads a payload. Empty lines and lines that begin with `#` are skipped.
///
/// # Errors
/// The mistakes by line, at most 20; never an empty list.
pub fn parse(payload: &[u8], precision: Precision) -> Result<Vec<Line<'_>>, Vec<LineError>> {
    match std::str::from_utf8(payload) {
        Ok(text) => parse_text(text, precision),
        Err(error) => {
            let line = 1 + payload[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            Err(vec![LineError { line, what: "the text is not UTF-8".to_owned() }])
        }
    }
}

/// Reads a text; see [`parse`].
///
/// # Errors
/// As [`parse`].
pub fn parse_text(text: &str, precision: Precision) -> Result<Vec<Line<'_>>, Vec<LineError>> {
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    let mut cursor = Cursor { text, at: 0, line: 1 };
    while cursor.skip_to_content() {
        let (begin, number) = (cursor.at, cursor.line);
        match cursor.line(precision) {
            Ok(mut line) => {
                line.raw = text[begin..cursor.at].trim_end();
                line.number = number;
                lines.push(line);
            }
            Err(what) => {
                errors.push(LineError { line: number, what });
                if errors.len() == MAX_ERRORS {
                    break;
                }
                // A quote that is never closed swallows lines; go on behind the one where it began.
                (cursor.at, cursor.line) = (begin, number);
                cursor.skip_line();
            }
        }
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over empty lines and comments; `false` at the end of the text.
    fn skip_to_content(&mut self) -> bool {
        loop {
            match self.peek() {
                None => return false,
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\n') => {
                    self.at += 1;
                    self.line += 1;
                }
                Some(b'#') => self.skip_line(),
                Some(_) => return true,
            }
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|b| b != b'\n') {
            self.at += 1;
        }
    }

    fn line(&mut self, precision: Precision) -> Result<Line<'a>, String> {
        let measurement = self.name("the measurement", b", ")?;
        let mut tags: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        while self.peek() == Some(b',') {
            self.at += 1;
            let key = self.name("a tag key", b"=, ")?;
            self.expect_equals("tag", &key)?;
            let value = self.name(&format!("the value of tag {key:?}"), b", =")?;
            if self.peek() == Some(b'=') {
                return Err(format!("tag {key:?}: '=' in a value must be written as \\="));
            }
            if tags.len() >= MAX_PAIRS {
                return Err(format!("more than {MAX_PAIRS} tags"));
            }
            if tags.iter().any(|(known, _)| *known == key) {
                return Err(format!("tag {key:?} comes twice"));
            }
            tags.push((key, value));
        }
        self.blanks();
        let fields = self.fields()?;
        let had_blank = self.blanks();
        let time_ns = self.time(precision, had_blank)?;
        Ok(Line { measurement, tags, fields, time_ns, raw: "", number: 0 })
    }

    fn fields(&mut self) -> Result<Vec<(Cow<'a, str>, Field<'a>)>, String> {
        if matches!(self.peek(), None | Some(b'\n')) {
            return Err("there is no field; expected measurement,tag=value field=1.5 time".to_owned());
        }
        let mut fields: Vec<(Cow<'a, str>, Field<'a>)> = Vec::with_capacity(4);
        loop {
            let key = self.name("a field key", b"=, ")?;
            self.expect_equals("field", &key)?;
            let value = self.field_value().map_err(|what| format!("field {key:?}: {what}"))?;
            if fields.len() >= MAX_PAIRS {
                return Err(format!("more than {MAX_PAIRS} fields"));
            }
            if fields.iter().any(|(known, _)| *known == key) {
                return Err(format!("field {key:?} comes twice"));
            }
            fields.push((key, value));
            if self.peek() != Some(b',') {
                return Ok(fields);
            }
            self.at += 1;
        }
    }

    fn expect_equals(&mut self, what: &str, key: &str) -> Result<(), String> {
        if self.peek() != Some(b'=') {
            return Err(format!("{what} {key:?} has no value; expected {key}=..."));
        }
        self.at += 1;
        Ok(())
    }

    /// A name up to an unescaped byte of `ends`, or the end of the line.
    fn name(&mut self, what: &str, ends: &[u8]) -> Result<Cow<'a, str>, String> {
        let begin = self.at;
        let mut escaped = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\'
                    if matches!(self.text.as_bytes().get(self.at + 1), Some(b',' | b'=' | b' ' | b'\\')) =>
                {
                    escaped = true;
                    self.at += 2;
                }
                b'\n' => break,
                byte if ends.contains(&byte) => break,
                0..0x20 | 0x7F => {
                    if byte == b'\r' && self.text.as_bytes().get(self.at + 1) == Some(&b'\n') {
                        break;
                    }
                    return Err(format!("{what} holds a control character"));
                }
                _ => self.at += 1,
            }
        }
        let name = &self.text[begin..self.at];
        if name.is_empty() {
            return Err(format!("{what} is empty"));
        }
        Ok(if escaped { Cow::Owned(unescape(name, b",= \\")) } else { Cow::Borrowed(name) })
    }

    fn field_value(&mut self) -> Result<Field<'a>, String> {
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let begin = self.at;
        while self.peek().is_some_and(|b| !matches!(b, b',' | b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        let word = &self.text[begin..self.at];
        scalar(word).ok_or_else(|| match word {
            "" => "the value is empty".to_owned(),
            word => format!(
                "{:?} is no value; expected 1.5, 15i, 15u, true, false or a text in double quotes",
                crate::codec::cut(word)
            ),
        })
    }

    /// A text in quotes; it may hold line ends.
    fn quoted(&mut self) -> Result<Field<'a>, String> {
        self.at += 1;
        let begin = self.at;
        let mut escaped = false;
        let mut line_ends = 0;
        loop {
            match self.peek() {
                None => return Err("the closing quote is missing".to_owned()),
                Some(b'"') => break,
                Some(b'\\') if matches!(self.text.as_bytes().get(self.at + 1), Some(b'"' | b'\\')) => {
                    escaped = true;
                    self.at += 2;
                }
                Some(byte) => {
                    line_ends += usize::from(byte == b'\n');
                    self.at += 1;
                }
            }
        }
        let inner = &self.text[begin..self.at];
        self.at += 1;
        self.line += line_ends;
        Ok(Field::Text(if escaped { Cow::Owned(unescape(inner, b"\"\\")) } else { Cow::Borrowed(inner) }))
    }

    fn blanks(&mut self) -> bool {
        let begin = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
        self.at > begin
    }

    fn time(&mut self, precision: Precision, had_blank: bool) -> Result<Option<i64>, String> {
        let begin = self.at;
        while self.peek().is_some_and(|b| b != b'\n') {
            self.at += 1;
        }
        let word = self.text[begin..self.at].trim_end_matches([' ', '\t', '\r']);
        if word.is_empty() {
            return Ok(None);
        }
        if !had_blank {
            return Err(format!("{:?} follows directly after a value", crate::codec::cut(word)));
        }
        let whole = word.parse::<i64>().map_err(|_| {
            format!("{:?} is no time; expected a whole number since 1970", crate::codec::cut(word))
        })?;
        match whole.checked_mul(precision.nanos()) {
            Some(ns) => Ok(Some(ns)),
            None => Err(format!("the time {whole} is too large for the precision of the request")),
        }
    }
}

fn scalar(word: &str) -> Option<Field<'static>> {
    match word {
        "t" | "T" | "true" | "True" | "TRUE" => return Some(Field::Flag(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Some(Field::Flag(false)),
        _ => {}
    }
    // Rust also reads "inf", "nan" and "infinity"; a number must begin like one.
    let first = word.trim_start_matches(['+', '-']).bytes().next()?;
    if !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    if let Some(digits) = word.strip_suffix('i') {
        return digits.parse().ok().map(Field::Integer);
    }
    if let Some(digits) = word.strip_suffix('u') {
        return digits.parse().ok().map(Field::Unsigned);
    }
    word.parse().ok().filter(|n: &f64| n.is_finite()).map(Field::Float)
}

fn unescape(text: &str, escapable: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes().get(at + 1) {
            Some(next) if escapable.contains(next) => {
                out.push(char::from(*next));
                rest = &rest[at + 2..];
            }
            _ => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}
