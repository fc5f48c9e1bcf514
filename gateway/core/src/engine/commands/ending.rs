//! The end of a command: its row, its entry in the audit, and the alert that a person must close.

use std::sync::Arc;

use serde_json::json;

use super::super::Engine;
use super::super::alerts::alert_id;
use super::text;
use crate::alert::{Alert, Condition, Handling, Severity, Text};
use crate::command::{Command, State};
use crate::ids::{ActorId, RuleId};
use crate::output::AuditEntry;
use crate::record::Seq;
use crate::rule::life;

/// What the rules of these alerts begin with. They are the tasks that commands leave behind: nothing but a person
/// ends them.
pub(in super::super) const TASK: &str = "technical.command-";
/// Who acts when the gateway itself decides.
const GATEWAY: &str = "orderly";

impl Engine {
    pub(super) fn change_command(&mut self, id: &Arc<str>, change: impl FnOnce(&mut Command)) {
        let Some(command) = self.commands.get_mut(id) else { return };
        change(command);
        self.batch.commands.insert(Arc::clone(id), command.clone());
    }

    pub(super) fn end_command(&mut self, id: &Arc<str>, state: State, why: Option<Text>, seq: Seq) {
        let Some(mut command) = self.commands.remove(id) else { return };
        let wall = self.clock.clocks().wall;
        (command.state, command.why, command.ended_at) = (state, why, Some(wall));
        if let Ok(actor) = ActorId::new(GATEWAY) {
            self.batch.audit(AuditEntry {
                seq,
                index: 0,
                decided_at: wall,
                happened_at: wall,
                actor,
                verb: format!("command.{}", state.name()),
                subject: command.device.to_string(),
                detail: json!({"id": &**id, "command": &*command.command, "why": command.why}).to_string(),
            });
        }
        if let Some(severity) = severity(state) {
            self.raise_task(&command, severity, seq);
        }
        self.batch.commands.insert(Arc::clone(id), command);
    }

    /// Tells the team of the command, unless the same is open already.
    fn raise_task(&mut self, command: &Command, severity: Severity, seq: Seq) {
        let Ok(rule) = RuleId::new(&format!("{TASK}{}", command.state.name().replace('_', "-"))) else {
            return;
        };
        let open = |alert: &Alert| {
            alert.rule == rule && alert.device == command.device && alert.handling != Handling::Closed
        };
        if self.alerts.values().any(open) {
            return;
        }
        let wall = self.clock.clocks().wall;
        let id = alert_id(&rule, &command.device, wall, life(seq));
        let zone =
            self.register.find(command.device.as_str()).and_then(|n| self.register.get(n).row.zone.clone());
        let why = command.why.clone().unwrap_or_default();
        let (device, name) = (&command.device, &*command.command);
        let words = match command.state {
            State::Mismatch => ("执行结果不符", "did not do what was asked"),
            State::Failed => ("未能执行", "failed"),
            State::NotConnected => ("未发送", "was not sent"),
            _ => ("结果未知，请到现场确认", "has an unknown result; look at the device"),
        };
        let alert = Alert {
            id: Arc::clone(&id),
            rule,
            device: device.clone(),
            class: command.class.clone(),
            zone,
            metric: None,
            severity,
            team: Arc::clone(&command.role),
            text: text(
                format!("{device} 的命令 {name} {}：{}", words.0, why.zh),
                format!("{device}: the command {name} {}: {}", words.1, why.en),
            ),
            condition: Condition::Firing,
            handling: Handling::Open,
            handled_by: None,
            outcome: None,
            began_at: command.decided_at,
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

/// How urgent it is that somebody looks; `None`: the person who ordered it was told, and nothing moved.
const fn severity(state: State) -> Option<Severity> {
    match state {
        State::Mismatch | State::Unknown => Some(Severity::P2),
        State::Failed | State::NotConnected => Some(Severity::P3),
        State::Refused | State::Expired | State::Sent | State::Done => None,
    }
}

/// Whether an alert stands for a task: closing it is the end of it.
pub(in super::super) fn is_task(alert: &Alert) -> bool {
    alert.rule.as_str().starts_with(TASK)
}
