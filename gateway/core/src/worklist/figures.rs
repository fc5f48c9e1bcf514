//! What a list has done and what it owes: the figures of a shift.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::time::Timestamp;

use crate::task::{State, Task};

/// The figures of one list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Tasks that are not over.
    pub open: u32,
    /// Of those, how many nobody has.
    pub unclaimed: u32,
    /// Of those that are not over, how many should be.
    pub overdue: u32,
    /// Tasks that ended within the span.
    pub done: u32,
    /// The median time from opening to the first claim, of those done that somebody claimed, in milliseconds.
    pub to_claim_ms: Option<i64>,
    /// The median time from opening to the end, of those done, in milliseconds.
    pub to_finish_ms: Option<i64>,
    /// How many of those done ended how.
    pub outcomes: BTreeMap<Arc<str>, u32>,
}

/// The figures of tasks of one list, with those that ended within `[from, now]`.
#[must_use]
pub fn figures<'t>(tasks: impl IntoIterator<Item = &'t Task>, from: Timestamp, now: Timestamp) -> Figures {
    let mut found = Figures::default();
    let (mut claims, mut ends) = (Vec::new(), Vec::new());
    for task in tasks {
        let Some(ended) = task.ended_at.filter(|_| !task.is_open()) else {
            found.open += 1;
            found.unclaimed += u32::from(task.state == State::Open);
            found.overdue += u32::from(task.is_overdue(now));
            continue;
        };
        if ended < from || now < ended {
            continue;
        }
        found.done += 1;
        ends.push(ended.since(task.opened_at));
        claims.extend(task.claimed_at.map(|claimed| claimed.since(task.opened_at)));
        if let Some(outcome) = &task.outcome {
            *found.outcomes.entry(Arc::clone(outcome)).or_default() += 1;
        }
    }
    found.to_claim_ms = median(&mut claims);
    found.to_finish_ms = median(&mut ends);
    found
}

/// The middle one; of an even number the lower of the two in the middle, so that it is one that happened.
fn median(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}
