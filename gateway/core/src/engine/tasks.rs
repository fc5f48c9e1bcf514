//! The worklist in the engine: alerts make and follow tasks, and what people do about a task is done to its alerts.

use std::sync::Arc;

use serde_json::json;

use crate::alert::{Condition, Handling, Severity};
use crate::ids::{ActorId, ListId};
use crate::record::{Action, Order, Seq, Work};
use crate::rule::{Kind, Rule, RuleSet, TaskRule};
use crate::time::Timestamp;
use crate::worklist::{Calendar, Effect, New, Raised, When, Who};

use super::Engine;
use super::actions::Done;
use super::commands::is_task;

/// The list of commands that did not come off, and of what is wrong with the way of a device to us.
const COMMANDS: &str = "commands";
const GATEWAY: &str = "gateway";

impl Engine {
    /// The task of an alert that came up.
    pub(super) fn put_on_list(&mut self, id: &Arc<str>, task: &TaskRule, excess: f64, seq: Seq) {
        let Some(alert) = self.alerts.get(id) else { return };
        let raised = Raised {
            list: task.list.clone(),
            device: alert.device.clone(),
            class: alert.class.clone(),
            zone: alert.zone.clone(),
            alert: Arc::clone(id),
            rule: alert.rule.clone(),
            severity: alert.severity,
            text: alert.text.clone(),
            began_at: alert.began_at,
            excess,
            outcomes: task.outcomes.clone(),
            // The urgent ones ask for an outcome (DOMAIN 9.4).
            needs_outcome: task.needs_outcome.unwrap_or(alert.severity <= Severity::P2),
            second_signer: task.second_signer,
        };
        let wall = self.clock.clocks().wall;
        let when = self.decided(alert.fired_at.unwrap_or(wall), seq);
        let days = self.config.workdays();
        let calendar = Calendar { zone: days.zone(), is_workday: &|day| days.is_workday(day) };
        let effects = self.worklist.raise(raised, when, &calendar);
        self.carry_through(effects, wall, seq);
    }

    /// The task of an alert that no rule text has.
    pub(super) fn put_on_technical_list(&mut self, id: &Arc<str>, seq: Seq) {
        let Some(alert) = self.alerts.get(id) else { return };
        let task = is_task(alert);
        let Ok(list) = ListId::new(if task { COMMANDS } else { GATEWAY }) else { return };
        // Nothing will ever show that a command is over but the person who says so.
        let needs_outcome = task.then_some(true);
        let rule = TaskRule { list, outcomes: Vec::new(), needs_outcome, second_signer: false };
        self.put_on_list(id, &rule, 0.0, seq);
    }

    /// Tasks for the alerts that stood before their rule had one.
    pub(super) fn put_standing_on_lists(&mut self, set: &RuleSet, seq: Seq) {
        for rule in &set.rules {
            let Some(task) = &rule.task else { continue };
            let stands = |alert: &&crate::alert::Alert| {
                let open = alert.condition == Condition::Firing && alert.handling != Handling::Closed;
                open && alert.rule == rule.id && self.worklist.of_alert(&alert.id).is_none()
            };
            let ids: Vec<Arc<str>> =
                self.alerts.values().filter(stands).map(|alert| Arc::clone(&alert.id)).collect();
            for id in ids {
                self.put_on_list(&id, task, 0.0, seq);
            }
        }
    }

    /// By how much the values of a device are beyond what a rule allows.
    pub(super) fn excess(&self, number: usize, rule: &Rule) -> f64 {
        match &rule.kind {
            Kind::Threshold(threshold) => threshold.when.excess(&self.register.get(number).twin.rules.values),
            Kind::MetricSilence { .. } | Kind::DeviceSilence { .. } => 0.0,
        }
    }

    /// Does to alerts what was done to their task.
    fn carry_through(&mut self, effects: Vec<Effect>, at: Timestamp, seq: Seq) {
        for effect in effects {
            let Some(alert) = self.alerts.get_mut(&effect.alert) else { continue };
            let same = alert.handling == effect.handling && alert.handled_by == effect.by;
            if alert.handling == Handling::Closed || same {
                continue;
            }
            if effect.handling == Handling::Closed && is_task(alert) {
                alert.condition = Condition::Cleared;
                alert.cleared_at = Some(at);
            }
            alert.handling = effect.handling;
            alert.handled_by = effect.by.or(alert.handled_by.take());
            alert.outcome = effect.outcome;
            self.step(&effect.alert, at, seq, false);
        }
    }

    /// What somebody does now, by their own clock but never later than ours.
    pub(super) fn when(&self, action: &Action, seq: Seq) -> When {
        self.decided(action.happened_at.min(self.clock.clocks().wall), seq)
    }

    /// Something that happened then and is decided now.
    pub(super) fn decided(&self, at: Timestamp, seq: Seq) -> When {
        let clocks = self.clock.clocks();
        When { at, decided_at: clocks.wall, even: clocks.even, seq }
    }

    /// Carries out what a person orders about tasks; `None`: it is about something else.
    pub(super) fn task_order(&mut self, action: &Action, seq: Seq) -> Option<Done> {
        Some(match &action.order {
            Order::CreateTask { list, subject, text, urgency } => Done {
                verb: "task.create",
                subject: subject.clone(),
                detail: json!({"list": list, "text": text, "urgency": urgency}),
                result: self.create_task((list, subject, text, *urgency), action, seq),
            },
            Order::WorkTask { task, who, work } => Done {
                verb: verb(work),
                subject: task.clone(),
                detail: json!({"who": who, "work": work}),
                result: self.work_task(task, who.as_ref(), work, action, seq),
            },
            Order::HandOverTasks { list, who, to, note } => Done {
                verb: "task.hand_over_all",
                subject: who.as_ref().unwrap_or(&action.actor).to_string(),
                detail: json!({"list": list, "to": to, "note": note}),
                result: self.hand_over_tasks((list.as_ref(), who.as_ref(), to.as_ref(), note), action, seq),
            },
            _ => return None,
        })
    }

    fn create_task(
        &mut self,
        (list, subject, text, urgency): (&ListId, &str, &str, u8),
        action: &Action,
        seq: Seq,
    ) -> Result<serde_json::Value, String> {
        let severity = Severity::from_number(urgency)
            .ok_or_else(|| format!("{urgency} is no urgency; say 1 to 4 for P1 to P4"))?;
        let row = self.register.find(subject.trim()).map(|number| &self.register.get(number).row);
        let device = row.map(|row| (row.device.clone(), row.class.clone(), row.zone.clone()));
        let new =
            New { list: list.clone(), subject: subject.to_owned(), device, text: text.to_owned(), severity };
        let (days, when) = (self.config.workdays(), self.when(action, seq));
        let calendar = Calendar { zone: days.zone(), is_workday: &|day| days.is_workday(day) };
        let made = self.worklist.create(new, &action.actor, when, &calendar)?;
        Ok(json!({"task": *made.task, "joined": made.joined}))
    }

    fn work_task(
        &mut self,
        task: &str,
        who: Option<&ActorId>,
        work: &Work,
        action: &Action,
        seq: Seq,
    ) -> Result<serde_json::Value, String> {
        let when = self.when(action, seq);
        let who = Who { actor: &action.actor, owner: who.unwrap_or(&action.actor) };
        let days = self.config.workdays();
        let calendar = Calendar { zone: days.zone(), is_workday: &|day| days.is_workday(day) };
        let effects = self.worklist.work(task, who, work, when, &calendar)?;
        self.carry_through(effects, when.at, seq);
        let task = self.worklist.task(task);
        let firing = task.map_or(0, |task| {
            let alerts = task.reasons.iter().filter_map(|reason| reason.alert.as_ref());
            alerts
                .filter(|id| self.alerts.get(*id).is_some_and(|alert| alert.condition == Condition::Firing))
                .count()
        });
        Ok(json!({
            "task": task.map(|task| &*task.id),
            "state": task.map(|task| task.state),
            "owner": task.and_then(|task| task.owner.as_ref()),
            "still_firing": firing,
        }))
    }

    fn hand_over_tasks(
        &mut self,
        (list, who, to, note): (Option<&ListId>, Option<&ActorId>, Option<&ActorId>, &str),
        action: &Action,
        seq: Seq,
    ) -> Result<serde_json::Value, String> {
        let when = self.when(action, seq);
        let who = Who { actor: &action.actor, owner: who.unwrap_or(&action.actor) };
        let (tasks, effects) = self.worklist.hand_over_all(list, who, to, note, when)?;
        self.carry_through(effects, when.at, seq);
        Ok(json!({"tasks": tasks, "to": to}))
    }
}

const fn verb(work: &Work) -> &'static str {
    match work {
        Work::Claim => "task.claim",
        Work::Release { .. } => "task.release",
        Work::HandOver { .. } => "task.hand_over",
        Work::Attempt { .. } => "task.attempt",
        Work::Snooze { .. } => "task.snooze",
        Work::Finish { .. } => "task.finish",
        Work::Reopen { .. } => "task.reopen",
    }
}
