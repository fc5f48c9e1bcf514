//! Places and things, on the wire.

use orderly_core::registry;
use serde::Serialize;
use utoipa::ToSchema;

/// Places, and the ways between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Zones {
    /// The places, by name.
    pub zones: Vec<Zone>,
    /// The ways between them; with the first page.
    pub ways: Vec<Way>,
    /// Goes on after this one, if there may be more.
    pub next: Option<String>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Zone {
    /// Its name; a device's `zone` is one of these.
    pub id: String,
    /// What it is (site, building, floor, hall, ward, parking ...).
    #[schema(example = "hall")]
    pub kind: String,
    /// The place that it is in.
    #[serde(rename = "in")]
    pub within: Option<String>,
    /// How people call it.
    pub name: Named,
    /// Number of its floor, its own or that of the one that it is on.
    pub level: Option<i32>,
    /// How much it holds, where somebody said it.
    pub capacity: Option<u32>,
    /// What else is so of it.
    pub marks: Vec<String>,
}

/// How people call something; what nobody said is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Named {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// A way between two places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Way {
    /// One end.
    pub from: String,
    /// The other.
    pub to: String,
    /// What it is (door, stairs, lift ...).
    pub kind: String,
    /// How long it is.
    pub metres: Option<u32>,
}

/// Parking bays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bays {
    /// The bays, by name.
    pub bays: Vec<Bay>,
    /// Goes on after this one, if there may be more.
    pub next: Option<String>,
}

/// A parking bay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bay {
    /// Its name.
    pub id: String,
    /// Where it is.
    pub zone: Option<String>,
    /// How people call it.
    pub name: Named,
    /// Its attributes (accessible, ev, dropoff ...).
    pub marks: Vec<String>,
    /// Where its pay code leads; empty: nowhere.
    pub link: String,
}

/// Things that move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Items {
    /// The things, by name.
    pub items: Vec<Item>,
    /// Goes on after this one, if there may be more.
    pub next: Option<String>,
}

/// A thing that moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Item {
    /// Its name.
    pub id: String,
    /// Its class.
    pub class: String,
    /// Where it belongs.
    pub home: Option<String>,
    /// What is written on it.
    pub label: String,
}

/// What became of a table of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegistryReport {
    /// Nothing was changed; the counts say what would have been.
    pub dry_run: bool,
    /// Rows that came.
    pub created: u64,
    /// Rows that changed.
    pub changed: u64,
    /// Rows that were so already.
    pub unchanged: u64,
    /// Lines that were not entered.
    pub refused: u64,
    /// Those, in order; at most 1,000 are told.
    pub problems: Vec<super::RefusedLine>,
}

impl From<&registry::Way> for Way {
    fn from(way: &registry::Way) -> Self {
        Self {
            from: way.from.to_string(),
            to: way.to.to_string(),
            kind: registry::cell(&registry::Row::Way(way.clone()), "kind"),
            metres: way.metres,
        }
    }
}

impl Zone {
    /// A place as the registry has it.
    #[must_use]
    pub fn of(place: &registry::Place, registry: &registry::Registry) -> Self {
        Self {
            id: place.id.to_string(),
            kind: registry::cell(&registry::Row::Place(place.clone()), "kind"),
            within: place.within.as_ref().map(ToString::to_string),
            name: Named { zh: place.zh.clone(), en: place.en.clone() },
            level: registry.path(&place.id).find_map(|outer| outer.level),
            capacity: place.capacity,
            marks: place.marks.clone(),
        }
    }
}

impl From<&registry::Spot> for Bay {
    fn from(spot: &registry::Spot) -> Self {
        Self {
            id: spot.id.to_string(),
            zone: spot.zone.as_ref().map(ToString::to_string),
            name: Named { zh: spot.zh.clone(), en: spot.en.clone() },
            marks: spot.marks.clone(),
            link: spot.link.clone(),
        }
    }
}

impl From<&registry::Item> for Item {
    fn from(item: &registry::Item) -> Self {
        Self {
            id: item.id.to_string(),
            class: item.class.to_string(),
            home: item.home.as_ref().map(ToString::to_string),
            label: item.label.clone(),
        }
    }
}
