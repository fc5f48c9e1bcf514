//! The registry: places, what stands in them, what moves between them, and what each device watches when.
//!
//! It is a set of rows. A row comes in only when what it names is there, and goes only when nothing names it any more;
//! so whatever is in it fits together, whoever brought it: a file, a person or a program.

mod file;
mod form;
mod plan;
mod row;
#[cfg(test)]
mod tests;
mod words;
mod write;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::diagnostic::nearest;
use crate::ids::{DeviceId, SpotId, ZoneId};
use crate::time::Timestamp;

pub use form::{FORMS, Form};
pub use plan::{File, Plan, RefusedLine, Report, plan};
pub use row::{Binding, DayPart, Item, Key, Par, Place, Row, Shift, Spot, Subject, Way};
pub use words::{PlaceKind, SpotKind, Table, WayKind};
pub use write::{cell, csv, toml};

/// So many changes go into one order: it is decided and committed as a whole.
pub const TOGETHER: usize = 400;
/// Among more names than these the nearest is not looked for.
const LIKELY: usize = 5_000;
/// So many places in one another are followed.
const DEEPEST: usize = 64;

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// This row is there from here on, in place of the one with the same key.
    Put(Row),
    /// The row with this key is not there any more.
    Remove(Key),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// A row came.
    Created,
    /// A row changed.
    Changed,
    /// A row went.
    Removed,
    /// Nothing: it was so already.
    Unchanged,
}

/// Why a change cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column that it is about.
    pub column: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty when that cannot be said at once.
    pub hint: String,
    /// The name that nobody knows, to look for the nearest.
    unknown: Option<Key>,
}

impl Fault {
    fn new(column: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { column, message: message.into(), hint: hint.into(), unknown: None }
    }
}

/// The registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    rows: BTreeMap<Key, Row>,
    /// How many rows name each.
    named: HashMap<Key, u32>,
    /// What each device watches, in order of time.
    bound: HashMap<DeviceId, Vec<Binding>>,
}

impl Registry {
    /// Takes up rows that were in a registry before. They are not looked at again.
    #[must_use]
    pub fn restore(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut registry = Self::default();
        for row in rows {
            registry.put(row);
        }
        registry
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Every row, by table and key.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// The row with this key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    /// The rows of a table, by key.
    pub fn of(&self, table: Table) -> impl Iterator<Item = &Row> {
        self.after(table, "")
    }

    /// The rows of a table whose keys come after this one.
    pub fn after(&self, table: Table, id: &str) -> impl Iterator<Item = &Row> {
        let from = std::ops::Bound::Excluded(Key::new(table, id));
        let rows = self.rows.range((from, std::ops::Bound::Unbounded));
        rows.take_while(move |(key, _)| key.table == table).map(|(_, row)| row)
    }

    /// A place.
    #[must_use]
    pub fn place(&self, zone: &ZoneId) -> Option<&Place> {
        match self.get(&Key::new(Table::Place, zone)) {
            Some(Row::Place(place)) => Some(place),
            _ => None,
        }
    }

    /// A fixed spot.
    #[must_use]
    pub fn spot(&self, spot: &SpotId) -> Option<&Spot> {
        match self.get(&Key::new(Table::Spot, spot)) {
            Some(Row::Spot(spot)) => Some(spot),
            _ => None,
        }
    }

    /// Whether a device can be in this place: any, as long as no places are entered.
    ///
    /// # Errors
    /// When it is none of the places; the sentence offers the nearest.
    pub fn knows(&self, zone: &ZoneId) -> Result<(), String> {
        if self.place(zone).is_some() || self.of(Table::Place).next().is_none() {
            return Ok(());
        }
        let names = self.of(Table::Place).map(|row| cell(row, "id")).collect::<Vec<_>>();
        let near = nearest(zone.as_str(), names.iter().map(String::as_str));
        let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        Err(format!("{zone:?} is no place of the registry{hint}"))
    }

    /// What a device watched at a moment.
    #[must_use]
    pub fn bound(&self, device: &DeviceId, at: Timestamp) -> Option<&Binding> {
        let bindings = self.bound.get(device)?;
        let begun = bindings.partition_point(|binding| binding.from <= at);
        let last = bindings.get(begun.checked_sub(1)?)?;
        last.until.is_none_or(|until| at < until).then_some(last)
    }

    /// The place that a device watched at a moment: its own, or that of its spot. Where a thing that moves is, no
    /// binding says.
    #[must_use]
    pub fn zone_at(&self, device: &DeviceId, at: Timestamp) -> Option<&ZoneId> {
        match &self.bound(device, at)?.subject {
            Subject::Place(zone) => self.place(zone).map(|place| &place.id),
            Subject::Spot(spot) => self.zone_of(spot),
            Subject::Item(_) => None,
        }
    }

    /// Where a spot is.
    #[must_use]
    pub fn zone_of(&self, spot: &SpotId) -> Option<&ZoneId> {
        let spot = self.spot(spot)?;
        spot.zone.as_ref().or_else(|| self.spot(spot.within.as_ref()?)?.zone.as_ref())
    }

    /// A place and those that it is in, the innermost first.
    pub fn path(&self, zone: &ZoneId) -> impl Iterator<Item = &Place> {
        std::iter::successors(self.place(zone), |place| self.place(place.within.as_ref()?)).take(DEEPEST)
    }

    /// Makes a change, or leaves everything as it is and says why.
    ///
    /// # Errors
    /// When what would be there did not fit together.
    pub fn apply(&mut self, change: &Change) -> Result<Applied, Fault> {
        match change {
            Change::Put(row) => {
                let key = row.key();
                let before = self.rows.get(&key);
                if before == Some(row) {
                    return Ok(Applied::Unchanged);
                }
                self.check(row, &key, before)?;
                let created = before.is_none();
                self.put(row.clone());
                Ok(if created { Applied::Created } else { Applied::Changed })
            }
            Change::Remove(key) => {
                if !self.rows.contains_key(key) {
                    return Ok(Applied::Unchanged);
                }
                if let Some(times) = self.named.get(key) {
                    let message = format!("{} {:?} cannot go: {times} others name it", key.table, key.id);
                    return Err(Fault::new("id", message, "take those away first, or let them name another"));
                }
                self.take(key);
                Ok(Applied::Removed)
            }
        }
    }

    /// What to say beside a fault: looking for the nearest name takes a while.
    #[must_use]
    pub fn hint(&self, fault: &Fault) -> String {
        let Some(unknown) = &fault.unknown else { return fault.hint.clone() };
        let known: Vec<&str> = self
            .rows
            .range(Key::new(unknown.table, "")..)
            .take_while(|(key, _)| key.table == unknown.table)
            .map(|(key, _)| key.id.as_str())
            .take(LIKELY)
            .collect();
        match nearest(&unknown.id, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("enter the {} first", unknown.table),
        }
    }

    fn put(&mut self, row: Row) {
        let key = row.key();
        self.take(&key);
        for (_, needed) in row.needs() {
            *self.named.entry(needed).or_default() += 1;
        }
        if let Row::Binding(binding) = &row {
            let bindings = self.bound.entry(binding.device.clone()).or_default();
            let place = bindings.partition_point(|other| other.from < binding.from);
            bindings.insert(place, binding.clone());
        }
        self.rows.insert(key, row);
    }

    fn take(&mut self, key: &Key) {
        let Some(row) = self.rows.remove(key) else { return };
        for (_, needed) in row.needs() {
            if let Some(times) = self.named.get_mut(&needed) {
                *times -= 1;
                if *times == 0 {
                    self.named.remove(&needed);
                }
            }
        }
        if let Row::Binding(binding) = &row
            && let Some(bindings) = self.bound.get_mut(&binding.device)
        {
            bindings.retain(|other| other.from != binding.from);
            if bindings.is_empty() {
                self.bound.remove(&binding.device);
            }
        }
    }

    fn check(&self, row: &Row, key: &Key, before: Option<&Row>) -> Result<(), Fault> {
        for (column, needed) in row.needs() {
            if needed != *key && !self.rows.contains_key(&needed) {
                let message = format!("there is no {} {:?}", needed.table, needed.id);
                return Err(Fault { column, message, hint: String::new(), unknown: Some(needed) });
            }
        }
        match row {
            Row::Place(place) => self.check_place(place),
            Row::Way(way) if way.from == way.to => {
                Err(Fault::new("to", "the way leads to where it begins", "name the two places"))
            }
            Row::DayPart(part) if part.from == part.to => {
                Err(Fault::new("to", "it ends when it begins", "the whole day is 00:00 to 24:00"))
            }
            Row::Par(par) if par.target < par.min => {
                Err(Fault::new("target", format!("{} is less than min, {}", par.target, par.min), ""))
            }
            Row::Par(par) if par.max.is_some_and(|max| max < par.target) => {
                let max = par.max.unwrap_or_default();
                Err(Fault::new("max", format!("{max} is less than target, {}", par.target), ""))
            }
            Row::Spot(spot) => self.check_spot(spot, key, before),
            Row::Binding(binding) => self.check_binding(binding),
            Row::Shift(shift) if shift.until <= shift.from => {
                Err(Fault::new("until", "it ends before it begins", ""))
            }
            _ => Ok(()),
        }
    }

    fn check_place(&self, place: &Place) -> Result<(), Fault> {
        match (&place.within, place.kind) {
            (None, PlaceKind::Site) => Ok(()),
            (None, _) => Err(Fault::new("in", "it is in no other place", "name the place that it is in")),
            (Some(_), PlaceKind::Site) => {
                Err(Fault::new("in", "a site is in no other place", "leave it empty"))
            }
            (Some(within), _)
                if *within == place.id || self.path(within).any(|outer| outer.id == place.id) =>
            {
                let message = format!("{within:?} is in {:?} itself: a ring", place.id);
                Err(Fault::new("in", message, "name a place around it"))
            }
            (Some(_), _) => Ok(()),
        }
    }

    fn check_spot(&self, spot: &Spot, key: &Key, before: Option<&Row>) -> Result<(), Fault> {
        match (spot.kind, &spot.zone, &spot.within) {
            (SpotKind::Slot, _, None) => {
                return Err(Fault::new("in", "a slot is in a cabinet", "name its cabinet"));
            }
            (SpotKind::Slot, Some(_), _) => {
                return Err(Fault::new("zone", "a slot is where its cabinet is", "leave it empty"));
            }
            (SpotKind::Slot, None, Some(within))
                if self.spot(within).is_none_or(|outer| outer.kind != SpotKind::Cabinet) =>
            {
                return Err(Fault::new("in", format!("{within:?} is no cabinet"), "name its cabinet"));
            }
            (SpotKind::Slot, None, Some(_)) => {}
            (_, _, Some(_)) => {
                return Err(Fault::new("in", "only a slot is in another spot", "leave it empty"));
            }
            (_, None, None) => {
                return Err(Fault::new("zone", "it is in no place", "name the place where it is"));
            }
            _ => {}
        }
        let other = matches!(before, Some(Row::Spot(before)) if before.kind != spot.kind);
        if other && self.named.contains_key(key) {
            return Err(Fault::new("kind", "it cannot become another kind while others name it", ""));
        }
        Ok(())
    }

    fn check_binding(&self, binding: &Binding) -> Result<(), Fault> {
        if binding.until.is_some_and(|until| until <= binding.from) {
            return Err(Fault::new("until", "it ends before it begins", ""));
        }
        let others = self.bound.get(&binding.device).map(Vec::as_slice).unwrap_or_default();
        let overlapping = others.iter().find(|other| {
            other.from != binding.from
                && other.until.is_none_or(|until| binding.from < until)
                && binding.until.is_none_or(|until| other.from < until)
        });
        match overlapping {
            None => Ok(()),
            Some(other) => {
                let message = format!(
                    "{:?} watches {} {:?} from {} {} already",
                    binding.device,
                    other.subject.key().table,
                    other.subject.key().id,
                    other.from,
                    other.until.map_or_else(|| "on".to_owned(), |until| format!("until {until}")),
                );
                Err(Fault::new("from", message, "end the earlier one before"))
            }
        }
    }
}
