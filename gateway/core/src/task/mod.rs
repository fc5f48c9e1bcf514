//! A task of the worklist, its reasons and its steps; the lists there are, and how tasks end.

mod lists;
mod outcome;

pub use lists::{Desk, LISTS, List, check_list, known_list, outcomes_of};
pub use outcome::{
    AGAIN, AUTO_CLEARED, CLEARED, NOTE_LETTERS, OUTCOMES, check_outcome, needs_note, needs_second,
};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::{Severity, Text};
use crate::ids::{ActorId, ClassId, DeviceId, ListId, RuleId, ZoneId};
use crate::record::Seq;
use crate::time::Timestamp;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has it.
    Open,
    /// Somebody has it.
    Claimed,
    /// It is over.
    Done,
}

impl State {
    /// Its name, as it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Claimed => "claimed",
            Self::Done => "done",
        }
    }
}

/// Why there is a task: an alert, or what a person said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The alert; `None`: a person said it.
    pub alert: Option<Arc<str>>,
    /// The rule of the alert.
    pub rule: Option<RuleId>,
    /// How urgent.
    pub severity: Severity,
    /// What it says.
    pub text: Text,
    /// Since when it is so.
    pub at: Timestamp,
    /// By how much the value was beyond what the rule allows, as a share of that; 0 where there is no such number.
    pub excess: f64,
    /// The outcomes that its rule offers; empty: those of the list.
    pub outcomes: Vec<Arc<str>>,
    /// A person must say how it ended, also when it is over by itself.
    pub needs_outcome: bool,
    /// A second person must sign.
    pub second_signer: bool,
    /// When it was over by itself.
    pub cleared_at: Option<Timestamp>,
    /// Nothing is left to be done about it.
    pub settled: bool,
    /// How often it came up in this task.
    pub times: u32,
}

/// What somebody has to do about one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// 16 hex digits of a hash: the same in every replay.
    pub id: Arc<str>,
    /// The list that it stands on.
    pub list: ListId,
    /// What it is about: the name of a device, or a person's words.
    pub subject: Arc<str>,
    /// The device, where it is about one.
    pub device: Option<DeviceId>,
    /// Class of the device.
    pub class: Option<ClassId>,
    /// Zone of the device when the task was made.
    pub zone: Option<ZoneId>,
    /// The most urgent of what is left; when all is settled, of what was.
    pub severity: Severity,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Where it stands.
    pub state: State,
    /// Who has it, or had it last.
    pub owner: Option<ActorId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or opened again.
    pub opened_at: Timestamp,
    /// Until when it should be done.
    pub due_at: Timestamp,
    /// When somebody took it first, since it was opened.
    pub claimed_at: Option<Timestamp>,
    /// Since when its owner has it.
    pub owned_at: Option<Timestamp>,
    /// It was put off until then.
    pub waits_until: Option<Timestamp>,
    /// How often it was put off.
    pub snoozes: u32,
    /// How often somebody tried in vain.
    pub attempts: u32,
    /// How often it was opened again.
    pub reopened: u32,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// The same by the engine's even clock.
    pub ended_even: Option<i64>,
    /// How it ended.
    pub outcome: Option<Arc<str>>,
    /// What was said with it.
    pub note: Option<String>,
    /// Who signed as the second.
    pub signer: Option<ActorId>,
    /// Number of its last step, from 1.
    pub steps: u32,
}

impl Task {
    /// Whether something is left to be done.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Done)
    }

    /// The reasons that are not settled.
    pub fn left(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter().filter(|reason| !reason.settled)
    }

    /// By how much the worst of what is left is beyond what is allowed.
    #[must_use]
    pub fn excess(&self) -> f64 {
        self.left().map(|reason| reason.excess).fold(0.0, f64::max)
    }

    /// Whether a second person must sign.
    #[must_use]
    pub fn second_signer(&self) -> bool {
        self.left().any(|reason| reason.second_signer)
    }

    /// Whether it should have been done by now.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && self.due_at < now
    }

    /// Whether it was put off and its time has not come.
    #[must_use]
    pub fn is_waiting(&self, now: Timestamp) -> bool {
        self.is_open() && self.waits_until.is_some_and(|until| now < until)
    }

    /// Takes the urgency of what is left.
    pub(crate) fn weigh(&mut self) {
        if let Some(severity) = self.left().map(|reason| reason.severity).min() {
            self.severity = severity;
        }
    }
}

/// What happened to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It was made.
    Opened,
    /// One more reason.
    Joined,
    /// A reason is over by itself.
    Cleared,
    /// A reason was closed with its alert.
    Settled,
    /// Somebody has seen it.
    Seen,
    /// Somebody took it.
    Claimed,
    /// Nobody has it any more.
    Released,
    /// It was given to somebody.
    HandedOver,
    /// Somebody tried in vain.
    Attempted,
    /// It was put off.
    Snoozed,
    /// It is over.
    Finished,
    /// It was opened again.
    Reopened,
}

impl What {
    /// Its name, as it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Joined => "joined",
            Self::Cleared => "cleared",
            Self::Settled => "settled",
            Self::Seen => "seen",
            Self::Claimed => "claimed",
            Self::Released => "released",
            Self::HandedOver => "handed_over",
            Self::Attempted => "attempted",
            Self::Snoozed => "snoozed",
            Self::Finished => "finished",
            Self::Reopened => "reopened",
        }
    }
}

/// One step of a task: what the audit can prove and the page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The task.
    pub task: Arc<str>,
    /// Number of the step within the task, from 1.
    pub number: u32,
    /// What happened.
    pub what: What,
    /// Who did it; `None`: nobody, it happened.
    pub actor: Option<ActorId>,
    /// Who has the task after it.
    pub owner: Option<ActorId>,
    /// When it happened.
    pub at: Timestamp,
    /// When the gateway decided it.
    pub decided_at: Timestamp,
    /// The record that caused it.
    pub seq: Seq,
    /// The alert that caused it.
    pub alert: Option<Arc<str>>,
    /// When it is due, or until when it was put off.
    pub until: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Arc<str>>,
    /// What was said.
    pub note: Option<String>,
    /// Who signed as the second.
    pub signer: Option<ActorId>,
}
