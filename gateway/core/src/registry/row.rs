//! The rows of the registry: what stands in each table.

use serde::{Deserialize, Serialize};

use super::Table;
use super::words::{PlaceKind, SpotKind, WayKind};
use crate::ids::{ActorId, ClassId, DayPartId, DeviceId, ItemId, ShiftId, SpotId, TeamId, ZoneId};
use crate::time::Timestamp;

/// A row of one of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// A place.
    Place(Place),
    /// A way between two places.
    Way(Way),
    /// A part of the day.
    DayPart(DayPart),
    /// How many things of a class a place should have.
    Par(Par),
    /// A fixed spot within a place.
    Spot(Spot),
    /// A thing that moves.
    Item(Item),
    /// What a device watches, and when.
    Binding(Binding),
    /// Who is on duty.
    Shift(Shift),
}

/// A site, a building, a floor, or a zone of any kind. They stand in one another; a site stands in nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its name, the one that a device's row has as its zone.
    pub id: ZoneId,
    /// What it is.
    pub kind: PlaceKind,
    /// The place that it is in.
    pub within: Option<ZoneId>,
    /// How people call it in Chinese; may be empty.
    pub zh: String,
    /// How people call it in English; may be empty.
    pub en: String,
    /// Number of the floor; below the ground it is negative.
    pub level: Option<i32>,
    /// How much it holds, where that is not what its bays say.
    pub capacity: Option<u32>,
    /// What else is so of it.
    pub marks: Vec<String>,
}

/// A way between two places, the same in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// One end.
    pub from: ZoneId,
    /// The other.
    pub to: ZoneId,
    /// What it is.
    pub kind: WayKind,
    /// How long it is.
    pub metres: Option<u32>,
}

/// A part of the day, by the clock of the hospital; it may go over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayPart {
    /// Its name.
    pub id: DayPartId,
    /// The minute of the day in which it begins.
    pub from: u16,
    /// The minute of the day before which it ends.
    pub to: u16,
}

/// How many things of a class a place should have in a part of the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Par {
    /// The place.
    pub zone: ZoneId,
    /// The class.
    pub class: ClassId,
    /// The part of the day; `None`: all of it.
    pub part: Option<DayPartId>,
    /// Fewer are too few.
    pub min: u32,
    /// So many should be there.
    pub target: u32,
    /// More are too many.
    pub max: Option<u32>,
}

/// A fixed spot within a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// Its name.
    pub id: SpotId,
    /// What it is.
    pub kind: SpotKind,
    /// Where it is; a slot is where its cabinet is.
    pub zone: Option<ZoneId>,
    /// The cabinet of a slot.
    pub within: Option<SpotId>,
    /// How people call it in Chinese; may be empty.
    pub zh: String,
    /// How people call it in English; may be empty.
    pub en: String,
    /// How many it takes, where that is not one.
    pub capacity: Option<u32>,
    /// Attributes of a bay or a bed.
    pub marks: Vec<String>,
    /// Where its pay code leads.
    pub link: String,
}

/// A thing that moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// Its class.
    pub class: ClassId,
    /// Where it belongs.
    pub home: Option<ZoneId>,
    /// What is written on it; may be empty.
    pub label: String,
}

/// What a device watches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A place.
    Place(ZoneId),
    /// A fixed spot.
    Spot(SpotId),
    /// A thing that moves.
    Item(ItemId),
}

/// What a device watches, from when to when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The device.
    pub device: DeviceId,
    /// What it watches.
    pub subject: Subject,
    /// From this moment on.
    pub from: Timestamp,
    /// Until before this moment; `None`: it still does.
    pub until: Option<Timestamp>,
}

/// Who is on duty. People are opaque references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// The team.
    pub team: TeamId,
    /// The shift.
    pub shift: ShiftId,
    /// From this moment on.
    pub from: Timestamp,
    /// Until before this moment.
    pub until: Timestamp,
    /// Who.
    pub actor: ActorId,
}

/// What tells a row from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The table that it stands in.
    pub table: Table,
    /// Its name there.
    pub id: String,
}

impl Key {
    /// The key of a row with this name.
    #[must_use]
    pub fn new(table: Table, id: impl ToString) -> Self {
        Self { table, id: id.to_string() }
    }
}

impl Row {
    /// The table that it stands in.
    #[must_use]
    pub const fn table(&self) -> Table {
        match self {
            Self::Place(_) => Table::Place,
            Self::Way(_) => Table::Way,
            Self::DayPart(_) => Table::DayPart,
            Self::Par(_) => Table::Par,
            Self::Spot(_) => Table::Spot,
            Self::Item(_) => Table::Item,
            Self::Binding(_) => Table::Binding,
            Self::Shift(_) => Table::Shift,
        }
    }

    /// What tells it from all others.
    #[must_use]
    pub fn key(&self) -> Key {
        let id = match self {
            Self::Place(row) => row.id.to_string(),
            // The same way from the other end is the same row.
            Self::Way(row) => {
                format!("{} {}", row.from.clone().min(row.to.clone()), (&row.from).max(&row.to))
            }
            Self::DayPart(row) => row.id.to_string(),
            Self::Par(row) => {
                let part = row.part.as_ref().map_or("", |part| part.as_str());
                format!("{} {} {part}", row.zone, row.class)
            }
            Self::Spot(row) => row.id.to_string(),
            Self::Item(row) => row.id.to_string(),
            Self::Binding(row) => format!("{} {}", row.device, row.from),
            Self::Shift(row) => format!("{} {} {} {}", row.team, row.shift, row.from, row.actor),
        };
        Key { table: self.table(), id }
    }

    /// The rows that must be there for it, each with the column that names it.
    #[must_use]
    pub fn needs(&self) -> Vec<(&'static str, Key)> {
        let mut needs = Vec::new();
        let mut place = |column, zone: &Option<ZoneId>| {
            needs.extend(zone.iter().map(|zone| (column, Key::new(Table::Place, zone))));
        };
        match self {
            Self::Place(row) => place("in", &row.within),
            Self::Way(row) => {
                needs.push(("from", Key::new(Table::Place, &row.from)));
                needs.push(("to", Key::new(Table::Place, &row.to)));
            }
            Self::DayPart(_) | Self::Shift(_) => {}
            Self::Par(row) => {
                needs.push(("zone", Key::new(Table::Place, &row.zone)));
                needs.extend(row.part.iter().map(|part| ("part", Key::new(Table::DayPart, part))));
            }
            Self::Spot(row) => {
                place("zone", &row.zone);
                needs.extend(row.within.iter().map(|spot| ("in", Key::new(Table::Spot, spot))));
            }
            Self::Item(row) => place("home", &row.home),
            Self::Binding(row) => needs.push(("id", row.subject.key())),
        }
        needs
    }
}

impl Subject {
    /// The key of its row.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Place(id) => Key::new(Table::Place, id),
            Self::Spot(id) => Key::new(Table::Spot, id),
            Self::Item(id) => Key::new(Table::Item, id),
        }
    }
}
