//! Technical alerts: what is wrong with a device's way to us, whatever its class and its rules.
//!
//! They go the way of every alert. What raises them is a record too, and what ends them is the device itself.

use std::sync::Arc;

use crate::alert::{Alert, Condition, Handling, Severity, Text};
use crate::ids::{DeviceId, RuleId};
use crate::record::Seq;
use crate::rule::{TECHNICAL, life};

use super::Engine;
use super::alerts::alert_id;

/// Stands as the rule of the alert about packets too large to take.
pub(super) const TOO_LARGE: &str = "technical.too-large";
/// Closes in a row that are told (DESIGN 7.9).
const IN_A_ROW: u32 = 3;
/// Who looks after the gateway itself.
const TEAM: &str = "system_admin";

impl Engine {
    /// The connection of a device was ended so often for a packet too large to take.
    pub(super) fn too_large(&mut self, device: &DeviceId, times: u32, seq: Seq) {
        let Some(number) = self.register.find(device.as_str()) else { return };
        let found = self.register.get_mut(number);
        if found.row.revoked {
            return;
        }
        found.twin.too_large = found.twin.too_large.saturating_add(times);
        let tell = found.twin.too_large >= IN_A_ROW;
        self.touch_twin(number);
        if tell && self.open_technical(device).is_none() {
            self.raise_too_large(number, seq);
        }
    }

    /// A message of the device was taken: the row of closes is over.
    pub(super) fn taken_again(&mut self, number: usize, seq: Seq) {
        let device = self.register.get_mut(number);
        device.twin.too_large = 0;
        let name = device.row.device.clone();
        if let Some(id) = self.open_technical(&name) {
            let wall = self.clock.clocks().wall;
            self.clear(&id, wall, None, seq);
        }
    }

    fn open_technical(&self, device: &DeviceId) -> Option<Arc<str>> {
        let open = |alert: &&Alert| {
            alert.condition == Condition::Firing
                && alert.rule.as_str() == TOO_LARGE
                && alert.device == *device
        };
        self.alerts.values().find(open).map(|alert| Arc::clone(&alert.id))
    }

    fn raise_too_large(&mut self, number: usize, seq: Seq) {
        let Ok(rule) = RuleId::new(TOO_LARGE) else { return };
        let row = &self.register.get(number).row;
        let wall = self.clock.clocks().wall;
        let id = alert_id(&rule, &row.device, wall, life(seq));
        let device = &row.device;
        let text = Text {
            zh: format!("{device} 连续{IN_A_ROW}次因消息过大被断开连接").into(),
            en: format!(
                "{device} was disconnected {IN_A_ROW} times in a row for messages that are too large"
            )
            .into(),
        };
        let alert = Alert {
            id: Arc::clone(&id),
            rule,
            device: row.device.clone(),
            class: row.class.clone(),
            zone: row.zone.clone(),
            metric: None,
            severity: Severity::P3,
            team: TEAM.into(),
            text,
            condition: Condition::Firing,
            handling: Handling::Open,
            handled_by: None,
            outcome: None,
            began_at: wall,
            fired_at: Some(wall),
            cleared_at: None,
            cleared_reason: None,
            transition: 0,
        };
        self.alerts.insert(Arc::clone(&id), alert);
        self.step(&id, wall, seq, true);
        self.put_on_technical_list(&id, seq);
    }
}

/// Whether an alert is a technical one: no rule text has it, and its words hold no value of a patient.
pub(super) fn is_technical(alert: &Alert) -> bool {
    alert.rule.as_str().starts_with(TECHNICAL)
}
