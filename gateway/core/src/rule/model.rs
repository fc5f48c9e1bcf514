//! Rules in the form that runs, put together for each class.

use std::sync::Arc;

use crate::alert::Severity;
use crate::ids::{ClassId, ListId, MetricId, RuleId};

use super::calendar::Hours;
use super::group::Group;
use super::text::Templates;
use crate::expr::{Lowered, Slot, Truth};

/// A condition on values with a hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What must be so.
    pub when: Lowered,
    /// For how long, in milliseconds.
    pub hold_ms: i64,
    /// While this is so nobody is told, because another rule tells it already.
    pub unless: Option<Lowered>,
    /// What ends it; `None`: that `when` is no longer so.
    pub clear: Option<Lowered>,
    /// For how long that must be so.
    pub clear_after_ms: i64,
    /// The slots that its conditions look at, as bits; of functions those that they are of, too.
    pub mask: u64,
    /// The slots of functions among them.
    pub overs: u64,
}

impl Threshold {
    /// Whether the condition is so. What was never measured makes nothing so.
    #[must_use]
    pub fn is_so(&self, values: &[f64]) -> bool {
        self.when.eval(values) == Truth::True
    }

    /// Whether it must be kept back: what was never measured keeps nothing back.
    #[must_use]
    pub fn is_kept_back(&self, values: &[f64]) -> bool {
        self.unless.as_ref().is_some_and(|unless| unless.eval(values) == Truth::True)
    }

    /// Whether an alert of this rule is over.
    #[must_use]
    pub fn is_clear(&self, values: &[f64]) -> bool {
        match &self.clear {
            Some(clear) => clear.eval(values) == Truth::True,
            None => !self.is_so(values),
        }
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Values.
    Threshold(Threshold),
    /// That no good value of a metric was taken for so long.
    MetricSilence {
        /// The metric.
        metric: MetricId,
        /// How long, in milliseconds.
        after_ms: i64,
        /// Whether it is asked only when the calendar opens: whether none was taken since so long before.
        once: bool,
    },
    /// That the device was not heard for so much listening time; `None`: twice what its profile expects.
    DeviceSilence {
        /// How long, in milliseconds.
        after_ms: Option<i64>,
    },
}

/// Where a rule's figures come from (DOMAIN, evidence marks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Verified in a public source.
    V,
    /// Recalled from a named standard; to be checked.
    R,
    /// Our own default.
    D,
}

/// What somebody has to do about the alerts of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRule {
    /// On which list it is put.
    pub list: ListId,
    /// How it can end; empty: as tasks of that list do.
    pub outcomes: Vec<Arc<str>>,
    /// A person must say how it ended, also when it is over by itself; `None`: as its urgency says.
    pub needs_outcome: Option<bool>,
    /// A second person must sign.
    pub second_signer: bool,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// The class that it is for.
    pub class: ClassId,
    /// What it looks at.
    pub kind: Kind,
    /// How urgent its alerts are.
    pub severity: Severity,
    /// Who must act.
    pub team: Arc<str>,
    /// What its alerts say.
    pub text: Templates,
    /// The group that it counts devices of; `None`: each device is told.
    pub group: Option<Group>,
    /// When it looks; `None`: always.
    pub hours: Option<Arc<Hours>>,
    /// The task that its alerts make; `None`: none.
    pub task: Option<Arc<TaskRule>>,
    /// How old a reading may be for it, in milliseconds; `None`: the class's bound.
    pub late_ms: Option<i64>,
    /// Where its figures come from.
    pub source: Source,
}

impl Rule {
    /// The metric that the rule is about, when it is about one.
    #[must_use]
    pub fn metric<'s>(&'s self, slots: &'s [Slot]) -> Option<&'s MetricId> {
        match &self.kind {
            Kind::Threshold(threshold) => {
                let mut used =
                    (0..slots.len()).filter(|n| threshold.mask >> n & 1 == 1).map(|n| &slots[n].metric);
                let first = used.next()?;
                used.all(|other| other == first).then_some(first)
            }
            Kind::MetricSilence { metric, .. } => Some(metric),
            Kind::DeviceSilence { .. } => None,
        }
    }
}
