//! The scanner: walks a JSON text once, checks all of it and notes the wanted values.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::pick::Node;
use super::{Limits, Malformed};
use crate::codec::Sent;

/// Longest run of digits whose value certainly fits in a double.
const SAFE_NUMBER_BYTES: usize = 300;

pub(super) struct Scan<'a, 'p> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u8,
    fields: u32,
    limits: Limits,
    nodes: &'p [Node],
    /// Keys of the objects that are open, innermost last; to see a key that comes twice.
    keys: SmallVec<[Cow<'a, str>; 24]>,
    picked: &'p mut [Sent<'a>],
}

/// A string between its quotes; escapes are checked but not yet resolved.
struct Quoted<'a> {
    inner: &'a str,
    escaped: bool,
}

impl<'a> Quoted<'a> {
    fn resolve(&self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.inner)) } else { Cow::Borrowed(self.inner) }
    }
}

type Step<T> = Result<T, Malformed>;

impl<'a, 'p> Scan<'a, 'p> {
    pub(super) fn new(text: &'a str, limits: Limits, nodes: &'p [Node], picked: &'p mut [Sent<'a>]) -> Self {
        let bytes = text.as_bytes();
        Self { text, bytes, at: 0, depth: 0, fields: 0, limits, nodes, keys: SmallVec::new(), picked }
    }

    /// Walks the whole text.
    pub(super) fn run(mut self) -> Step<()> {
        self.space();
        self.value(Some(0))?;
        self.space();
        if self.at < self.bytes.len() {
            self.fail("something follows after the end of the value")
        } else {
            Ok(())
        }
    }

    fn fail<T>(&self, what: impl Into<Cow<'static, str>>) -> Step<T> {
        Err(Malformed { at: self.at, what: what.into() })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, node: Option<u16>) -> Step<()> {
        let sent = match self.peek() {
            Some(b'{') => {
                self.object(node)?;
                Sent::Structure("an object")
            }
            Some(b'[') => {
                self.list(node)?;
                Sent::Structure("a list")
            }
            Some(b'"') => {
                let quoted = self.string()?;
                if !self.wants(node) {
                    return Ok(());
                }
                Sent::Text(quoted.resolve())
            }
            Some(b'-' | b'0'..=b'9') => Sent::Digits(Cow::Borrowed(self.number()?)),
            Some(b't') => self.word("true", Sent::Flag(true))?,
            Some(b'f') => self.word("false", Sent::Flag(false))?,
            Some(b'n') => self.word("null", Sent::Null)?,
            Some(b'N' | b'I') => return self.fail("NaN and Infinity are not JSON"),
            Some(_) => return self.fail("expected a value"),
            None => return self.fail("the payload ends where a value is expected"),
        };
        self.note(node, sent);
        Ok(())
    }

    fn wants(&self, node: Option<u16>) -> bool {
        node.is_some_and(|node| !self.nodes[usize::from(node)].slots.is_empty())
    }

    fn note(&mut self, node: Option<u16>, sent: Sent<'a>) {
        let Some(node) = node else { return };
        for slot in &self.nodes[usize::from(node)].slots {
            self.picked[usize::from(*slot)] = sent.clone();
        }
    }

    fn word(&mut self, word: &'static str, sent: Sent<'a>) -> Step<Sent<'a>> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(sent)
    }

    fn enter(&mut self) -> Step<()> {
        if self.depth >= self.limits.depth {
            return self
                .fail(format!("more than {} objects and lists within one another", self.limits.depth));
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        Ok(())
    }

    fn count(&mut self) -> Step<()> {
        self.fields += 1;
        if self.fields > self.limits.fields {
            return self.fail(format!("more than {} fields", self.limits.fields));
        }
        Ok(())
    }

    /// After a field or item: whether another one follows.
    fn another(&mut self, end: u8) -> Step<bool> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(_) => self.fail(format!("expected ',' or '{}'", char::from(end))),
            None => self.fail(format!("the payload ends before '{}'", char::from(end))),
        }
    }

    fn object(&mut self, node: Option<u16>) -> Step<()> {
        self.enter()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        let outer = self.keys.len();
        let mut seen = 0_u64;
        let mut next_child = 0;
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("expected a key in quotes");
            }
            let begin = self.at;
            let key = self.string()?.resolve();
            self.count()?;
            // One bit per rough hash: only keys whose bit is taken are compared with those before.
            let bit = rough_hash(key.as_bytes());
            if seen & bit != 0 && self.keys[outer..].contains(&key) {
                self.at = begin;
                return self.fail(format!("the key {:?} comes twice in one object", crate::codec::cut(&key)));
            }
            seen |= bit;
            self.space();
            if self.peek() != Some(b':') {
                return self.fail("expected ':' after the key");
            }
            self.at += 1;
            self.space();
            let child = node.and_then(|node| self.nodes[usize::from(node)].child(&key, &mut next_child));
            self.keys.push(key);
            self.value(child)?;
            if !self.another(b'}')? {
                break;
            }
        }
        self.keys.truncate(outer);
        Ok(())
    }

    fn list(&mut self, node: Option<u16>) -> Step<()> {
        self.enter()?;
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        let mut index = 0;
        loop {
            self.count()?;
            let child = node.and_then(|node| self.nodes[usize::from(node)].item(index));
            self.value(child)?;
            index += 1;
            if !self.another(b']')? {
                return Ok(());
            }
        }
    }

    fn string(&mut self) -> Step<Quoted<'a>> {
        let begin = self.at + 1;
        let mut escaped = false;
        self.at = begin;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let inner = &self.text[begin..self.at];
                    self.at += 1;
                    return Ok(Quoted { inner, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..0x20) => return self.fail("a control character in a string must be escaped"),
                Some(_) => self.at += 1,
                None => return self.fail("the payload ends within a string"),
            }
        }
    }

    fn escape(&mut self) -> Step<()> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let first = self.hex()?;
                match first {
                    0xD800..0xDC00 => {
                        let pair = self.bytes[self.at..].starts_with(b"\\u")
                            && (0xDC00..0xE000).contains(&self.hex()?);
                        if !pair {
                            return self.fail("half of a surrogate pair");
                        }
                    }
                    0xDC00..0xE000 => return self.fail("half of a surrogate pair"),
                    _ => {}
                }
            }
            _ => return self.fail("unknown escape in a string"),
        }
        Ok(())
    }

    fn hex(&mut self) -> Step<u16> {
        let digits = self.bytes.get(self.at + 2..self.at + 6).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(value) =
            digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u16::from_str_radix(d, 16).ok())
        else {
            return self.fail("\\u must be followed by four hexadecimal digits");
        };
        self.at += 6;
        Ok(value)
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - begin
    }

    fn number(&mut self) -> Step<&'a str> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => _ = self.digits(),
            Some(b'I') => return self.fail("NaN and Infinity are not JSON"),
            _ => return self.fail("expected a digit"),
        }
        let mut exponent = false;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.fail("expected a digit after the point");
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            exponent = true;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.fail("expected a digit in the exponent");
            }
        }
        let text = &self.text[begin..self.at];
        if (exponent || text.len() > SAFE_NUMBER_BYTES) && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            self.at = begin;
            return self.fail("the number is too large");
        }
        Ok(text)
    }
}

fn rough_hash(key: &[u8]) -> u64 {
    let ends = match key {
        [] => 0,
        [one] => usize::from(*one),
        [first, .., last] => {
            usize::from(*first) + 5 * usize::from(*last) + 11 * usize::from(key[key.len() / 2])
        }
    };
    1 << ((ends + 3 * key.len()) % 64)
}

/// Resolves escapes that [`Scan::string`] has checked.
fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (c, used) = match after.as_bytes().first() {
            Some(b'b') => ('\u{8}', 1),
            Some(b'f') => ('\u{c}', 1),
            Some(b'n') => ('\n', 1),
            Some(b'r') => ('\r', 1),
            Some(b't') => ('\t', 1),
            Some(b'u') => unicode(after),
            Some(other) => (char::from(*other), 1),
            None => break,
        };
        out.push(c);
        rest = &after[used..];
    }
    out.push_str(rest);
    out
}

fn unicode(after: &str) -> (char, usize) {
    let unit =
        |range: std::ops::Range<usize>| after.get(range).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let first = unit(1..5).unwrap_or(0xFFFD);
    match (first, unit(7..11)) {
        (0xD800..0xDC00, Some(second)) => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (second & 0x3FF);
            (char::from_u32(code).unwrap_or('\u{FFFD}'), 11)
        }
        _ => (char::from_u32(first).unwrap_or('\u{FFFD}'), 5),
    }
}
