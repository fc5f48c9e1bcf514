//! An alert: one occurrence of a rule on one subject, on two axes (DESIGN section 5).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{ActorId, ClassId, DeviceId, MetricId, RuleId, ZoneId};
use crate::record::Seq;
use crate::time::Timestamp;

/// Whether what the rule describes is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is so, but not yet for as long as the rule demands.
    Pending,
    /// It is so.
    Firing,
    /// It is no longer so.
    Cleared,
}

/// What people have done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// Nobody has taken notice.
    Open,
    /// Somebody has seen it.
    Acknowledged,
    /// It was given to somebody.
    Assigned,
    /// Somebody works on it.
    InProgress,
    /// It is over, with an outcome code.
    Closed,
}

/// How urgent (DOMAIN section 1): P1 act now, P2 high, P3 medium, P4 low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// 紧急: act now.
    P1,
    /// 高.
    P2,
    /// 中.
    P3,
    /// 低 / 提示.
    P4,
}

impl Severity {
    /// The urgency with this number, 1 to 4 for P1 to P4.
    #[must_use]
    pub const fn from_number(n: u8) -> Option<Self> {
        match n {
            1 => Some(Self::P1),
            2 => Some(Self::P2),
            3 => Some(Self::P3),
            4 => Some(Self::P4),
            _ => None,
        }
    }
}

/// A text in both languages of the boards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text {
    /// Chinese, simplified.
    pub zh: Arc<str>,
    /// English.
    pub en: Arc<str>,
}

/// One occurrence of a rule on one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// 16 hex digits of the hash of rule, subject and `began_at` (and of the record that put the rule back, if
    /// it had been taken away); the same in every replay and every notice.
    pub id: Arc<str>,
    /// The rule.
    pub rule: RuleId,
    /// The device it is about.
    pub device: DeviceId,
    /// Class of the device.
    pub class: ClassId,
    /// Zone of the device when it fired.
    pub zone: Option<ZoneId>,
    /// The metric, if the rule looks at one.
    pub metric: Option<MetricId>,
    /// How urgent.
    pub severity: Severity,
    /// Who must act.
    pub team: Arc<str>,
    /// What it says, with the values filled in.
    pub text: Text,
    /// Is it so?
    pub condition: Condition,
    /// What have people done?
    pub handling: Handling,
    /// Who did the last step, if somebody did.
    pub handled_by: Option<ActorId>,
    /// Outcome code, once closed.
    pub outcome: Option<Arc<str>>,
    /// When the state began, in event time.
    pub began_at: Timestamp,
    /// When it fired, if it did.
    pub fired_at: Option<Timestamp>,
    /// When it cleared, if it did.
    pub cleared_at: Option<Timestamp>,
    /// Why it cleared, when that was not the rule's own clear condition (`late_reading`, `rule_removed`).
    pub cleared_reason: Option<Arc<str>>,
    /// Number of its last transition, from 1.
    pub transition: u32,
}

/// One step of an alert: what the notifier sends and the audit can prove.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The alert.
    pub alert: Arc<str>,
    /// The rule.
    pub rule: RuleId,
    /// The subject.
    pub device: DeviceId,
    /// Number of the step within the alert, from 1.
    pub number: u32,
    /// The condition after it.
    pub condition: Condition,
    /// The handling after it.
    pub handling: Handling,
    /// The event time of what caused it: `taken_at` of the reading, or the due time of the timer.
    pub at: Timestamp,
    /// When the gateway decided it (wall clock of the record).
    pub decided_at: Timestamp,
    /// The record that caused it.
    pub seq: Seq,
}
