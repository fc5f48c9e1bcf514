//! `[[check]]`: combinations of values that make each other doubtful, such as diastolic above systolic.

use std::cmp::Ordering;

use super::metric::{Metric, MetricKind, raw_of};
use crate::codec::Sent;
use crate::diagnostic::{Section, nearest};
use crate::reading::Measured;
use crate::value::{Quality, Reason, Value};

const OPERATORS: [&str; 6] = ["<", "<=", ">", ">=", "==", "!="];

/// If `metric op than`, then the marked metrics get a quality and a reason.
#[derive(Debug)]
pub(super) struct Check {
    metric: usize,
    op: usize,
    than: Than,
    marks: Vec<usize>,
    quality: Quality,
    reason: Reason,
}

#[derive(Debug)]
enum Than {
    Metric(usize),
    Number(f64),
    State(String),
}

impl Check {
    /// Reads one `[[check]]`.
    pub(super) fn read(section: &Section<'_, '_>, metrics: &[Metric]) -> Option<Self> {
        let place = |key: &str, name: &str| {
            let found = metrics.iter().position(|metric| metric.name.as_str() == name);
            if found.is_none() {
                let near = nearest(name, metrics.iter().map(|metric| metric.name.as_str()));
                section.wrong(
                    key,
                    format!("{name:?} is no metric here"),
                    near.map(|n| format!("did you mean {n:?}?")),
                );
            }
            found
        };
        let metric = section.need_text("metric").and_then(|name| place("metric", name));
        let op = section.choice("op", &OPERATORS);
        let quality = section.choice("quality", &["bad", "uncertain"]).unwrap_or(0);
        let reason = section.choice("reason", &["implausible", "device_flag"]).unwrap_or(0);
        let marks = section.texts("marks");
        let than = match (metric.map(|n| &metrics[n].kind), section.is_text("than")) {
            (Some(MetricKind::State(states)), _) => {
                let token = section.word("than")?;
                if !states.tokens().any(|known| **known == *token) {
                    let near = nearest(&token, states.tokens().map(|t| &**t))
                        .map(|n| format!("did you mean {n:?}?"));
                    section.wrong("than", format!("{token:?} is not a state of that metric"), near);
                }
                Than::State(token)
            }
            (_, true) => Than::Metric(section.text("than").and_then(|name| place("than", name))?),
            (_, false) => {
                if !section.has("than") {
                    section.wrong("than", "the key \"than\" is missing", None);
                }
                Than::Number(section.number("than")?)
            }
        };
        if op.is_none() && !section.has("op") {
            section.wrong("op", format!("the key \"op\" is missing; one of {}", OPERATORS.join(" ")), None);
        }
        let metric = metric?;
        let marks = match marks {
            Some(names) => names.iter().map(|name| place("marks", name)).collect::<Option<Vec<_>>>()?,
            None => match than {
                Than::Metric(other) => vec![metric, other],
                Than::Number(_) | Than::State(_) => vec![metric],
            },
        };
        Some(Self {
            metric,
            op: op?,
            than,
            marks,
            quality: [Quality::Bad, Quality::Uncertain][quality],
            reason: [Reason::Implausible, Reason::DeviceFlag][reason],
        })
    }

    /// Marks the values if the combination holds; what was sent is then kept with them.
    pub(super) fn apply(&self, metrics: &[Metric], picked: &[Sent<'_>], values: &mut [Measured]) {
        if !self.holds(metrics, values) {
            return;
        }
        for marked in &self.marks {
            let name = &metrics[*marked].name;
            let Some(value) = values.iter_mut().find(|value| value.metric == *name) else { continue };
            if value.quality < self.quality {
                value.quality = self.quality;
                value.reason = Some(self.reason);
                value.raw = value.raw.take().or_else(|| picked.get(*marked).and_then(raw_of));
            }
        }
    }

    fn holds(&self, metrics: &[Metric], values: &[Measured]) -> bool {
        let value_of =
            |n: usize| values.iter().find(|value| value.metric == metrics[n].name).map(|m| &m.value);
        let Some(left) = value_of(self.metric) else { return false };
        let order = match (&self.than, left) {
            (Than::State(token), Value::State(state)) => {
                return match OPERATORS[self.op] {
                    "==" => **state == **token,
                    "!=" => **state != **token,
                    _ => false,
                };
            }
            (Than::Number(than), Value::Number(n)) => n.partial_cmp(than),
            (Than::Metric(other), Value::Number(n)) => {
                value_of(*other).and_then(Value::number).and_then(|than| n.partial_cmp(&than))
            }
            _ => None,
        };
        let Some(order) = order else { return false };
        match OPERATORS[self.op] {
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            "==" => order == Ordering::Equal,
            _ => order != Ordering::Equal,
        }
    }
}
