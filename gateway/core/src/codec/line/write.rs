//! The writer: appends whole lines to a buffer, or nothing.

use super::Field;

/// Why a line cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A text holds a control character (a line end would forge a second line).
    #[error("{place} holds a control character: {text:?}")]
    Control {
        /// Where.
        place: &'static str,
        /// The text, cut to 64 bytes.
        text: String,
    },
    /// NaN and infinities cannot be written.
    #[error("field {0:?} is not a finite number")]
    NotFinite(String),
    /// A measurement, key or tag without a name.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A measurement that begins with `#` would be read as a comment.
    #[error("measurement {0:?} begins with #, which makes the line a comment")]
    Comment(String),
    /// A line without a field says nothing.
    #[error("the line has no field")]
    NoField,
}

/// Writes one line at the end of a buffer. If anything is refused, or the line is not finished, the buffer
/// is left as it was.
#[derive(Debug)]
pub struct LineWriter<'b> {
    out: &'b mut Vec<u8>,
    begin: usize,
    fields: usize,
    error: Option<WriteError>,
    finished: bool,
}

impl<'b> LineWriter<'b> {
    /// Begins a line.
    pub fn new(out: &'b mut Vec<u8>, measurement: &str) -> Self {
        let begin = out.len();
        let mut line = Self { out, begin, fields: 0, error: None, finished: false };
        if measurement.starts_with('#') {
            line.refuse(WriteError::Comment(crate::codec::cut(measurement).to_owned()));
        }
        line.name(measurement, "the measurement", b", \\");
        line
    }

    /// Adds a tag; one without a value is left out. Tags come before the first field.
    pub fn tag(&mut self, key: &str, value: &str) -> &mut Self {
        debug_assert_eq!(self.fields, 0, "tags come before fields");
        if !value.is_empty() {
            self.out.push(b',');
            self.name(key, "a tag key", b",= \\");
            self.out.push(b'=');
            self.name(value, "a tag value", b",= \\");
        }
        self
    }

    /// Adds a field of any type.
    pub fn field(&mut self, key: &str, value: &Field<'_>) -> &mut Self {
        match value {
            Field::Float(n) => self.float(key, *n),
            Field::Integer(n) => self.integer(key, *n),
            Field::Unsigned(n) => self.unsigned(key, *n),
            Field::Flag(flag) => self.flag(key, *flag),
            Field::Text(text) => self.text(key, text),
        }
    }

    /// Adds a number.
    pub fn float(&mut self, key: &str, value: f64) -> &mut Self {
        self.key(key);
        if !value.is_finite() {
            self.refuse(WriteError::NotFinite(crate::codec::cut(key).to_owned()));
        } else if !self.short_float(value) {
            self.out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        }
        self
    }

    /// Adds a whole number.
    pub fn integer(&mut self, key: &str, value: i64) -> &mut Self {
        self.key(key);
        self.digits(value.unsigned_abs(), value < 0);
        self.out.push(b'i');
        self
    }

    /// Adds a whole number from 0.
    pub fn unsigned(&mut self, key: &str, value: u64) -> &mut Self {
        self.key(key);
        self.digits(value, false);
        self.out.push(b'u');
        self
    }

    /// Adds a yes or no.
    pub fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        self.out.push(b'"');
        self.escaped(value, "a text", b"\"\\");
        self.out.push(b'"');
        self
    }

    /// Ends the line with its time in nanoseconds.
    ///
    /// # Errors
    /// The first thing that was refused; the buffer is then as it was before the line.
    pub fn finish(mut self, time_ns: Option<i64>) -> Result<(), WriteError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.fields == 0 {
            return Err(WriteError::NoField);
        }
        if let Some(ns) = time_ns {
            self.out.push(b' ');
            self.digits(ns.unsigned_abs(), ns < 0);
        }
        self.out.push(b'\n');
        self.finished = true;
        Ok(())
    }

    fn key(&mut self, key: &str) {
        self.out.push(if self.fields == 0 { b' ' } else { b',' });
        self.fields += 1;
        self.name(key, "a field key", b",= \\");
        self.out.push(b'=');
    }

    fn name(&mut self, text: &str, place: &'static str, special: &[u8]) {
        if text.is_empty() {
            self.refuse(WriteError::Empty(place));
        }
        self.escaped(text, place, special);
    }

    fn escaped(&mut self, text: &str, place: &'static str, special: &[u8]) {
        // Names of ours are of this kind.
        if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':')) {
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        // U+0080..U+009F are control characters too; no store reads them as line ends, so bytes are enough.
        if text.bytes().any(|b| b < 0x20 || b == 0x7F) {
            self.refuse(WriteError::Control { place, text: crate::codec::cut(text).to_owned() });
            return;
        }
        if !text.bytes().any(|b| special.contains(&b)) {
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        for byte in text.bytes() {
            if special.contains(&byte) {
                self.out.push(b'\\');
            }
            self.out.push(byte);
        }
    }

    /// Writes a decimal of at most two places, which is nearly every number; `false`: it is none.
    ///
    /// It is the shortest text that gives the number back, just as the general way finds it.
    fn short_float(&mut self, value: f64) -> bool {
        for (places, power) in [(0, 1_u64), (1, 10), (2, 100)] {
            let shifted = value.abs() * power as f64;
            if shifted >= 1e12 {
                return false;
            }
            let whole = (shifted + 0.5) as u64;
            if (whole as f64 / power as f64).to_bits() == value.abs().to_bits() {
                self.digits(whole / power, value.is_sign_negative());
                self.out.push(b'.');
                let rest = whole % power;
                if places == 2 && rest < 10 {
                    self.out.push(b'0');
                }
                self.digits(rest, false);
                return true;
            }
        }
        false
    }

    fn digits(&mut self, mut n: u64, negative: bool) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(n % 10).unwrap_or(0);
            n /= 10;
            if n == 0 {
                break;
            }
        }
        if negative {
            self.out.push(b'-');
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    fn refuse(&mut self, error: WriteError) {
        self.error.get_or_insert(error);
    }
}

impl Drop for LineWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.begin);
        }
    }
}
