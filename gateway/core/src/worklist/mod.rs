//! The worklist: what somebody has to do. One open task for each subject and list, with all its reasons.
//!
//! Rules raise alerts; an alert whose rule names a list makes a task there or joins the open one. A task never says by
//! itself whether something is so: it holds the names of its alerts, follows what they do, and what people do about it
//! is told back as [`Effect`]s on them. No clock, no files: every step brings its time.

mod book;
mod due;
mod figures;
mod order;
mod people;
#[cfg(test)]
mod tests;

pub use book::{Effect, Raised, When, Worklist};
pub use due::{Calendar, due, is_weekday};
pub use figures::{Figures, figures};
pub use order::before;
pub use people::{Made, New, Who};

/// How long the end of a task is remembered: so long the same cause makes it go on instead of making a new one
/// (DOMAIN 9.4).
pub const SAME_CAUSE_MS: i64 = 30 * 60_000;

/// For how long a person may open a task again.
pub const REOPEN_MS: i64 = 24 * 3_600_000;
