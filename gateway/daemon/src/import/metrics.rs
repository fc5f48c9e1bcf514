//! What a codec measures, as its cases show it.

use orderly_core::ids::MetricId;
use orderly_core::unit::Unit;
use serde_json::Value;

/// Longest text that a reading keeps.
const MOST_TEXT: usize = 64;
/// Units by how a name ends or begins; another number stays a bare one until a person has looked.
const UNITS: [(&str, &str); 6] = [
    ("temperature", "Cel"),
    ("humidity", "%"),
    ("co2", "[ppm]"),
    ("voltage", "V"),
    ("pressure", "hPa"),
    ("illuminance", "lx"),
];

/// One metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metric {
    pub name: String,
    /// Where it stands in the data.
    pub path: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Flag,
    Text,
}

/// Everything that cases show, in order; what is of several kinds is left out and named.
pub(super) fn of<'v>(documents: impl Iterator<Item = &'v Value>) -> (Vec<Metric>, Vec<String>) {
    let (mut metrics, mut left): (Vec<Metric>, Vec<String>) = Default::default();
    let mut all = Vec::new();
    for document in documents {
        leaves(document, "", "$", &mut all);
    }
    for (words, path, kind) in all {
        let Some(kind) = kind else {
            left.push(path);
            continue;
        };
        match metrics.iter().find(|metric| metric.path == path) {
            Some(known) if known.kind == kind => {}
            Some(_) => left.push(path),
            None => {
                let name = name(&words, &metrics);
                metrics.push(Metric { name, path, kind });
            }
        }
    }
    left.sort();
    left.dedup();
    metrics.retain(|metric| !left.contains(&metric.path));
    (metrics, left)
}

/// The value of a metric in one document, if it is there.
pub(super) fn value<'v>(document: &'v Value, metric: &Metric) -> Option<&'v Value> {
    let mut all = Vec::new();
    walk(document, "", "$", &mut |_, path, value| {
        if path == metric.path {
            all.push(value);
        }
    });
    all.pop().filter(|value| !value.is_null())
}

fn leaves(document: &Value, words: &str, path: &str, all: &mut Vec<(String, String, Option<Kind>)>) {
    walk(document, words, path, &mut |words, path, value| {
        let kind = match value {
            Value::Null => return,
            Value::Number(_) => Some(Kind::Number),
            Value::Bool(_) => Some(Kind::Flag),
            Value::String(text) if text.len() <= MOST_TEXT && !text.chars().any(char::is_control) => {
                Some(Kind::Text)
            }
            _ => None,
        };
        all.push((words.to_owned(), path.to_owned(), kind));
    });
}

/// Calls for each value that is no object; lists are whole.
fn walk<'v>(value: &'v Value, words: &str, path: &str, each: &mut impl FnMut(&str, &str, &'v Value)) {
    let Value::Object(members) = value else { return each(words, path, value) };
    for (key, value) in members {
        let plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let path = match plain {
            true => format!("{path}.{key}"),
            false => format!("{path}['{}']", key.replace('\\', "\\\\").replace('\'', "\\'")),
        };
        let words = if words.is_empty() { key.clone() } else { format!("{words}_{key}") };
        walk(value, &words, &path, each);
    }
}

/// A name in small letters with underscores, other than those that are taken.
fn name(words: &str, taken: &[Metric]) -> String {
    let mut name = String::new();
    let mut before = '_';
    for c in words.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) || c == '_' {
            name.push('_');
        }
        if c != '_' {
            name.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    let name: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    let name = name.join("_");
    let name = &name[..name.len().min(56)];
    let name = if MetricId::new(name).is_ok() { name.to_owned() } else { format!("m_{name}") };
    // What a test says about a reading must not be mistaken for a metric.
    let about = ["time", "sequence", "stream", "device", "boot"].contains(&name.as_str());
    let name = if about { format!("{name}_value") } else { name };
    let free = |name: &str| taken.iter().all(|metric| metric.name != name);
    if free(&name) {
        return name;
    }
    let mut more = (2_usize..).map(|n| format!("{name}_{n}"));
    more.find(|name| free(name)).unwrap_or(name)
}

/// The unit of a number, guessed from its name.
pub(super) fn unit(name: &str) -> &'static str {
    let named = UNITS.iter().find(|(word, _)| name.starts_with(word) || name.ends_with(word));
    named.map(|(_, unit)| *unit).filter(|unit| Unit::parse(unit).is_ok()).unwrap_or("1")
}
