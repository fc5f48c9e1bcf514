//! Alerts: one occurrence of a rule on a device, its steps, and the notices about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::{Alert, Condition, Handling, Severity, Text, Transition};
use crate::ids::{DeviceId, RuleId};
use crate::output::Notice;
use crate::reading::Measured;
use crate::record::Seq;
use crate::rule::{Change, Fill, Rule, RuleSet, Step, is_clinical, show_number};
use crate::task::AUTO_CLEARED;
use crate::time::Timestamp;
use crate::value::{Missing, Value};

use super::Engine;
use super::batch::Batch;
use super::register::Device;
use super::technical::is_technical;

/// Alerts that are not over.
pub(super) type Alerts = BTreeMap<Arc<str>, Alert>;

/// Why an alert was cleared, when that was not its own clear condition.
const LATE_READING: &str = "late_reading";

/// The name of an alert: the same in every replay and every notice.
///
/// `life` is 0 but for a rule that came to a device that was there before it.
pub(super) fn alert_id(rule: &RuleId, device: &DeviceId, began: Timestamp, life: u32) -> Arc<str> {
    let mut hasher = blake3::Hasher::new();
    for part in [rule.as_str(), device.as_str()] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    hasher.update(&began.0.to_le_bytes());
    if life != 0 {
        hasher.update(&life.to_le_bytes());
    }
    Arc::from(&hasher.finalize().to_hex()[..16])
}

impl Engine {
    /// Makes alerts of what the rules of a device decided.
    pub(super) fn carry_out(&mut self, number: usize, set: &Arc<RuleSet>, changes: &[Change], seq: Seq) {
        for change in changes {
            let Some(rule) = set.rules.get(usize::from(change.rule)) else { continue };
            if rule.group.is_some() {
                self.member(number, rule, change.rule);
                continue;
            }
            let device = self.register.get(number);
            let life = device.twin.rules.tracks.get(usize::from(change.rule)).map_or(0, |track| track.life);
            let name = |began| alert_id(&rule.id, &device.row.device, began, life);
            match change.step {
                Step::Fired { began, at } => {
                    let id = name(began);
                    self.fire(id, number, set, rule, (began, at), seq);
                }
                Step::Cleared { began, at } => {
                    let id = name(began);
                    self.clear(&id, at, change.by_straggler.then_some(LATE_READING), seq);
                }
            }
        }
    }

    fn fire(
        &mut self,
        id: Arc<str>,
        number: usize,
        set: &RuleSet,
        rule: &Rule,
        (began, at): (Timestamp, Timestamp),
        seq: Seq,
    ) {
        let device = self.register.get(number);
        let alert = Alert {
            id: Arc::clone(&id),
            rule: rule.id.clone(),
            device: device.row.device.clone(),
            class: device.row.class.clone(),
            zone: self.zone_of(&device.row.device, device.row.zone.as_ref(), began),
            metric: rule.metric(&set.slots).cloned(),
            severity: rule.severity,
            team: Arc::clone(&rule.team),
            text: rule.text.fill(&Filling { device, values: Some(&self.batch) }),
            condition: Condition::Firing,
            handling: Handling::Open,
            handled_by: None,
            outcome: None,
            began_at: began,
            fired_at: Some(at),
            cleared_at: None,
            cleared_reason: None,
            transition: 0,
        };
        self.alerts.insert(Arc::clone(&id), alert);
        self.step(&id, at, seq, true);
        if let Some(task) = &rule.task {
            self.put_on_list(&id, task, self.excess(number, rule), seq);
        }
    }

    /// Ends what an alert describes; people may still have to close it.
    pub(super) fn clear(&mut self, id: &Arc<str>, at: Timestamp, reason: Option<&str>, seq: Seq) {
        let when = self.decided(at, seq);
        let Some(alert) = self.alerts.get_mut(id).filter(|alert| alert.condition != Condition::Cleared)
        else {
            return;
        };
        alert.condition = Condition::Cleared;
        alert.cleared_at = Some(at);
        alert.cleared_reason = reason.map(Arc::from);
        // What is over and was not urgent needs nobody; the urgent ones ask for an outcome (DOMAIN 9.4). Of an alert
        // with a task the task says so, whoever has it.
        let alone = alert.handling == Handling::Open && alert.severity >= Severity::P3;
        if self.worklist.cleared(id, when).unwrap_or(alone) {
            alert.handling = Handling::Closed;
            alert.outcome = Some(Arc::from(AUTO_CLEARED));
        }
        self.step(id, at, seq, true);
    }

    /// Writes down one step of an alert, and the notice about it if people outside must know.
    pub(super) fn step(&mut self, id: &Arc<str>, at: Timestamp, seq: Seq, tell: bool) {
        let decided_at = self.clock.clocks().wall;
        let Some(alert) = self.alerts.get_mut(id) else { return };
        alert.transition += 1;
        self.batch.alerts.insert(Arc::clone(id));
        self.batch.transitions.push(Transition {
            alert: Arc::clone(id),
            rule: alert.rule.clone(),
            device: alert.device.clone(),
            number: alert.transition,
            condition: alert.condition,
            handling: alert.handling,
            at,
            decided_at,
            seq,
        });
        let Some(alert) = self.alerts.get(id).filter(|_| tell) else { return };
        let text = match is_clinical(alert.class.as_str()) && !is_technical(alert) {
            true => self.text_without_values(alert),
            false => alert.text.clone(),
        };
        self.batch.notices.push(notice(alert, &text, decided_at));
    }

    fn text_without_values(&self, alert: &Alert) -> Text {
        let found = self.register.find(alert.device.as_str()).map(|number| self.register.get(number));
        let template = found.and_then(|device| {
            let rule = self.config.rules(device.class).rules.iter().find(|rule| rule.id == alert.rule)?;
            Some(rule.text.fill(&Filling { device, values: None }))
        });
        template.unwrap_or_else(|| {
            let name: Arc<str> = Arc::from(alert.rule.as_str());
            Text { zh: Arc::clone(&name), en: name }
        })
    }

    /// The newest value of a metric of a device, with the time when it was taken.
    pub(super) fn newest(&self, device: &Device, metric: &str) -> Option<(Timestamp, Measured)> {
        newest(&self.batch, device, metric)
    }

    /// Clears every firing alert for which `which` holds, in the order of their names.
    pub(super) fn clear_where(&mut self, reason: &str, seq: Seq, which: impl Fn(&Alert) -> bool) {
        let wall = self.clock.clocks().wall;
        let ids: Vec<Arc<str>> = self
            .alerts
            .values()
            .filter(|alert| alert.condition == Condition::Firing && which(alert))
            .map(|alert| Arc::clone(&alert.id))
            .collect();
        for id in ids {
            self.clear(&id, wall, Some(reason), seq);
        }
    }
}

/// Whether nothing can happen to an alert any more.
pub(super) fn is_over(alert: &Alert) -> bool {
    alert.condition == Condition::Cleared && alert.handling == Handling::Closed
}

/// Values for the placeholders of a text.
struct Filling<'a> {
    device: &'a Device,
    /// Where the newest readings may be; `None`: values must not be told.
    values: Option<&'a Batch>,
}

impl Fill for Filling<'_> {
    fn device(&self) -> &str {
        self.device.row.device.as_str()
    }

    fn zone(&self) -> Option<&str> {
        self.device.row.zone.as_ref().map(crate::ids::Id::as_str)
    }

    fn class(&self) -> &str {
        self.device.row.class.as_str()
    }

    fn metric(&self, metric: &str) -> Option<String> {
        match newest(self.values?, self.device, metric)?.1.value {
            Value::Number(n) => Some(show_number(n)),
            Value::State(text) | Value::Text(text) => Some(text.to_string()),
            // What a meter shows itself when a value is beyond its scale.
            Value::Missing(Missing::High) => Some("HI".to_owned()),
            Value::Missing(Missing::Low) => Some("LO".to_owned()),
            Value::Missing(_) => None,
        }
    }
}

/// The newest value of a metric, with the time when it was taken.
fn newest(batch: &Batch, device: &Device, metric: &str) -> Option<(Timestamp, Measured)> {
    let streams = device.twin.streams.iter().enumerate();
    streams
        .filter_map(|(place, stream)| {
            let (taken_at, values) = match batch.newest(device.chains.get(place)) {
                Some(reading) => (reading.taken_at, reading.values.clone()),
                None => {
                    stream.latest.as_ref().and_then(|held| Some((held.taken_at, held.read().ok()?.values)))?
                }
            };
            let value = values.into_iter().find(|value| value.metric.as_str() == metric)?;
            Some((taken_at, value))
        })
        .max_by_key(|(taken_at, _)| *taken_at)
}

#[derive(serde::Serialize)]
struct NoticeBody<'a> {
    id: &'a str,
    alert: &'a str,
    transition: u32,
    rule: &'a str,
    device: &'a str,
    class: &'a str,
    zone: Option<&'a str>,
    severity: Severity,
    team: &'a str,
    text: &'a Text,
    condition: Condition,
    handling: Handling,
    began_at: String,
    fired_at: Option<String>,
    cleared_at: Option<String>,
    cleared_reason: Option<&'a str>,
    decided_at: String,
}

fn notice(alert: &Alert, text: &Text, decided_at: Timestamp) -> Notice {
    let mut hasher = blake3::Hasher::new();
    hasher.update(alert.id.as_bytes()).update(&alert.transition.to_le_bytes());
    let id: Arc<str> = Arc::from(&hasher.finalize().to_hex()[..16]);
    let body = NoticeBody {
        id: &id,
        alert: &alert.id,
        transition: alert.transition,
        rule: alert.rule.as_str(),
        device: alert.device.as_str(),
        class: alert.class.as_str(),
        zone: alert.zone.as_ref().map(crate::ids::Id::as_str),
        severity: alert.severity,
        team: &alert.team,
        text,
        condition: alert.condition,
        handling: alert.handling,
        began_at: alert.began_at.to_string(),
        fired_at: alert.fired_at.map(|at| at.to_string()),
        cleared_at: alert.cleared_at.map(|at| at.to_string()),
        cleared_reason: alert.cleared_reason.as_deref(),
        decided_at: decided_at.to_string(),
    };
    // A struct of texts and numbers always has a JSON form.
    let body = serde_json::to_string(&body).unwrap_or_default();
    Notice { id, decided_at, body }
}
