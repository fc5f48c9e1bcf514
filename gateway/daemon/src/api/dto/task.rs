//! Tasks on the wire.

use std::collections::BTreeMap;

use orderly_core::task as core;
use orderly_core::worklist;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Moment, Severity, Text, name};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Nobody has it.
    Open,
    /// Somebody has it.
    Claimed,
    /// It is over.
    Done,
}

/// Why there is a task.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Reason {
    /// The alert; null: a person said it.
    pub alert: Option<String>,
    /// The rule of the alert.
    pub rule: Option<String>,
    /// How urgent.
    pub severity: Severity,
    /// What it says.
    pub text: Text,
    /// Since when.
    pub at: Moment,
    /// By how much the value is beyond what the rule allows, as a share of that.
    pub excess: f64,
    /// When it was over by itself.
    pub cleared_at: Option<Moment>,
    /// Nothing is left to be done about it.
    pub settled: bool,
    /// How often it came up in this task.
    pub times: u32,
}

/// What somebody has to do about one subject.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Task {
    /// Its name.
    #[schema(example = "4c1e0f77b2a90d35")]
    pub id: String,
    /// The list that it stands on.
    pub list: String,
    /// What it is about.
    pub subject: String,
    /// The device, where it is about one.
    pub device: Option<String>,
    /// Class of the device.
    pub class: Option<String>,
    /// Zone of the device when the task was made.
    pub zone: Option<String>,
    /// The most urgent of what is left.
    pub severity: Severity,
    /// Why, in the order in which it came.
    pub reasons: Vec<Reason>,
    /// Where it stands.
    pub state: TaskState,
    /// Who has it, or had it last; an opaque reference.
    pub owner: Option<String>,
    /// When it was made.
    pub created_at: Moment,
    /// When it was made or opened again.
    pub opened_at: Moment,
    /// Until when it should be done.
    pub due_at: Moment,
    /// When somebody took it first, since it was opened.
    pub claimed_at: Option<Moment>,
    /// It was put off until then.
    pub waits_until: Option<Moment>,
    /// How often somebody tried in vain.
    pub attempts: u32,
    /// How often it was opened again.
    pub reopened: u32,
    /// When it was over.
    pub ended_at: Option<Moment>,
    /// How it ended.
    pub outcome: Option<String>,
    /// What was said with it.
    pub note: Option<String>,
    /// Who signed as the second.
    pub signer: Option<String>,
    /// The outcomes to choose from.
    pub outcomes: Vec<String>,
    /// Those of them that ask for a note.
    pub note_for: Vec<String>,
    /// Those of them that ask for a second signer.
    pub second_for: Vec<String>,
    /// Number of its last step.
    pub steps: u32,
}

/// Tasks in the order in which they should be done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Tasks {
    /// The tasks.
    pub tasks: Vec<Task>,
}

/// One step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaskStep {
    /// Its number within the task, from 1.
    pub number: u32,
    /// What happened: opened, joined, cleared, settled, seen, claimed, released, handed_over, attempted, snoozed,
    /// finished or reopened.
    #[schema(example = "claimed")]
    pub what: String,
    /// Who did it; null: it happened.
    pub actor: Option<String>,
    /// Who has the task after it.
    pub owner: Option<String>,
    /// When it happened.
    pub at: Moment,
    /// When the gateway decided it.
    pub decided_at: Moment,
    /// The journal record that caused it.
    pub seq: u64,
    /// The alert that caused it.
    pub alert: Option<String>,
    /// When it is due, or until when it was put off.
    pub until: Option<Moment>,
    /// How it ended.
    pub outcome: Option<String>,
    /// What was said.
    pub note: Option<String>,
    /// Who signed as the second.
    pub signer: Option<String>,
}

/// One task and its steps.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TaskDetail {
    /// The task.
    pub task: Task,
    /// Its steps in order.
    pub steps: Vec<TaskStep>,
}

/// What an order about a task came to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Worked {
    /// The journal record of the order.
    pub seq: u64,
    /// The task after it.
    pub task: Task,
}

/// What the end of a shift came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HandedOver {
    /// The journal record of the order.
    pub seq: u64,
    /// How many tasks went over.
    pub tasks: u64,
}

/// The figures of one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListFigures {
    /// The list.
    pub list: String,
    /// Tasks that are not over.
    pub open: u32,
    /// Of those, how many nobody has.
    pub unclaimed: u32,
    /// Of those that are not over, how many should be.
    pub overdue: u32,
    /// Tasks that ended since `from`.
    pub done: u32,
    /// The median seconds from opening to the first claim, of those done.
    pub to_claim_s: Option<i64>,
    /// The median seconds from opening to the end, of those done.
    pub to_finish_s: Option<i64>,
    /// How many of those done ended how.
    pub outcomes: BTreeMap<String, u32>,
}

/// The figures of all lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Lists {
    /// The lists that have a task that is open or ended since `from`, by name.
    pub lists: Vec<ListFigures>,
    /// From when on ended tasks count.
    pub from: Moment,
    /// When this was so.
    pub now: Moment,
}

impl ListFigures {
    /// The figures of a list on the wire.
    #[must_use]
    pub fn new(list: &str, found: &worklist::Figures) -> Self {
        Self {
            list: list.to_owned(),
            open: found.open,
            unclaimed: found.unclaimed,
            overdue: found.overdue,
            done: found.done,
            to_claim_s: found.to_claim_ms.map(|ms| ms / 1_000),
            to_finish_s: found.to_finish_ms.map(|ms| ms / 1_000),
            outcomes: found.outcomes.iter().map(|(code, n)| (code.to_string(), *n)).collect(),
        }
    }
}

impl From<&core::Reason> for Reason {
    fn from(reason: &core::Reason) -> Self {
        Self {
            alert: reason.alert.as_deref().map(str::to_owned),
            rule: reason.rule.as_ref().map(name),
            severity: reason.severity.into(),
            text: Text { zh: reason.text.zh.to_string(), en: reason.text.en.to_string() },
            at: Moment(reason.at),
            excess: reason.excess,
            cleared_at: reason.cleared_at.map(Moment),
            settled: reason.settled,
            times: reason.times,
        }
    }
}

impl From<&core::Task> for Task {
    fn from(task: &core::Task) -> Self {
        let outcomes: Vec<String> = core::outcomes_of(task).iter().map(ToString::to_string).collect();
        let asking = |asks: &dyn Fn(&str) -> bool| {
            outcomes.iter().filter(|code| asks(code)).cloned().collect::<Vec<_>>()
        };
        let second = task.second_signer();
        Self {
            id: task.id.to_string(),
            list: name(&task.list),
            subject: task.subject.to_string(),
            device: task.device.as_ref().map(name),
            class: task.class.as_ref().map(name),
            zone: task.zone.as_ref().map(name),
            severity: task.severity.into(),
            reasons: task.reasons.iter().map(Reason::from).collect(),
            state: match task.state {
                core::State::Open => TaskState::Open,
                core::State::Claimed => TaskState::Claimed,
                core::State::Done => TaskState::Done,
            },
            owner: task.owner.as_ref().map(name),
            created_at: Moment(task.created_at),
            opened_at: Moment(task.opened_at),
            due_at: Moment(task.due_at),
            claimed_at: task.claimed_at.map(Moment),
            waits_until: task.waits_until.map(Moment),
            attempts: task.attempts,
            reopened: task.reopened,
            ended_at: task.ended_at.map(Moment),
            outcome: task.outcome.as_deref().map(str::to_owned),
            note: task.note.clone(),
            signer: task.signer.as_ref().map(name),
            note_for: asking(&core::needs_note),
            second_for: asking(&|code| second || core::needs_second(code)),
            outcomes,
            steps: task.steps,
        }
    }
}

impl From<&core::Step> for TaskStep {
    fn from(step: &core::Step) -> Self {
        Self {
            number: step.number,
            what: step.what.name().to_owned(),
            actor: step.actor.as_ref().map(name),
            owner: step.owner.as_ref().map(name),
            at: Moment(step.at),
            decided_at: Moment(step.decided_at),
            seq: step.seq,
            alert: step.alert.as_deref().map(str::to_owned),
            until: step.until.map(Moment),
            outcome: step.outcome.as_deref().map(str::to_owned),
            note: step.note.clone(),
            signer: step.signer.as_ref().map(name),
        }
    }
}
