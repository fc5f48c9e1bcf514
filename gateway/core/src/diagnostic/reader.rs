//! Reads a TOML text strictly: every key must be known and of the right type, and all mistakes are collected.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Diagnostic, Lines, nearest};

/// Reads a TOML text with `build`, which takes what it knows from the root section.
///
/// Keys that nobody asked for are mistakes. The result is there only when there was no mistake at all.
///
/// # Errors
/// Every mistake of the text in order of place; never an empty list.
pub fn read<T>(
    file: &str,
    text: &str,
    build: impl FnOnce(&Section<'_, '_>) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    let report = Report { file, lines: Lines::new(text), found: RefCell::default() };
    let (document, errors) = DeTable::parse_recoverable(text);
    // What a parser says after its first complaint is mostly about its own recovery.
    for error in errors.into_iter().take(1) {
        report.add(error.span().unwrap_or(0..0).start, String::new(), error.message().to_owned(), None);
    }
    // After a syntax error the recovered keys would only raise follow-up complaints.
    let built = if report.found.borrow().is_empty() {
        build(&Section {
            report: &report,
            path: String::new(),
            span: document.span(),
            table: document.get_ref(),
            asked: RefCell::default(),
        })
    } else {
        None
    };
    let mut found = report.found.into_inner();
    found.sort_by(|a, b| (a.line, a.column, &a.key).cmp(&(b.line, b.column, &b.key)));
    found.dedup();
    match built {
        Some(built) if found.is_empty() => Ok(built),
        _ if found.is_empty() => Err(vec![Diagnostic {
            file: file.to_owned(),
            line: 1,
            column: 1,
            key: String::new(),
            message: "the text cannot be used".to_owned(),
            hint: None,
        }]),
        _ => Err(found),
    }
}

/// Collects the mistakes of one text.
#[derive(Debug)]
pub(super) struct Report<'r> {
    file: &'r str,
    lines: Lines<'r>,
    found: RefCell<Vec<Diagnostic>>,
}

impl Report<'_> {
    fn add(&self, offset: usize, key: String, message: String, hint: Option<String>) {
        let (line, column) = self.lines.place(offset);
        self.found.borrow_mut().push(Diagnostic {
            file: self.file.to_owned(),
            line,
            column,
            key,
            message,
            hint,
        });
    }
}

/// One table of the text. When it is dropped, keys that nobody asked for are reported.
#[derive(Debug)]
pub struct Section<'r, 'i> {
    pub(super) report: &'r Report<'r>,
    pub(super) path: String,
    pub(super) span: Range<usize>,
    pub(super) table: &'r DeTable<'i>,
    pub(super) asked: RefCell<Vec<String>>,
}

impl<'r, 'i> Section<'r, 'i> {
    /// Whether the key is there, whatever its type. It counts as known from here on.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.asked.borrow_mut().push(key.to_owned());
        self.table.contains_key(key)
    }

    /// Whether nothing has been found wrong so far in the whole text.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.report.found.borrow().is_empty()
    }

    /// The keys of the table in the order of the text; all count as known from here on.
    #[must_use]
    pub fn keys(&self) -> Vec<&'r str> {
        let mut keys: Vec<_> =
            self.table.keys().map(|key| (key.span().start, key.get_ref().as_ref())).collect();
        keys.sort_unstable();
        self.asked.borrow_mut().extend(keys.iter().map(|(_, key)| (*key).to_owned()));
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// Reports a mistake about a key; it points at the value, or at the table when the key is not there.
    pub fn wrong(&self, key: &str, message: impl Into<String>, hint: Option<String>) {
        let offset = self.table.get(key).map_or(self.span.start, |value| value.span().start);
        self.report.add(offset, self.dotted(key), message.into(), hint);
    }

    /// Reports a mistake at a byte of the text that a key holds.
    pub fn wrong_within(&self, key: &str, at: usize, message: impl Into<String>) {
        let span = self.table.get(key).map_or(self.span.clone(), Spanned::span);
        let text = self.table.get(key).and_then(|value| value.get_ref().as_str()).unwrap_or("");
        // With escapes or triple quotes the bytes of the value are not those of the file.
        let plain = span.len() == text.len() + 2;
        let offset = if plain { span.start + 1 + at } else { span.start };
        self.report.add(offset, self.dotted(key), message.into(), None);
    }

    /// Reports a mistake about the table as a whole.
    pub fn wrong_here(&self, message: impl Into<String>, hint: Option<String>) {
        self.report.add(self.span.start, self.path.clone(), message.into(), hint);
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<&'r str> {
        match self.get(key)? {
            DeValue::String(text) => Some(text.as_ref()),
            other => self.mistyped(key, other, "a text in quotes"),
        }
    }

    /// A text that must be there.
    pub fn need_text(&self, key: &str) -> Option<&'r str> {
        self.need(key)?;
        self.text(key)
    }

    /// A text that must parse.
    pub fn parsed<T, E: std::fmt::Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&'r str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.text(key)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(key, error.to_string(), None);
                None
            }
        }
    }

    /// A text that must be one of a list; gives its place in the list.
    pub fn choice(&self, key: &str, choices: &[&str]) -> Option<usize> {
        let text = self.text(key)?;
        let found = choices.iter().position(|choice| *choice == text);
        if found.is_none() {
            let hint = nearest(text, choices.iter().copied()).map(|near| format!("did you mean {near:?}?"));
            self.wrong(key, format!("{text:?} is not one of {}", choices.join(", ")), hint);
        }
        found
    }

    /// A duration such as `5min`, in milliseconds.
    pub fn millis(&self, key: &str) -> Option<u64> {
        self.parsed(key, crate::duration::parse_millis)
    }

    /// A finite number, written as integer or float.
    pub fn number(&self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        self.as_number(key, value)
    }

    /// A whole number.
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) => Some(n),
                Err(_) => {
                    self.wrong(key, "the number is too large", None);
                    None
                }
            },
            other => self.mistyped(key, other, "a whole number"),
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            DeValue::Boolean(flag) => Some(*flag),
            other => self.mistyped(key, other, "true or false"),
        }
    }

    /// A list of numbers.
    pub fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        self.list(key)?.into_iter().map(|item| self.as_number(key, item)).collect()
    }

    /// A list of whole numbers, in any of the ways TOML writes them (`[1, 0x2f]`).
    pub fn integers(&self, key: &str) -> Option<Vec<i64>> {
        self.list(key)?
            .into_iter()
            .map(|item| match item {
                DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
                _ => None,
            })
            .collect::<Option<_>>()
            .or_else(|| {
                self.wrong(key, "expected a list of whole numbers", None);
                None
            })
    }

    /// A list of texts.
    pub fn texts(&self, key: &str) -> Option<Vec<&'r str>> {
        let items = self.list(key)?;
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                DeValue::String(text) => texts.push(text.as_ref()),
                other => return self.mistyped(key, other, "a list of texts"),
            }
        }
        Some(texts)
    }

    /// A list of scalars as a person wrote them: texts as they are, numbers and flags in their own words.
    pub fn words(&self, key: &str) -> Option<Vec<String>> {
        let items = self.list(key)?;
        let mut words = Vec::with_capacity(items.len());
        for item in items {
            match word(item) {
                Some(word) => words.push(word),
                None => return self.mistyped(key, item, "a list of texts or numbers"),
            }
        }
        Some(words)
    }

    /// A scalar as a person wrote it.
    pub fn word(&self, key: &str) -> Option<String> {
        let value = self.get(key)?;
        word(value).or_else(|| self.mistyped(key, value, "a text, a number, true or false"))
    }

    /// A scalar as a person wrote it, when the key is there at all.
    pub fn word_if(&self, key: &str) -> Option<String> {
        if self.has(key) { self.word(key) } else { None }
    }

    /// One table or a list of tables.
    pub fn section_list(&self, key: &str) -> Vec<Section<'r, 'i>> {
        if self.is_section(key) { self.section(key).into_iter().collect() } else { self.sections(key) }
    }

    /// Whether the key holds a list.
    #[must_use]
    pub fn is_list(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_array())
    }

    /// Whether the key holds a table.
    #[must_use]
    pub fn is_section(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// Whether the key holds a text.
    #[must_use]
    pub fn is_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_str())
    }

    /// A table below this one.
    pub fn section(&self, key: &str) -> Option<Section<'r, 'i>> {
        let value = self.spanned(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.below(self.dotted(key), value.span(), table)),
            other => self.mistyped(key, other, "a table"),
        }
    }

    /// A table below this one that must be there.
    pub fn need_section(&self, key: &str) -> Option<Section<'r, 'i>> {
        self.need(key)?;
        self.section(key)
    }

    /// A list of tables (`[[key]]`); empty when it is not there.
    pub fn sections(&self, key: &str) -> Vec<Section<'r, 'i>> {
        let Some(value) = self.spanned(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.mistyped::<()>(key, value.get_ref(), "a list of tables, each begun with [[...]]");
            return Vec::new();
        };
        let mut found = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            let path = format!("{}[{n}]", self.dotted(key));
            match item.get_ref() {
                DeValue::Table(table) => found.push(self.below(path, item.span(), table)),
                other => self.report.add(
                    item.span().start,
                    path,
                    format!("expected a table, found {}", name_of(other)),
                    None,
                ),
            }
        }
        found
    }

    fn below(&self, path: String, span: Range<usize>, table: &'r DeTable<'i>) -> Section<'r, 'i> {
        Section { report: self.report, path, span, table, asked: RefCell::default() }
    }

    fn need(&self, key: &str) -> Option<()> {
        if self.has(key) {
            return Some(());
        }
        self.wrong(key, format!("the key {key:?} is missing"), None);
        None
    }

    fn spanned(&self, key: &str) -> Option<&'r Spanned<DeValue<'i>>> {
        self.asked.borrow_mut().push(key.to_owned());
        self.table.get(key)
    }

    fn get(&self, key: &str) -> Option<&'r DeValue<'i>> {
        self.spanned(key).map(Spanned::get_ref)
    }

    fn list(&self, key: &str) -> Option<Vec<&'r DeValue<'i>>> {
        match self.get(key)? {
            DeValue::Array(items) => Some(items.iter().map(Spanned::get_ref).collect()),
            other => self.mistyped(key, other, "a list in [ ]"),
        }
    }

    fn as_number(&self, key: &str, value: &DeValue<'_>) -> Option<f64> {
        let number = match value {
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
            DeValue::Float(n) => n.as_str().parse::<f64>().ok(),
            other => return self.mistyped(key, other, "a number"),
        };
        let finite = number.filter(|n| n.is_finite());
        if finite.is_none() {
            self.wrong(key, "the number is too large or not a number", None);
        }
        finite
    }

    fn mistyped<T>(&self, key: &str, found: &DeValue<'_>, wanted: &str) -> Option<T> {
        self.wrong(key, format!("expected {wanted}, found {}", name_of(found)), None);
        None
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Drop for Section<'_, '_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if asked.iter().any(|known| known == name) {
                continue;
            }
            let hint = match nearest(name, asked.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}?"),
                None => {
                    let mut known: Vec<_> = asked.iter().map(String::as_str).collect();
                    known.sort_unstable();
                    known.dedup();
                    if known.is_empty() {
                        known.push("nothing");
                    }
                    format!("known here: {}", known.join(", "))
                }
            };
            self.report.add(key.span().start, self.dotted(name), format!("unknown key {name:?}"), Some(hint));
        }
    }
}

fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(n) => Some(n.as_str().to_owned()),
        DeValue::Float(n) => Some(n.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn name_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_every_mistake_with_place_and_hint() {
        let text = "[link]\nhost = 5\nprot = 3\nevery = \"5m\"\nmode = \"fats\"\n";
        let found = read("a.toml", text, |root| {
            let link = root.section("link")?;
            link.text("host");
            link.integer("port");
            link.millis("every");
            link.choice("mode", &["fast", "slow"]);
            link.need_text("name");
            Some(())
        })
        .unwrap_err();
        let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.toml:1:1: link.name: the key \"name\" is missing",
                "a.toml:2:8: link.host: expected a text in quotes, found a whole number",
                "a.toml:3:1: link.prot: unknown key \"prot\" (did you mean \"port\"?)",
                "a.toml:4:9: link.every: \"5m\" is not a duration; write for instance \"30s\", \"5min\", \"1h\" or \"3d\"",
                "a.toml:5:8: link.mode: \"fats\" is not one of fast, slow (did you mean \"fast\"?)",
            ]
        );
    }

    #[test]
    fn shows_where_the_text_is_no_toml() {
        let found = read("b.toml", "a = 1\nb = = 2\n", |_| Some(())).unwrap_err();
        assert_eq!((found[0].line, found[0].file.as_str()), (2, "b.toml"));
    }

    #[test]
    fn gives_the_result_when_there_is_no_mistake() {
        let got = read("c.toml", "[[x]]\nn = 1\n[[x]]\nn = 2.5\n", |root| {
            root.sections("x").iter().map(|x| x.number("n")).collect::<Option<Vec<_>>>()
        });
        assert_eq!(got, Ok(vec![1.0, 2.5]));
    }
}
