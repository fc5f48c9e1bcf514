//! The document that binary and text codecs produce: one JSON text, written straight from the payload.
//!
//! There is one way to pick values (JSON paths), so every codec ends in JSON. Numbers are written as the device
//! means them: whole numbers exactly, decimals from their digits and exponent, never through a rounded double.

use std::fmt::Write as _;

use super::float::single;

/// A codec writes at most so many bytes for one payload.
pub const MOST_BYTES: usize = 1 << 20;
/// Objects and lists within one another.
pub const MOST_DEPTH: u8 = 32;

/// Why a payload cannot be read by its codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", .at.map(|at| format!("byte {at}: ")).unwrap_or_default())]
pub struct CodecError {
    /// Offset in the payload, from 0, where it is known.
    pub at: Option<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl CodecError {
    /// Something wrong at a known place.
    #[must_use]
    pub fn at(at: usize, what: impl Into<String>) -> Self {
        Self { at: Some(at), what: what.into() }
    }

    /// Something wrong with the payload as a whole.
    #[must_use]
    pub fn whole(what: impl Into<String>) -> Self {
        Self { at: None, what: what.into() }
    }
}

/// Writes one JSON value; the caller keeps objects and lists balanced.
#[derive(Debug)]
pub struct Document<'o> {
    out: &'o mut Vec<u8>,
    depth: u8,
    /// A value or a key was written since the last opening bracket.
    follows: bool,
    full: bool,
}

impl<'o> Document<'o> {
    /// Writes behind what `out` holds already.
    #[must_use]
    pub const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, depth: 0, follows: false, full: false }
    }

    /// Whether more was written than a document may hold; what follows is dropped.
    ///
    /// # Errors
    /// With the limit, once it is passed.
    pub fn check(&self) -> Result<(), CodecError> {
        match self.full {
            true => Err(CodecError::whole(format!(
                "more than {MOST_BYTES} bytes or {MOST_DEPTH} levels come of it"
            ))),
            false => Ok(()),
        }
    }

    /// Begins an object.
    pub fn begin_object(&mut self) {
        self.open(b'{');
    }

    /// Ends an object.
    pub fn end_object(&mut self) {
        self.close(b'}');
    }

    /// Begins a list.
    pub fn begin_list(&mut self) {
        self.open(b'[');
    }

    /// Ends a list.
    pub fn end_list(&mut self) {
        self.close(b']');
    }

    /// The name of the member that follows.
    pub fn key(&mut self, name: &str) {
        self.comma();
        self.quoted(name);
        self.push(b":");
        self.follows = false;
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.comma();
        self.quoted(text);
    }

    /// Bytes, in lower-case hexadecimal digits.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.comma();
        self.push(b"\"");
        for byte in bytes {
            self.formatted(format_args!("{byte:02x}"));
        }
        self.push(b"\"");
    }

    /// A whole number.
    pub fn whole(&mut self, number: i128) {
        self.comma();
        self.formatted(format_args!("{number}"));
    }

    /// A binary floating-point number, in the shortest digits that give it back; what is no number becomes the
    /// text `NaN`, `+INF` or `-INF`, which a profile names under `missing`.
    pub fn float(&mut self, number: f64) {
        match number {
            n if n.is_nan() => self.text("NaN"),
            n if n.is_infinite() => self.text(if n > 0.0 { "+INF" } else { "-INF" }),
            n => {
                self.comma();
                self.formatted(format_args!("{n}"));
            }
        }
    }

    /// A 32-bit floating-point number: 36.6 stays 36.6, and a whole number is exactly what was sent.
    pub fn float32(&mut self, number: f32) {
        self.float(single(number));
    }

    /// `mantissa` times ten to the power `exponent`, digit by digit.
    pub fn decimal(&mut self, mantissa: i64, exponent: i8) {
        self.comma();
        if exponent >= 0 {
            self.formatted(format_args!("{mantissa}"));
            if mantissa != 0 {
                (0..exponent).for_each(|_| self.push(b"0"));
            }
            return;
        }
        let decimals = usize::from(exponent.unsigned_abs());
        let digits = format!("{:0width$}", mantissa.unsigned_abs(), width = decimals + 1);
        let (whole, part) = digits.split_at(digits.len() - decimals);
        let part = part.trim_end_matches('0');
        let sign = if mantissa < 0 { "-" } else { "" };
        let point = if part.is_empty() { "" } else { "." };
        self.formatted(format_args!("{sign}{whole}{point}{part}"));
    }

    /// A number or another JSON value that the caller has checked to be one.
    pub fn verbatim(&mut self, json: &str) {
        self.comma();
        self.push(json.as_bytes());
    }

    /// Yes or no.
    pub fn flag(&mut self, flag: bool) {
        self.comma();
        self.push(if flag { b"true" } else { b"false" });
    }

    /// The sender says that there is nothing.
    pub fn null(&mut self) {
        self.comma();
        self.push(b"null");
    }

    fn open(&mut self, bracket: u8) {
        self.comma();
        self.push(&[bracket]);
        self.depth = self.depth.saturating_add(1);
        self.full |= self.depth > MOST_DEPTH;
        self.follows = false;
    }

    fn close(&mut self, bracket: u8) {
        self.push(&[bracket]);
        self.depth = self.depth.saturating_sub(1);
        self.follows = true;
    }

    fn comma(&mut self) {
        if self.follows {
            self.push(b",");
        }
        self.follows = true;
    }

    fn quoted(&mut self, text: &str) {
        self.push(b"\"");
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            let (plain, after) = rest.split_at(at);
            self.push(plain.as_bytes());
            let byte = after.as_bytes()[0];
            match byte {
                b'"' => self.push(b"\\\""),
                b'\\' => self.push(b"\\\\"),
                _ => self.formatted(format_args!("\\u{byte:04x}")),
            }
            rest = &after[1..];
        }
        self.push(rest.as_bytes());
        self.push(b"\"");
    }

    fn formatted(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a bounded sink that only remembers that it is full.
        let full = self.write_fmt(text).is_err();
        self.full |= full;
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.full || self.out.len() + bytes.len() > MOST_BYTES {
            self.full = true;
        } else {
            self.out.extend_from_slice(bytes);
        }
    }
}

impl std::fmt::Write for Document<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Whether a text is a number as JSON writes it, so that it can stand in a document with its own digits.
#[must_use]
pub fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    if whole == 0 || whole > 300 || (whole > 1 && rest.starts_with('0')) {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let part = digits(after);
        if part == 0 {
            return false;
        }
        rest = &after[part..];
    }
    let Some(after) = rest.strip_prefix(['e', 'E']) else { return rest.is_empty() };
    let after = after.strip_prefix(['+', '-']).unwrap_or(after);
    let exponent = digits(after);
    (1..=2).contains(&exponent) && exponent == after.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(build: impl FnOnce(&mut Document<'_>)) -> String {
        let mut out = Vec::new();
        let mut document = Document::new(&mut out);
        build(&mut document);
        document.check().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_json_that_another_reader_takes() {
        let text = written(|d| {
            d.begin_object();
            d.key("a\"\n\\");
            d.begin_list();
            d.whole(-3);
            d.flag(true);
            d.null();
            d.text("°C \u{1}");
            d.bytes(&[0, 255]);
            d.end_list();
            d.key("b");
            d.begin_object();
            d.end_object();
            d.key("c");
            d.float32(36.6);
            d.end_object();
        });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let wanted = serde_json::json!(
            {"a\"\n\\": [-3, true, null, "°C \u{1}", "00ff"], "b": {}, "c": 36.6}
        );
        assert_eq!(value, wanted);
    }

    #[test]
    fn decimals_keep_their_digits() {
        let cases = [
            (364, -1, "36.4"),
            (55, -4, "0.0055"),
            (720, -1, "72"),
            (-5, -1, "-0.5"),
            (12, 2, "1200"),
            (0, 5, "0"),
            (-7, 0, "-7"),
            (0, -3, "0"),
        ];
        for (mantissa, exponent, wanted) in cases {
            assert_eq!(written(|d| d.decimal(mantissa, exponent)), wanted);
        }
    }

    #[test]
    fn what_is_no_number_becomes_a_word() {
        assert_eq!(written(|d| d.float(f64::NAN)), "\"NaN\"");
        assert_eq!(written(|d| d.float(f64::NEG_INFINITY)), "\"-INF\"");
        assert_eq!(written(|d| d.float32(f32::INFINITY)), "\"+INF\"");
        assert_eq!(written(|d| d.float(1e21)), "1000000000000000000000");
        assert_eq!(written(|d| d.float32(1_763_699_968.0)), "1763699968");
    }

    #[test]
    fn the_limits_stop_it() {
        let mut out = Vec::new();
        let mut document = Document::new(&mut out);
        document.begin_list();
        (0..MOST_BYTES).for_each(|_| document.whole(1));
        assert!(document.check().is_err());
        assert!(out.len() <= MOST_BYTES);

        let mut out = Vec::new();
        let mut document = Document::new(&mut out);
        (0..=MOST_DEPTH).for_each(|_| document.begin_list());
        assert!(document.check().is_err());
    }

    #[test]
    fn numbers_are_told_from_other_texts() {
        for yes in ["0", "-1", "12.50", "1e3", "0.1E-2"] {
            assert!(is_number(yes), "{yes}");
        }
        for no in ["", "-", "01", "1.", ".5", "+1", "1e", "NaN", "0x1", "1 ", "1e999", "１"] {
            assert!(!is_number(no), "{no}");
        }
    }
}
