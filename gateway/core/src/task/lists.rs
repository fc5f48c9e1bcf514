//! The lists that Orderly knows: whose day they follow and how their tasks mostly end. A site may name others.

use std::sync::Arc;

use crate::diagnostic::nearest;
use crate::ids::ListId;

use super::Task;
use super::outcome::OUTCOMES;

/// Whose day a list follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    /// Somebody is there day and night.
    Always,
    /// Working days in office hours.
    Office,
    /// As the office; people are called at home, so days count and not hours (DOMAIN 2.6).
    FollowUp,
}

/// A list that Orderly knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// Its name.
    pub id: &'static str,
    /// Whose day it follows.
    pub desk: Desk,
    /// How its tasks mostly end.
    pub outcomes: &'static [&'static str],
}

/// The lists that the shipped rules use, and those that the boards have words for.
pub const LISTS: &[List] = &[
    List {
        id: "guard_round",
        desk: Desk::Always,
        outcomes: &["moved", "owner_called", "released", "guard_on_site", "false_sensor", "not_found"],
    },
    List {
        id: "wheelchairs",
        desk: Desk::Always,
        outcomes: &["returned", "found", "not_found", "moved", "cleaned", "repaired", "false_sensor"],
    },
    List {
        id: "transport",
        desk: Desk::Always,
        outcomes: &["moved", "returned", "attended", "cleaned", "vendor_called", "false_alarm"],
    },
    List {
        id: "repair",
        desk: Desk::Always,
        outcomes: &[
            "repaired",
            "vendor_called",
            "restocked",
            "device_swapped",
            "false_sensor",
            "false_alarm",
        ],
    },
    List {
        id: "information",
        desk: Desk::Office,
        outcomes: &[
            "repaired",
            "restocked",
            "vendor_called",
            "device_swapped",
            "false_sensor",
            "false_alarm",
        ],
    },
    List {
        id: "medical_engineering",
        desk: Desk::Office,
        outcomes: &["repaired", "device_swapped", "vendor_called", "false_alarm"],
    },
    List {
        id: "security",
        desk: Desk::Always,
        outcomes: &["guard_on_site", "attended", "rapid_response", "false_alarm"],
    },
    List {
        id: "pharmacy",
        desk: Desk::Office,
        outcomes: &["restocked", "door_closed", "explained", "recount_ok", "recount_adjusted", "false_alarm"],
    },
    List {
        id: "follow_up",
        desk: Desk::FollowUp,
        outcomes: &["contacted_ok", "visit_booked", "education", "artefact", "wrong_person", "unreachable"],
    },
    List {
        id: "commands",
        desk: Desk::Always,
        outcomes: &["attended", "repaired", "explained", "false_alarm"],
    },
    List {
        id: "gateway",
        desk: Desk::Office,
        outcomes: &["repaired", "device_swapped", "explained", "false_alarm"],
    },
];

/// The list of this name, if Orderly knows it.
#[must_use]
pub fn known_list(list: &str) -> Option<&'static List> {
    LISTS.iter().find(|known| known.id == list)
}

/// Checks the name of a list: one that is nearly a known one is a slip of the pen, any other is the site's own.
///
/// # Errors
/// A sentence with the name that was meant.
pub fn check_list(list: &ListId) -> Result<(), String> {
    if known_list(list.as_str()).is_some() {
        return Ok(());
    }
    match nearest(list.as_str(), LISTS.iter().map(|list| list.id)) {
        Some(near) => Err(format!("there is no list {list:?}; did you mean {near:?}?")),
        None => Ok(()),
    }
}

/// The outcomes that a person chooses from: what the reasons that are left offer, else those of the list, else all.
#[must_use]
pub fn outcomes_of(task: &Task) -> Vec<Arc<str>> {
    let mut offered: Vec<Arc<str>> = Vec::new();
    for code in task.left().flat_map(|reason| &reason.outcomes) {
        if !offered.contains(code) {
            offered.push(Arc::clone(code));
        }
    }
    if offered.is_empty() {
        let of_list = known_list(task.list.as_str()).map_or(OUTCOMES, |list| list.outcomes);
        offered = of_list.iter().map(|code| Arc::from(*code)).collect();
    }
    offered
}
