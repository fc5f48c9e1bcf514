//! How tasks and alerts end (DOMAIN 9.5), and what an end asks for.

use crate::diagnostic::nearest;

/// The codes with which a person ends something.
pub const OUTCOMES: &[&str] = &[
    "contacted_ok",
    "med_adjusted",
    "visit_booked",
    "sent_emergency",
    "referred",
    "education",
    "artefact",
    "wrong_person",
    "device_problem",
    "unreachable",
    "declined",
    "died",
    "moved",
    "returned",
    "found",
    "not_found",
    "cleaned",
    "repaired",
    "vendor_called",
    "owner_called",
    "released",
    "guard_on_site",
    "false_sensor",
    "restocked",
    "removed_expired",
    "quarantined",
    "scrapped",
    "released_after_review",
    "recount_ok",
    "recount_adjusted",
    "explained",
    "reported_loss",
    "door_closed",
    "probe_replaced",
    "false_alarm",
    "attended",
    "doctor_informed",
    "rapid_response",
    "lead_refitted",
    "device_swapped",
];

/// Stands as outcome of a task whose reasons were over by themselves.
pub const CLEARED: &str = "cleared";

/// Stands as outcome of an alert that needed nobody.
pub const AUTO_CLEARED: &str = "auto_cleared";

/// Stands as outcome of an alert that came up again in the same task, which goes on with the new one.
pub const AGAIN: &str = "came_again";

/// The fewest letters of a note that is asked for.
pub const NOTE_LETTERS: usize = 4;

/// Whether an outcome asks for a note.
#[must_use]
pub fn needs_note(outcome: &str) -> bool {
    ["med_adjusted", "recount_adjusted", "reported_loss", "false_alarm"].contains(&outcome)
}

/// Whether an outcome asks for a second signer, whatever the rule says.
#[must_use]
pub fn needs_second(outcome: &str) -> bool {
    ["scrapped", "reported_loss"].contains(&outcome)
}

/// Checks that a code is one.
///
/// # Errors
/// A sentence with the code that was meant.
pub fn check_outcome(outcome: &str) -> Result<(), String> {
    if OUTCOMES.contains(&outcome) {
        return Ok(());
    }
    let near = nearest(outcome, OUTCOMES.iter().copied());
    let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    Err(format!("{outcome:?} is no outcome code{hint}"))
}
