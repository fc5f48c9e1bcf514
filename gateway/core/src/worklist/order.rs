//! The order in which tasks are done: urgency, then how long overdue, then how far beyond (DOMAIN 9.3).

use std::cmp::Ordering;

use crate::time::Timestamp;

use crate::task::Task;

/// Which of two tasks comes first at a moment. What was put off comes last until its time has come.
#[must_use]
pub fn before(a: &Task, b: &Task, now: Timestamp) -> Ordering {
    let waits = |task: &Task| task.is_waiting(now);
    // Who is overdue comes first and the longest overdue before all; of the others the furthest beyond.
    let overdue = |task: &Task| if task.is_overdue(now) { task.due_at } else { Timestamp(i64::MAX) };
    waits(a)
        .cmp(&waits(b))
        .then_with(|| a.severity.cmp(&b.severity))
        .then_with(|| overdue(a).cmp(&overdue(b)))
        .then_with(|| b.excess().total_cmp(&a.excess()))
        .then_with(|| a.due_at.cmp(&b.due_at))
        .then_with(|| a.id.cmp(&b.id))
}
