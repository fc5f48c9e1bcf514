//! A second, deliberately plain reader of line protocol: the testkit must not judge our writer by our own parser.

use std::collections::BTreeMap;

/// What tells one point from another in a store: a second line with the same key overwrites fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointKey {
    /// The measurement.
    pub measurement: String,
    /// The tags, sorted by key.
    pub tags: BTreeMap<String, String>,
    /// Nanoseconds since 1970.
    pub ns: i64,
}

/// The value of one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A float.
    Float(f64),
    /// A signed integer (`1i`).
    Int(i64),
    /// An unsigned integer (`1u`).
    UInt(u64),
    /// A truth value.
    Bool(bool),
    /// A quoted text.
    Text(String),
}

/// The fields of one point, by name.
pub type Fields = BTreeMap<String, Field>;

/// One line as the store understood it: its text, and the point or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The text of the line without its end.
    pub text: String,
    /// The point, or what is wrong.
    pub point: Result<(PointKey, Fields), String>,
}

/// Reads a whole body. `unit` is the number of nanoseconds of one step of the timestamps.
#[must_use]
pub fn read_body(body: &str, unit: i64) -> Vec<Line> {
    split(body)
        .into_iter()
        .filter(|text| !text.is_empty() && !text.starts_with('#'))
        .map(|text| Line { text: text.to_owned(), point: read_line(text, unit) })
        .collect()
}

/// Cuts at line ends, except inside a quoted field: a store keeps those as part of the text.
fn split(body: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut spaces, mut quoted, mut escaped) = (0, 0, false, false);
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if spaces == 1 => quoted = !quoted,
            ' ' if !quoted => spaces += 1,
            '\n' if !quoted => {
                lines.push(&body[start..at]);
                (start, spaces) = (at + 1, 0);
            }
            _ => {}
        }
    }
    lines.push(&body[start..]);
    lines
}

fn read_line(line: &str, unit: i64) -> Result<(PointKey, Fields), String> {
    let parts = cut(line, ' ', true);
    let (head, fields, time) = match parts.as_slice() {
        [head, fields, time] => (head, fields, time),
        [_, _] => return Err("a timestamp is missing".to_owned()),
        other => return Err(format!("{} parts instead of three", other.len())),
    };
    let mut names = cut(head, ',', false).into_iter();
    let measurement = plain(names.next().unwrap_or_default(), "measurement")?;
    let mut tags = BTreeMap::new();
    for tag in names {
        let (key, value) = pair(tag)?;
        if tags.insert(plain(key, "tag key")?, plain(value, "tag value")?).is_some() {
            return Err(format!("tag {key} twice"));
        }
    }
    let mut read = Fields::new();
    for field in cut(fields, ',', true) {
        let (key, value) = pair(field)?;
        read.insert(plain(key, "field key")?, read_field(value)?);
    }
    let ns =
        time.parse::<i64>().ok().and_then(|t| t.checked_mul(unit)).ok_or("the timestamp is not a number")?;
    Ok((PointKey { measurement, tags, ns }, read))
}

/// Cuts at an unescaped separator; with `quotes`, not inside quoted text.
fn cut(text: &str, separator: char, quotes: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if quotes => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn pair(text: &str) -> Result<(&str, &str), String> {
    match cut(text, '=', true).as_slice() {
        [key, value] => Ok((key, value)),
        _ => Err(format!("{text:?} is not key=value")),
    }
}

/// Takes the escapes away; refuses what no store can hold in a name.
fn plain(text: &str, what: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("empty {what}"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("control character in the {what}"));
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next)) if ", =".contains(next) => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

fn read_field(text: &str) -> Result<Field, String> {
    if let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        let mut out = String::new();
        let mut chars = inner.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, chars.peek()) {
                ('\\', Some(&next)) if next == '"' || next == '\\' => {
                    out.push(next);
                    chars.next();
                }
                _ => out.push(c),
            }
        }
        return Ok(Field::Text(out));
    }
    let wrong = || format!("{text:?} is no field value");
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(Field::Bool(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(Field::Bool(false)),
        _ => {}
    }
    if let Some(digits) = text.strip_suffix('i') {
        return digits.parse().map(Field::Int).map_err(|_| wrong());
    }
    if let Some(digits) = text.strip_suffix('u') {
        return digits.parse().map(Field::UInt).map_err(|_| wrong());
    }
    let looks_right = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match text.parse::<f64>() {
        Ok(n) if looks_right && n.is_finite() => Ok(Field::Float(n)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_field_and_every_escape() {
        let body = "a\\ b,k\\,1=v\\=1 f=1.5,i=2i,u=3u,b=t,s=\"x \\\"y\\\" \\\\, z=1\" 7\n# note\n\nm x=1 8";
        let lines = read_body(body, 1000);
        assert_eq!(lines.len(), 2);
        let (key, fields) = lines[0].point.clone().unwrap();
        assert_eq!((key.measurement.as_str(), key.ns), ("a b", 7000));
        assert_eq!(key.tags["k,1"], "v=1");
        assert_eq!(fields["s"], Field::Text("x \"y\" \\, z=1".to_owned()));
        assert_eq!(
            (&fields["f"], &fields["i"], &fields["u"], &fields["b"]),
            (&Field::Float(1.5), &Field::Int(2), &Field::UInt(3), &Field::Bool(true))
        );
    }

    #[test]
    fn a_line_end_inside_quotes_belongs_to_the_text() {
        let lines = read_body("m s=\"a\nb\" 1\nm s=\"c\" 2", 1);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].point.clone().unwrap().1["s"], Field::Text("a\nb".to_owned()));
    }

    #[test]
    fn names_what_is_wrong() {
        for (line, why) in [
            ("m f=1", "timestamp"),
            ("m f=NaN 1", "no field value"),
            ("m,t= f=1 1", "empty tag value"),
            ("m f 1", "key=value"),
            ("m f=1 x", "timestamp"),
        ] {
            let error = read_body(line, 1)[0].point.clone().unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
