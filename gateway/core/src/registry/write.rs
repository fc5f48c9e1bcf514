//! Rows as files again: what is read from them is what was written.

use super::Registry;
use super::form::{FORMS, Form};
use super::row::Row;
use super::words::{PLACES, SPOTS, SUBJECTS, WAYS, word};
use crate::ids::Id;

/// The rows of a form as a CSV table; a byte order mark stands before it, so that spreadsheets read it as UTF-8.
#[must_use]
pub fn csv(registry: &Registry, form: Form) -> String {
    let names: Vec<&str> = form.columns().iter().map(|(name, _)| *name).collect();
    let mut text = format!("\u{feff}{}\n", names.join(","));
    for row in registry.of(form.table).filter(|row| form.holds(row)) {
        let cells: Vec<String> = names.iter().map(|name| quoted(cell(row, name))).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// A cell as it stands in a line; it holds no line end.
fn quoted(cell: String) -> String {
    if cell.contains([',', '"', ';', '\t']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// All rows as one TOML text.
#[must_use]
pub fn toml(registry: &Registry) -> String {
    let mut text = String::new();
    for form in FORMS.into_iter().filter(|form| form.kind.is_none()) {
        for row in registry.of(form.table) {
            text.push_str(&format!("[[{}]]\n", form.heading));
            for (name, _) in form.columns() {
                let cell = cell(row, name);
                if !cell.is_empty() {
                    text.push_str(&format!("{name} = {}\n", toml::Value::String(cell)));
                }
            }
            text.push('\n');
        }
    }
    text
}

/// What stands in a column of a row; empty where nothing does.
#[must_use]
pub fn cell(row: &Row, column: &str) -> String {
    let number = |number: Option<u32>| number.map_or_else(String::new, |n| n.to_string());
    match (row, column) {
        (Row::Place(row), "id") => row.id.to_string(),
        (Row::Place(row), "kind") => word(PLACES, &row.kind).to_owned(),
        (Row::Place(row), "in") => named(row.within.as_ref()),
        (Row::Place(row), "zh") => row.zh.clone(),
        (Row::Place(row), "en") => row.en.clone(),
        (Row::Place(row), "level") => row.level.map_or_else(String::new, |level| level.to_string()),
        (Row::Place(row), "capacity") => number(row.capacity),
        (Row::Place(row), "marks") => row.marks.join(" "),
        (Row::Way(row), "from") => row.from.to_string(),
        (Row::Way(row), "to") => row.to.to_string(),
        (Row::Way(row), "kind") => word(WAYS, &row.kind).to_owned(),
        (Row::Way(row), "metres") => number(row.metres),
        (Row::DayPart(row), "id") => row.id.to_string(),
        (Row::DayPart(row), "from") => clock(row.from),
        (Row::DayPart(row), "to") => clock(row.to),
        (Row::Par(row), "zone") => row.zone.to_string(),
        (Row::Par(row), "class") => row.class.to_string(),
        (Row::Par(row), "part") => named(row.part.as_ref()),
        (Row::Par(row), "min") => row.min.to_string(),
        (Row::Par(row), "target") => row.target.to_string(),
        (Row::Par(row), "max") => number(row.max),
        (Row::Spot(row), "id") => row.id.to_string(),
        (Row::Spot(row), "kind") => word(SPOTS, &row.kind).to_owned(),
        (Row::Spot(row), "zone") => named(row.zone.as_ref()),
        (Row::Spot(row), "in") => named(row.within.as_ref()),
        (Row::Spot(row), "zh") => row.zh.clone(),
        (Row::Spot(row), "en") => row.en.clone(),
        (Row::Spot(row), "capacity") => number(row.capacity),
        (Row::Spot(row), "marks") => row.marks.join(" "),
        (Row::Spot(row), "link") => row.link.clone(),
        (Row::Item(row), "id") => row.id.to_string(),
        (Row::Item(row), "class") => row.class.to_string(),
        (Row::Item(row), "home") => named(row.home.as_ref()),
        (Row::Item(row), "label") => row.label.clone(),
        (Row::Binding(row), "device") => row.device.to_string(),
        (Row::Binding(row), "what") => word(SUBJECTS, &row.subject.key().table).to_owned(),
        (Row::Binding(row), "id") => row.subject.key().id,
        (Row::Binding(row), "from") => row.from.to_string(),
        (Row::Binding(row), "until") => row.until.map_or_else(String::new, |until| until.to_string()),
        (Row::Shift(row), "team") => row.team.to_string(),
        (Row::Shift(row), "shift") => row.shift.to_string(),
        (Row::Shift(row), "from") => row.from.to_string(),
        (Row::Shift(row), "until") => row.until.to_string(),
        (Row::Shift(row), "actor") => row.actor.to_string(),
        _ => String::new(),
    }
}

fn named<K>(id: Option<&Id<K>>) -> String {
    id.map_or_else(String::new, ToString::to_string)
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
