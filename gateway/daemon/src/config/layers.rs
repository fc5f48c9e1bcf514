//! The layers of the settings: compiled-in default, file, `conf.d`, environment; each a TOML text with a name.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// The settings file of an installed gateway.
pub const INSTALLED: &str = "/etc/orderly/orderly.toml";

const DEFAULT: &str = include_str!("../../default.toml");
const PREFIX: &str = "ORDERLY__";

/// One layer; later layers win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// File name, or `environment`.
    pub name: String,
    /// TOML.
    pub text: Arc<str>,
}

/// Collects the layers, the weakest first.
///
/// `file` is what `--config` named; without it the installed file is taken when there is one.
///
/// # Errors
/// When a file that must be there cannot be read.
pub fn collect(file: Option<&Path>, environment: &[(String, String)]) -> Result<Vec<Layer>, Vec<Problem>> {
    let mut layers = vec![Layer { name: "default.toml (built in)".to_owned(), text: DEFAULT.into() }];
    let mut problems = Vec::new();
    if let Some(path) = chosen(file) {
        read(&path, &mut layers, &mut problems);
        for extra in drop_ins(&path) {
            read(&extra, &mut layers, &mut problems);
        }
    }
    layers.extend(from_environment(environment));
    if problems.is_empty() { Ok(layers) } else { Err(problems) }
}

/// The settings file: the one that was named, or the installed one when there is one.
pub fn chosen(file: Option<&Path>) -> Option<PathBuf> {
    let installed = || Path::new(INSTALLED).exists().then(|| PathBuf::from(INSTALLED));
    file.map(Path::to_owned).or_else(installed)
}

/// The folder of a file.
pub fn beside(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

fn read(path: &Path, layers: &mut Vec<Layer>, problems: &mut Vec<Problem>) {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => layers.push(Layer { name, text: text.into() }),
        Err(e) => problems.push(Problem {
            file: name,
            text: "".into(),
            at: None,
            key: String::new(),
            message: format!("the settings file cannot be read: {e}"),
            hint: Some(
                "name it with --config FILE, or run without a file for the built-in settings".to_owned(),
            ),
        }),
    }
}

/// `conf.d/*.toml` beside the file, in order of name.
fn drop_ins(file: &Path) -> Vec<PathBuf> {
    let folder = beside(file).join("conf.d");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    files
}

/// `ORDERLY__HTTP__BIND=…` becomes the line `http.bind = …`; what is not TOML by itself is a text.
fn from_environment(variables: &[(String, String)]) -> Option<Layer> {
    let mut lines: Vec<String> = variables
        .iter()
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
            let bare = DeValue::parse(value).is_ok_and(|v| !v.get_ref().is_datetime());
            let value = if bare { value.clone() } else { toml::Value::String(value.clone()).to_string() };
            Some(format!("{path} = {value}\n"))
        })
        .collect();
    lines.sort();
    (!lines.is_empty()).then(|| Layer { name: "environment".to_owned(), text: lines.concat().into() })
}

/// Where a dotted path stands: the last layer that names it, or else its nearest parent.
#[must_use]
pub fn locate(layers: &[Layer], path: &str) -> Option<(Layer, Range<usize>)> {
    let mut wanted = path;
    loop {
        for layer in layers.iter().rev() {
            let (table, _) = DeTable::parse_recoverable(&layer.text);
            if let Some(at) = find(table.get_ref(), wanted) {
                return Some((layer.clone(), at));
            }
        }
        wanted = wanted.rsplit_once('.')?.0;
    }
}

fn find(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == head)?;
    match rest {
        None if value.get_ref().is_table() => Some(key.span()),
        None => Some(key.span().start..value.span().end),
        Some(rest) => match value.get_ref() {
            DeValue::Table(inner) => find(inner, rest),
            DeValue::Array(items) => {
                let (index, rest) = rest.split_once('.').unwrap_or((rest, ""));
                let item = items.get(index.parse::<usize>().ok()?)?;
                match item.get_ref() {
                    DeValue::Table(inner) if !rest.is_empty() => find(inner, rest),
                    _ => Some(item.span()),
                }
            }
            _ => None,
        },
    }
}
