//! Rules: what must be so for how long, on which class, and what people are then told.
//!
//! A rule never looks at anything but the readings of one device; it knows no alert, no person and no file.

mod calendar;
mod carry;
mod classes;
mod file;
mod group;
mod kept;
mod look;
mod model;
mod replay;
mod set;
mod silence;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod track;
mod vectors;
mod window;

pub use crate::expr::{Aspect, Lowered, MAX_SLOTS, MetricInfo, MetricKind, Slot, Truth};
pub use calendar::{Calendar, CalendarFile, Calendars, Hours, Year};
pub use classes::{ClassTable, is_clinical, is_kept_exactly, late_ms};
pub use file::{ParsedRule, RuleFile, TECHNICAL, holds_calendars};
pub use group::{Group, GroupBy, GroupTrack, Tally};
pub use kept::{Kept, Sample, SlotValue};
pub use model::{Kind, Rule, Source, TaskRule, Threshold};
pub use replay::Raised;
pub use set::{Layout, RuleSet};
pub use state::{Base, Change, MAX_KEPT, Observed, RuleState, life};
pub use text::{Fill, Template, Templates, show_number};
pub use track::{Clocks, NEVER, Phase, SETTLE_MS, Step, Track};
pub use window::{Bucket, Window, put as put_windows, read as read_windows};
