//! Alerts on the wire.

use orderly_core::alert as core;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Moment, name};

/// Whether what the rule describes is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// So, but not yet for long enough.
    Pending,
    /// So.
    Firing,
    /// No longer so.
    Cleared,
}

/// What people have done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
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
    /// It is over.
    Closed,
}

/// How urgent: P1 act now, P2 high, P3 medium, P4 low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Severity {
    /// Act now.
    P1,
    /// High.
    P2,
    /// Medium.
    P3,
    /// Low.
    P4,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Text {
    /// Chinese, simplified.
    pub zh: String,
    /// English.
    pub en: String,
}

/// One occurrence of a rule on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alert {
    /// The same in every notice.
    #[schema(example = "9f2c0a6be4d11873")]
    pub id: String,
    /// The rule.
    pub rule: String,
    /// The device it is about.
    pub device: String,
    /// Class of the device.
    pub class: String,
    /// Zone of the device when it fired.
    pub zone: Option<String>,
    /// The metric, if the rule looks at one.
    pub metric: Option<String>,
    /// How urgent.
    pub severity: Severity,
    /// Who must act.
    pub team: String,
    /// What it says.
    pub text: Text,
    /// Is it so?
    pub condition: Condition,
    /// What have people done?
    pub handling: Handling,
    /// Who did the last step; an opaque reference.
    pub handled_by: Option<String>,
    /// Outcome code, once closed.
    pub outcome: Option<String>,
    /// When the state began.
    pub began_at: Moment,
    /// When it fired.
    pub fired_at: Option<Moment>,
    /// When it cleared.
    pub cleared_at: Option<Moment>,
    /// Why it cleared, when that was not the rule's own clear condition.
    pub cleared_reason: Option<String>,
    /// Number of its last step, from 1.
    pub transition: u32,
}

/// Alerts, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alerts {
    /// The alerts.
    pub alerts: Vec<Alert>,
}

/// One step of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Transition {
    /// Number of the step, from 1.
    pub number: u32,
    /// The condition after it.
    pub condition: Condition,
    /// The handling after it.
    pub handling: Handling,
    /// When what caused it was so.
    pub at: Moment,
    /// When the gateway decided it.
    pub decided_at: Moment,
    /// The journal record that caused it.
    pub seq: u64,
}

/// One alert and its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertDetail {
    /// The alert.
    pub alert: Alert,
    /// Its steps in order.
    pub transitions: Vec<Transition>,
}

/// What an order about an alert came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Handled {
    /// The journal record of the order.
    pub seq: u64,
    /// The alert after it.
    pub alert: Alert,
}

impl From<&core::Alert> for Alert {
    fn from(alert: &core::Alert) -> Self {
        Self {
            id: alert.id.to_string(),
            rule: name(&alert.rule),
            device: name(&alert.device),
            class: name(&alert.class),
            zone: alert.zone.as_ref().map(name),
            metric: alert.metric.as_ref().map(name),
            severity: alert.severity.into(),
            team: alert.team.to_string(),
            text: Text { zh: alert.text.zh.to_string(), en: alert.text.en.to_string() },
            condition: alert.condition.into(),
            handling: alert.handling.into(),
            handled_by: alert.handled_by.as_ref().map(name),
            outcome: alert.outcome.as_deref().map(str::to_owned),
            began_at: Moment(alert.began_at),
            fired_at: alert.fired_at.map(Moment),
            cleared_at: alert.cleared_at.map(Moment),
            cleared_reason: alert.cleared_reason.as_deref().map(str::to_owned),
            transition: alert.transition,
        }
    }
}

impl From<&core::Transition> for Transition {
    fn from(step: &core::Transition) -> Self {
        Self {
            number: step.number,
            condition: step.condition.into(),
            handling: step.handling.into(),
            at: Moment(step.at),
            decided_at: Moment(step.decided_at),
            seq: step.seq,
        }
    }
}

impl From<core::Severity> for Severity {
    fn from(severity: core::Severity) -> Self {
        match severity {
            core::Severity::P1 => Self::P1,
            core::Severity::P2 => Self::P2,
            core::Severity::P3 => Self::P3,
            core::Severity::P4 => Self::P4,
        }
    }
}

impl From<core::Condition> for Condition {
    fn from(condition: core::Condition) -> Self {
        match condition {
            core::Condition::Pending => Self::Pending,
            core::Condition::Firing => Self::Firing,
            core::Condition::Cleared => Self::Cleared,
        }
    }
}

impl From<core::Handling> for Handling {
    fn from(handling: core::Handling) -> Self {
        match handling {
            core::Handling::Open => Self::Open,
            core::Handling::Acknowledged => Self::Acknowledged,
            core::Handling::Assigned => Self::Assigned,
            core::Handling::InProgress => Self::InProgress,
            core::Handling::Closed => Self::Closed,
        }
    }
}
