//! Reads one layer strictly and collects everything that is wrong with it.

use std::ops::Range;

use orderly_core::diagnostic::nearest;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::layers::Layer;
use super::problem::Problem;
use super::secret::is_secret;

/// More than this many problems of one file help nobody.
const MAX_PROBLEMS: usize = 50;

/// Everything that keeps `layer` from being a `T`.
///
/// serde stops at its first error. So the faulty key is noted and taken out, and the rest is read again,
/// until nothing is wrong: every fault of a file is reported in one run.
#[must_use]
pub fn check<T: DeserializeOwned>(layer: &Layer) -> Vec<Problem> {
    let (mut document, syntax) = DeTable::parse_recoverable(&layer.text);
    let mut problems: Vec<Problem> = syntax
        .iter()
        .map(|error| problem(layer, error.span(), String::new(), plain(error.message()), None))
        .collect();
    while problems.len() < MAX_PROBLEMS {
        let Err(error) = T::deserialize(Deserializer::from(document.clone())) else { break };
        let Some((path, at)) = error.span().and_then(|at| take_out(&mut document, &at)) else {
            problems.push(problem(layer, error.span(), String::new(), plain(error.message()), None));
            break;
        };
        let (message, hint) = explain(error.message(), &path);
        problems.push(problem(layer, Some(at), path, message, hint));
    }
    problems.sort_by_key(|p| p.at.as_ref().map_or(0, |at| at.start));
    problems
}

fn problem(
    layer: &Layer,
    at: Option<Range<usize>>,
    key: String,
    message: String,
    hint: Option<String>,
) -> Problem {
    Problem { file: layer.name.clone(), text: layer.text.clone(), at, key, message, hint }
}

/// Takes the innermost key that holds `at` out of the document; says its dotted path and where it stood.
fn take_out(document: &mut Spanned<DeTable<'_>>, at: &Range<usize>) -> Option<(String, Range<usize>)> {
    take_from_table(document.get_mut(), at, "")
}

fn take_from_table(
    table: &mut DeTable<'_>,
    at: &Range<usize>,
    prefix: &str,
) -> Option<(String, Range<usize>)> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let path =
            if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        if key.span() == *at {
            found = Some((key.clone(), path, at.clone()));
            break;
        }
        let inner = match value.get_mut() {
            DeValue::Table(inner) => take_from_table(inner, at, &path),
            DeValue::Array(items) => {
                items.iter_mut().enumerate().find_map(|(i, item)| match item.get_mut() {
                    DeValue::Table(inner) => take_from_table(inner, at, &format!("{path}.{i}")),
                    _ => None,
                })
            }
            _ => None,
        };
        if inner.is_some() {
            return inner;
        }
        if covers(&value.span(), at) {
            found = Some((key.clone(), path, at.clone()));
            break;
        }
    }
    let (key, path, at) = found?;
    table.remove(&key);
    Some((path, at))
}

const fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Says serde's sentence in our words, with the nearest key for an unknown one.
fn explain(message: &str, path: &str) -> (String, Option<String>) {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        let hint = message.strip_prefix("unknown variant `").and_then(nearest_of);
        return (plain(message), hint);
    };
    let hint = if is_secret(path) {
        Some(format!("secrets are read from files: write {path}_file = \"…\""))
    } else {
        nearest_of(rest)
    };
    ("there is no such key".to_owned(), hint)
}

/// From ``lisener`, expected one of `listener`, `log``: the nearest of the names, or all when none is near.
fn nearest_of(rest: &str) -> Option<String> {
    let (wrong, rest) = rest.split_once('`')?;
    let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    Some(match nearest(wrong, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("one of: {}", names.join(", ")),
    })
}

fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or("cannot be read");
    let said =
        line.replace("invalid type: ", "wrong kind of value: ").replace("invalid value: ", "wrong value: ");
    match said.rsplit_once(", expected ") {
        Some((said, "u8" | "u16" | "u32" | "u64" | "usize")) => format!("{said}, expected a whole number"),
        Some((said, "a boolean")) => format!("{said}, expected true or false"),
        Some((said, "a string")) => format!("{said}, expected a text in quotes"),
        _ => said,
    }
}
