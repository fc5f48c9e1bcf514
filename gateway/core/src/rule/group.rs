//! Rules on a group: how many devices of a class in one zone, or of the site, are so.
//!
//! Each device has a track of the rule like any other; a group only counts them. Groups live in the time in which
//! they are decided: they are of many devices, and no straggler takes back what was counted.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Section;
use crate::expr::Op;
use crate::time::Timestamp;

use super::track::{Clocks, NEVER, Step};

/// What devices have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// Their zone; who has none is in no group.
    Zone,
    /// The site.
    Site,
}

/// When a group is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// What makes the group.
    pub by: GroupBy,
    /// How the number of its devices for which the rule is so compares.
    pub op: Op,
    /// With what.
    pub limit: f64,
    /// In percent of its devices.
    pub percent: bool,
    /// For how long, in milliseconds.
    pub hold_ms: i64,
    /// For how long it must be over.
    pub clear_after_ms: i64,
}

/// What is counted of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Its devices.
    pub devices: u32,
    /// Those for which the rule is so.
    pub so: u32,
}

/// How far one group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTrack {
    /// Since when it is so; `None`: it is not.
    pub began: Option<Timestamp>,
    /// It was told.
    pub firing: bool,
    /// When it was told last for the beginning of an alert: each has a name of its own.
    pub named: Timestamp,
    /// Since when it is over, though told.
    pub over: Option<Timestamp>,
    /// When the hold or the clear delay ends, in even time; [`NEVER`]: none is on.
    pub due: i64,
}

impl Default for GroupTrack {
    fn default() -> Self {
        Self { began: None, firing: false, named: Timestamp(0), over: None, due: NEVER }
    }
}

impl Group {
    /// Reads `group_by` and `members` of a rule.
    pub fn read(section: &Section<'_, '_>, hold_ms: i64, clear_after_ms: i64) -> Option<Self> {
        let by = section.choice("group_by", &["zone", "site"]);
        let text = section.text("members");
        let found = text.and_then(|text| {
            let found = members(text);
            if found.is_none() {
                section.wrong("members", format!("{text:?} should read like \">= 30 %\" or \"< 2\""), None);
            }
            found
        });
        match (section.has("group_by"), section.has("members")) {
            (true, false) => section.wrong("group_by", "how many of the group? members = \">= 30 %\"", None),
            (false, true) => section.wrong("members", "of which group? group_by = \"zone\"", None),
            _ => {}
        }
        let (op, limit, percent) = found?;
        Some(Self { by: [GroupBy::Zone, GroupBy::Site][by?], op, limit, percent, hold_ms, clear_after_ms })
    }

    /// Whether it is so for these devices. Nothing is so of no device.
    #[must_use]
    pub fn is_so(&self, tally: Tally) -> bool {
        let share = if self.percent { self.percent_of(tally) } else { f64::from(tally.so) };
        tally.devices > 0 && self.op.is_so(share, self.limit)
    }

    /// For how many percent of the devices the rule is so.
    #[must_use]
    pub fn percent_of(&self, tally: Tally) -> f64 {
        100.0 * f64::from(tally.so) / f64::from(tally.devices.max(1))
    }
}

fn members(text: &str) -> Option<(Op, f64, bool)> {
    let text = text.trim();
    let signs = [
        ("<=", Op::LessOrEqual),
        (">=", Op::GreaterOrEqual),
        ("==", Op::Equal),
        ("<", Op::Less),
        (">", Op::Greater),
    ];
    let (sign, op) = signs.into_iter().find(|(sign, _)| text.starts_with(sign))?;
    let rest = text[sign.len()..].trim();
    let (number, percent) = rest.strip_suffix('%').map_or((rest, false), |number| (number.trim(), true));
    let limit: f64 = number.parse().ok()?;
    (limit >= 0.0 && limit.is_finite()).then_some((op, limit, percent))
}

impl GroupTrack {
    /// Looks at what is counted now.
    pub fn look(&mut self, group: &Group, tally: Tally, clocks: Clocks) -> Option<Step> {
        match (group.is_so(tally), self.began) {
            (true, None) => {
                // Two within one millisecond must not share a name.
                let began = clocks.wall.max(self.named.plus_ms(1));
                (self.began, self.named) = (Some(began), began);
                self.due = clocks.even.saturating_add(group.hold_ms);
            }
            (true, Some(_)) if self.over.take().is_some() => self.due = NEVER,
            (false, Some(_)) if !self.firing => (self.began, self.due) = (None, NEVER),
            (false, Some(_)) if self.over.is_none() => {
                self.over = Some(clocks.wall);
                self.due = clocks.even.saturating_add(group.clear_after_ms);
            }
            _ => {}
        }
        self.expire(group, clocks)
    }

    /// Lets the hold or the clear delay end, when it is due.
    pub fn expire(&mut self, group: &Group, clocks: Clocks) -> Option<Step> {
        let began = self.began.filter(|_| self.due <= clocks.even)?;
        self.due = NEVER;
        if let Some(over) = self.over.take() {
            (self.began, self.firing) = (None, false);
            return Some(Step::Cleared { began, at: over.plus_ms(group.clear_after_ms) });
        }
        self.firing = true;
        Some(Step::Fired { began, at: began.plus_ms(group.hold_ms) })
    }
}
