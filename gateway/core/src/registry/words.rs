//! The words of the registry: tables, kinds and marks, each with the one way in which it is written.

use serde::{Deserialize, Serialize};

/// A table of the registry, in the order in which rows can follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Places.
    Place,
    /// Ways between places.
    Way,
    /// Parts of the day.
    DayPart,
    /// How many things a place should have.
    Par,
    /// Fixed spots.
    Spot,
    /// Things that move.
    Item,
    /// What devices watch.
    Binding,
    /// Who is on duty.
    Shift,
}

/// What a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// A hospital site.
    Site,
    /// A part of a site or building that is meant as a whole.
    Area,
    /// A building.
    Building,
    /// A floor.
    Floor,
    /// A hall.
    Hall,
    /// A ward.
    Ward,
    /// Clinic rooms.
    Clinic,
    /// The emergency department.
    Emergency,
    /// An operating theatre.
    Theatre,
    /// A laboratory.
    Lab,
    /// The pharmacy.
    Pharmacy,
    /// A store.
    Store,
    /// Offices.
    Office,
    /// A corridor.
    Corridor,
    /// A lift.
    Lift,
    /// Stairs.
    Stairs,
    /// An entrance of a building.
    Entrance,
    /// A gate of the site.
    Gate,
    /// Parking under the sky.
    Parking,
    /// Parking in a building or below one.
    Garage,
    /// Where people get in and out of cars.
    Dropoff,
    /// Outside, and none of the others.
    Yard,
    /// None of the others.
    Other,
}

/// What a way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayKind {
    /// A door, or open to the other.
    Door,
    /// A corridor.
    Corridor,
    /// Stairs.
    Stairs,
    /// A lift.
    Lift,
    /// A ramp.
    Ramp,
    /// A road.
    Road,
}

/// What a fixed spot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpotKind {
    /// A parking bay.
    Bay,
    /// A dock of shared items.
    Dock,
    /// A cabinet.
    Cabinet,
    /// A slot of a cabinet.
    Slot,
    /// A bed.
    Bed,
    /// A fridge.
    Fridge,
    /// A fixed thing of any other kind: a kiosk, a charger, an AED.
    Point,
}

/// What may be so of a place: open to everybody, a way out of the site, bays for visitors, no parking at night.
pub const PLACE_MARKS: [&str; 4] = ["public", "exit", "visitor", "night_closed"];
/// Attributes of a bay (DOMAIN 6.1).
pub const BAY_MARKS: [&str; 9] =
    ["accessible", "age_friendly", "assist", "ev", "dropoff", "tidal", "staff", "reserve", "ambulance"];
/// Attributes of a bed.
pub const BED_MARKS: [&str; 1] = ["emergency"];

/// A word that stands for a value of `T`.
pub type Words<T> = &'static [(&'static str, T)];

/// The kinds of places.
pub const PLACES: Words<PlaceKind> = &[
    ("site", PlaceKind::Site),
    ("area", PlaceKind::Area),
    ("building", PlaceKind::Building),
    ("floor", PlaceKind::Floor),
    ("hall", PlaceKind::Hall),
    ("ward", PlaceKind::Ward),
    ("clinic", PlaceKind::Clinic),
    ("emergency", PlaceKind::Emergency),
    ("theatre", PlaceKind::Theatre),
    ("lab", PlaceKind::Lab),
    ("pharmacy", PlaceKind::Pharmacy),
    ("store", PlaceKind::Store),
    ("office", PlaceKind::Office),
    ("corridor", PlaceKind::Corridor),
    ("lift", PlaceKind::Lift),
    ("stairs", PlaceKind::Stairs),
    ("entrance", PlaceKind::Entrance),
    ("gate", PlaceKind::Gate),
    ("parking", PlaceKind::Parking),
    ("garage", PlaceKind::Garage),
    ("dropoff", PlaceKind::Dropoff),
    ("yard", PlaceKind::Yard),
    ("other", PlaceKind::Other),
];

/// The kinds of ways.
pub const WAYS: Words<WayKind> = &[
    ("door", WayKind::Door),
    ("corridor", WayKind::Corridor),
    ("stairs", WayKind::Stairs),
    ("lift", WayKind::Lift),
    ("ramp", WayKind::Ramp),
    ("road", WayKind::Road),
];

/// The kinds of fixed spots.
pub const SPOTS: Words<SpotKind> = &[
    ("bay", SpotKind::Bay),
    ("dock", SpotKind::Dock),
    ("cabinet", SpotKind::Cabinet),
    ("slot", SpotKind::Slot),
    ("bed", SpotKind::Bed),
    ("fridge", SpotKind::Fridge),
    ("point", SpotKind::Point),
];

/// What a device can watch.
pub const SUBJECTS: Words<Table> = &[("place", Table::Place), ("spot", Table::Spot), ("item", Table::Item)];

/// The tables, as they are called in the store and the audit.
pub const TABLES: Words<Table> = &[
    ("place", Table::Place),
    ("way", Table::Way),
    ("day_part", Table::DayPart),
    ("par", Table::Par),
    ("spot", Table::Spot),
    ("item", Table::Item),
    ("binding", Table::Binding),
    ("shift", Table::Shift),
];

/// How a value is written.
#[must_use]
pub fn word<T: PartialEq>(words: Words<T>, value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

impl Table {
    /// How it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        word(TABLES, &self)
    }

    /// The table that is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLES.iter().find(|(word, _)| *word == name).map(|(_, table)| *table)
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DayPart => "part of the day",
            table => table.name(),
        })
    }
}
