//! From files to changes: what differs from the registry, in an order in which it can be done, and what cannot be.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::file::{self, Content};
use super::form::Form;
use super::row::{Key, Row};
use super::words::{SpotKind, Table};
use super::{Applied, Change, Registry};
use crate::inventory::Refused;

/// So many refused lines get the nearest name looked for.
const HINTED: usize = 1_000;

/// A file as a person gives it.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name, which says what it holds: `bays.csv`, `bays-north.csv`, `registry.toml`.
    pub name: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
}

/// A line that was not entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    /// The file.
    pub file: String,
    /// Line (0: what no line says), column, what is wrong and what would be right.
    pub refused: Refused,
}

impl std::fmt::Display for RefusedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, refused } = self;
        match refused.line {
            // It is about what no line says.
            0 => write!(f, "{file}: {}; {}", refused.message, refused.hint),
            _ => write!(f, "{file}: {refused}"),
        }
    }
}

/// What became of files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Rows that came.
    pub created: u64,
    /// Rows that changed.
    pub changed: u64,
    /// Rows that went.
    pub removed: u64,
    /// Rows that were so already.
    pub unchanged: u64,
    /// Lines that were not entered, by file and line.
    pub refused: Vec<RefusedLine>,
}

impl Report {
    /// Adds what became of further changes.
    pub fn add(&mut self, more: Self) {
        self.created += more.created;
        self.changed += more.changed;
        self.removed += more.removed;
        self.unchanged += more.unchanged;
        self.refused.extend(more.refused);
    }

    /// Counts one change.
    pub const fn count(&mut self, applied: Applied) {
        match applied {
            Applied::Created => self.created += 1,
            Applied::Changed => self.changed += 1,
            Applied::Removed => self.removed += 1,
            Applied::Unchanged => self.unchanged += 1,
        }
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// Changes, each possible after those before it.
    pub changes: Vec<Change>,
    /// What becomes of the files by it.
    pub report: Report,
}

impl Plan {
    /// The changes as orders, and what is told already before any is carried out.
    #[must_use]
    pub fn orders(self) -> (Vec<Vec<Change>>, Report) {
        let orders = self.changes.chunks(super::TOGETHER).map(<[Change]>::to_vec).collect();
        let Report { unchanged, refused, .. } = self.report;
        (orders, Report { unchanged, refused, ..Report::default() })
    }
}

/// A row that a file names.
struct Wanted {
    file: usize,
    line: u64,
    row: Row,
}

/// Compares files with the registry. With `whole` a file names all rows of its forms: those that it does not name go,
/// unless a line of that form could not be entered, which may have meant one of them.
#[must_use]
pub fn plan(registry: &Registry, files: &[File<'_>], whole: bool) -> Plan {
    let mut report = Report::default();
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut seen: HashMap<Key, (usize, u64)> = HashMap::new();
    let mut forms: Vec<Form> = Vec::new();
    let mut names: HashMap<Table, &str> = HashMap::new();
    let mut faulty: HashSet<Table> = HashSet::new();
    let refuse = |report: &mut Report, file: usize, refused: Refused| {
        report.refused.push(RefusedLine { file: files[file].name.to_owned(), refused });
    };
    for (number, file) in files.iter().enumerate() {
        let Content { forms: about, rows, refused } = file::read(file.name, file.bytes);
        if !refused.is_empty() {
            faulty.extend(about.iter().map(|form| form.table));
        }
        for form in about {
            names.entry(form.table).or_insert(file.name);
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        for line in refused {
            refuse(&mut report, number, line);
        }
        for (line, row) in rows {
            let key = row.key();
            if let Some((other, earlier)) = seen.get(&key) {
                let place = if *other == number {
                    format!("line {earlier}")
                } else {
                    format!("{}, line {earlier},", files[*other].name)
                };
                let message = format!("{} {:?} stands in {place} already", key.table, key.id);
                let hint = "leave one of the two".to_owned();
                refuse(&mut report, number, Refused { line, column: String::new(), message, hint });
                continue;
            }
            seen.insert(key, (number, line));
            wanted.push(Wanted { file: number, line, row });
        }
    }
    let mut plan = Plan { changes: Vec::new(), report };
    let mut trial = registry.clone();
    // What a device watches no more makes room for what it watches now.
    let gone = if whole { gone(registry, &forms, &seen) } else { Vec::new() };
    let (bindings, others): (Vec<Key>, Vec<Key>) =
        gone.into_iter().partition(|key| key.table == Table::Binding);
    let remove = |plan: &mut Plan, trial: &mut Registry, keys: Vec<Key>, faulty: &HashSet<Table>| {
        for key in keys.into_iter().filter(|key| !faulty.contains(&key.table)) {
            let (table, change) = (key.table, Change::Remove(key));
            match trial.apply(&change) {
                Ok(applied) => {
                    plan.report.count(applied);
                    plan.changes.push(change);
                }
                Err(fault) => {
                    let column = String::new();
                    let refused = Refused { line: 0, column, message: fault.message, hint: fault.hint };
                    let file = names.get(&table).copied().unwrap_or_default().to_owned();
                    plan.report.refused.push(RefusedLine { file, refused });
                }
            }
        }
    };
    remove(&mut plan, &mut trial, bindings, &faulty);
    sort(&mut wanted, registry);
    for Wanted { file, line, row } in wanted {
        let table = row.table();
        let change = Change::Put(row);
        match trial.apply(&change) {
            Ok(Applied::Unchanged) => plan.report.unchanged += 1,
            Ok(applied) => {
                plan.report.count(applied);
                plan.changes.push(change);
            }
            Err(fault) => {
                faulty.insert(table);
                let hint = match plan.report.refused.len() < HINTED {
                    true => trial.hint(&fault),
                    false => fault.hint,
                };
                let refused = Refused { line, column: fault.column.to_owned(), message: fault.message, hint };
                plan.report.refused.push(RefusedLine { file: files[file].name.to_owned(), refused });
            }
        }
    }
    remove(&mut plan, &mut trial, others, &faulty);
    plan.report.refused.sort_by(|a, b| (&a.file, a.refused.line).cmp(&(&b.file, b.refused.line)));
    plan
}

/// The rows of these forms that no file names, those first that name others.
fn gone(registry: &Registry, forms: &[Form], seen: &HashMap<Key, (usize, u64)>) -> Vec<Key> {
    let mut gone: Vec<(Key, usize)> = Vec::new();
    let mut tables: Vec<Table> = forms.iter().map(|form| form.table).collect();
    tables.sort();
    tables.dedup();
    for table in tables.into_iter().rev() {
        for row in registry.of(table) {
            let key = row.key();
            if forms.iter().any(|form| form.holds(row)) && !seen.contains_key(&key) {
                gone.push((key, depth(row, registry)));
            }
        }
    }
    // The tables stay in their order: what names others is in a later table, or deeper in its own.
    gone.sort_by_key(|(key, depth)| std::cmp::Reverse((key.table, *depth)));
    gone.into_iter().map(|(key, _)| key).collect()
}

fn depth(row: &Row, registry: &Registry) -> usize {
    match row {
        Row::Place(place) => registry.path(&place.id).count(),
        Row::Spot(spot) => usize::from(spot.kind == SpotKind::Slot),
        _ => 0,
    }
}

/// Puts rows into an order in which each finds what it names: by table, places from the outside in, cabinets before
/// their slots; bindings that are known before new ones, so that one that ends makes room for the next.
fn sort(wanted: &mut [Wanted], registry: &Registry) {
    let within: HashMap<String, String> = wanted
        .iter()
        .filter_map(|wanted| match &wanted.row {
            Row::Place(place) => Some((place.id.to_string(), place.within.as_ref()?.to_string())),
            _ => None,
        })
        .collect();
    // A ring ends the count: its places come in any order, and each is refused for what it names.
    let outer = |id: &str| {
        let up = std::iter::successors(Some(id), |id| within.get(*id).map(String::as_str));
        up.take(super::DEEPEST).count()
    };
    wanted.sort_by_cached_key(|wanted| {
        let rank = match &wanted.row {
            Row::Place(place) => outer(place.id.as_str()),
            Row::Spot(spot) => usize::from(spot.kind == SpotKind::Slot),
            Row::Binding(_) => usize::from(registry.get(&wanted.row.key()).is_none()),
            _ => 0,
        };
        (wanted.row.table(), rank, wanted.file, wanted.line)
    });
}
