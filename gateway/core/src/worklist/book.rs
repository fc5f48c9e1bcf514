//! The book of tasks: those that are open, and those that ended a short while ago.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::{Handling, Severity, Text};
use crate::ids::{ActorId, ClassId, DeviceId, ListId, RuleId, ZoneId};
use crate::record::Seq;
use crate::task::{AGAIN, CLEARED, Reason, State, Step, Task, What};
use crate::time::Timestamp;

use super::due::{Calendar, due};
use super::{REOPEN_MS, SAME_CAUSE_MS};

/// When something happens, and in which record.
#[derive(Debug, Clone, Copy)]
pub struct When {
    /// When it happened.
    pub at: Timestamp,
    /// When the gateway decides it.
    pub decided_at: Timestamp,
    /// The same by the engine's even clock, which no step of the wall clock moves.
    pub even: i64,
    /// The record.
    pub seq: Seq,
}

/// An alert that makes or joins a task.
#[derive(Debug, Clone)]
pub struct Raised {
    /// The list.
    pub list: ListId,
    /// The device.
    pub device: DeviceId,
    /// Its class.
    pub class: ClassId,
    /// Its zone.
    pub zone: Option<ZoneId>,
    /// The alert.
    pub alert: Arc<str>,
    /// Its rule.
    pub rule: RuleId,
    /// How urgent.
    pub severity: Severity,
    /// What it says.
    pub text: Text,
    /// Since when it is so.
    pub began_at: Timestamp,
    /// By how much the value is beyond what the rule allows, as a share of that.
    pub excess: f64,
    /// The outcomes that the rule offers.
    pub outcomes: Vec<Arc<str>>,
    /// A person must say how it ended.
    pub needs_outcome: bool,
    /// A second person must sign.
    pub second_signer: bool,
}

/// What a step of a task does to an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The alert.
    pub alert: Arc<str>,
    /// How far people have come with it.
    pub handling: Handling,
    /// Who did it; `None`: nobody.
    pub by: Option<ActorId>,
    /// How it ended, where it did.
    pub outcome: Option<Arc<str>>,
}

/// List and subject.
pub(crate) type Place = (ListId, Arc<str>);

/// All open tasks, and those that ended within the last day.
#[derive(Debug, Clone, Default)]
pub struct Worklist {
    pub(super) tasks: BTreeMap<Arc<str>, Task>,
    pub(crate) open: BTreeMap<Place, Arc<str>>,
    pub(super) ended: BTreeMap<Place, BTreeSet<Arc<str>>>,
    /// The open task of each alert that is not settled.
    pub(super) by_alert: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) changed: BTreeSet<Arc<str>>,
    pub(super) steps: Vec<Step>,
}

impl Worklist {
    /// Takes up the tasks of an earlier run: all open ones, and at least those that ended within the last day.
    #[must_use]
    pub fn restore(tasks: Vec<Task>) -> Self {
        let mut list = Self::default();
        for task in tasks {
            list.index(&task);
            list.tasks.insert(Arc::clone(&task.id), task);
        }
        list
    }

    /// A task that is open or ended within the last day.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id)
    }

    /// The open task that an alert belongs to.
    #[must_use]
    pub fn of_alert(&self, alert: &str) -> Option<&Task> {
        self.tasks.get(self.by_alert.get(alert)?)
    }

    /// The open tasks, by name.
    pub fn open_tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values().filter(|task| task.is_open())
    }

    /// Takes what changed since the last call: tasks whole, once each, and steps in order. Tasks that ended more than a
    /// day before `even` are forgotten.
    pub fn drain(&mut self, even: i64) -> (Vec<Task>, Vec<Step>) {
        let changed = std::mem::take(&mut self.changed);
        let tasks = changed.iter().filter_map(|id| self.tasks.get(id).cloned()).collect();
        if !changed.is_empty() {
            self.forget(even);
        }
        (tasks, std::mem::take(&mut self.steps))
    }

    fn forget(&mut self, even: i64) {
        let old = |task: &Task| task.ended_even.is_some_and(|ended| even.saturating_sub(ended) > REOPEN_MS);
        let Self { tasks, ended, .. } = self;
        ended.retain(|_, ids| {
            ids.retain(|id| !tasks.get(id).is_some_and(old));
            !ids.is_empty()
        });
        tasks.retain(|_, task| !old(task));
    }

    /// An alert came up: it makes a task, joins the open one, or makes go on one that ended a short while ago.
    pub fn raise(&mut self, raised: Raised, when: When, calendar: &Calendar<'_>) -> Vec<Effect> {
        let place: Place = (raised.list.clone(), Arc::from(raised.device.as_str()));
        let reason = Reason {
            alert: Some(Arc::clone(&raised.alert)),
            rule: Some(raised.rule),
            severity: raised.severity,
            text: raised.text,
            at: raised.began_at,
            excess: raised.excess,
            outcomes: raised.outcomes,
            needs_outcome: raised.needs_outcome,
            second_signer: raised.second_signer,
            cleared_at: None,
            settled: false,
            times: 1,
        };
        if let Some(id) = self.open.get(&place).cloned() {
            return self.join(&id, reason, None, when, calendar);
        }
        if let Some(id) = self.same_cause(&place, reason.rule.as_ref(), when.even) {
            self.wake(&id, &reason, None, when, calendar, None);
            return self.join(&id, reason, None, when, calendar);
        }
        let (device, class, zone) = (Some(raised.device), Some(raised.class), raised.zone);
        self.make(place, (device, class, zone), reason, None, when, calendar);
        Vec::new()
    }

    /// The task that ended a short while ago and had the same rule.
    fn same_cause(&self, place: &Place, rule: Option<&RuleId>, even: i64) -> Option<Arc<str>> {
        let candidates = self.ended.get(place)?.iter().filter_map(|id| self.tasks.get(id));
        let fits = |task: &&Task| {
            let recent = task.ended_even.is_some_and(|ended| even.saturating_sub(ended) <= SAME_CAUSE_MS);
            recent && task.reasons.iter().any(|reason| reason.rule.is_some() && reason.rule.as_ref() == rule)
        };
        let newest = candidates.filter(fits).max_by_key(|task| (task.ended_even, Arc::clone(&task.id)));
        newest.map(|task| Arc::clone(&task.id))
    }

    /// A new task with its first reason.
    pub(super) fn make(
        &mut self,
        place: Place,
        (device, class, zone): (Option<DeviceId>, Option<ClassId>, Option<ZoneId>),
        reason: Reason,
        actor: Option<ActorId>,
        when: When,
        calendar: &Calendar<'_>,
    ) -> Arc<str> {
        let (list, subject) = place;
        let id = task_id(&list, &subject, &reason, when.seq);
        let due_at = due(reason.severity, &list, when.decided_at, calendar);
        let alert = reason.alert.clone();
        let task = Task {
            id: Arc::clone(&id),
            list,
            subject,
            device,
            class,
            zone,
            severity: reason.severity,
            reasons: vec![reason],
            state: State::Open,
            owner: None,
            created_at: when.decided_at,
            opened_at: when.decided_at,
            due_at,
            claimed_at: None,
            owned_at: None,
            waits_until: None,
            snoozes: 0,
            attempts: 0,
            reopened: 0,
            ended_at: None,
            ended_even: None,
            outcome: None,
            note: None,
            signer: None,
            steps: 0,
        };
        self.index(&task);
        self.tasks.insert(Arc::clone(&id), task);
        self.step(&id, What::Opened, when, |step| {
            (step.actor, step.alert, step.until) = (actor, alert, Some(due_at));
        });
        id
    }

    /// One more reason for an open task. The same rule takes the place of its earlier alert, which is over with that.
    pub(super) fn join(
        &mut self,
        id: &Arc<str>,
        mut reason: Reason,
        actor: Option<ActorId>,
        when: When,
        calendar: &Calendar<'_>,
    ) -> Vec<Effect> {
        let alert = reason.alert.clone();
        let Some(task) = self.tasks.get_mut(id) else { return Vec::new() };
        let over = |known: &Reason| known.cleared_at.is_some() || known.settled;
        let earlier = task
            .reasons
            .iter()
            .position(|known| known.rule.is_some() && known.rule == reason.rule && over(known));
        let mut effects = Vec::new();
        if let Some(place) = earlier {
            let known = task.reasons.remove(place);
            reason.times = known.times.saturating_add(1);
            if let Some(alert) = known.alert.filter(|_| !known.settled) {
                self.by_alert.remove(&alert);
                effects.push(Effect {
                    alert,
                    handling: Handling::Closed,
                    by: None,
                    outcome: Some(Arc::from(AGAIN)),
                });
            }
        }
        // What is new and more urgent makes it due earlier, never later.
        task.due_at = task.due_at.min(due(reason.severity, &task.list, when.decided_at, calendar));
        let more_urgent = reason.severity < task.severity;
        if more_urgent {
            task.waits_until = None;
        }
        task.reasons.push(reason);
        task.weigh();
        let (state, owner, until) = (task.state, task.owner.clone(), task.due_at);
        if let Some(alert) = &alert {
            self.by_alert.insert(Arc::clone(alert), Arc::clone(id));
            if state == State::Claimed {
                // Who has the task has this, too.
                effects.push(Effect {
                    alert: Arc::clone(alert),
                    handling: Handling::InProgress,
                    by: owner,
                    outcome: None,
                });
            }
        }
        self.step(id, What::Joined, when, |step| {
            (step.actor, step.alert, step.until) = (actor, alert, Some(until));
        });
        effects
    }

    /// A task that ended goes on.
    pub(super) fn wake(
        &mut self,
        id: &Arc<str>,
        reason: &Reason,
        actor: Option<ActorId>,
        when: When,
        calendar: &Calendar<'_>,
        note: Option<String>,
    ) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let place: Place = (task.list.clone(), Arc::clone(&task.subject));
        task.state = State::Open;
        task.opened_at = when.decided_at;
        task.due_at = due(reason.severity, &task.list, when.decided_at, calendar);
        task.reopened = task.reopened.saturating_add(1);
        (task.owner, task.claimed_at, task.owned_at) = (None, None, None);
        (task.waits_until, task.ended_at, task.ended_even) = (None, None, None);
        (task.outcome, task.note, task.signer, task.snoozes) = (None, None, None, 0);
        let until = task.due_at;
        if let Some(ids) = self.ended.get_mut(&place) {
            ids.remove(id);
        }
        self.open.insert(place, Arc::clone(id));
        self.step(id, What::Reopened, when, |step| {
            (step.actor, step.note, step.until) = (actor, note, Some(until));
        });
    }

    /// What an alert describes is no longer so. Tells whether that ends the alert, too; `None`: it belongs to no open
    /// task, so its own urgency says.
    pub fn cleared(&mut self, alert: &str, when: When) -> Option<bool> {
        let id = self.by_alert.get(alert).cloned()?;
        let task = self.tasks.get_mut(&id)?;
        let reason = task.reasons.iter_mut().find(|reason| reason.alert.as_deref() == Some(alert))?;
        reason.cleared_at = Some(when.at);
        reason.settled = !reason.needs_outcome;
        let settled = reason.settled;
        let name = reason.alert.clone();
        task.weigh();
        if settled {
            self.by_alert.remove(alert);
        }
        self.step(&id, What::Cleared, when, |step| step.alert = name);
        self.end_if_settled(&id, CLEARED, None, when);
        Some(settled)
    }

    /// Somebody has seen an alert.
    pub fn seen(&mut self, alert: &str, actor: &ActorId, when: When) {
        let Some(id) = self.by_alert.get(alert).cloned() else { return };
        let (actor, alert) = (Some(actor.clone()), Some(Arc::from(alert)));
        self.step(&id, What::Seen, when, |step| (step.actor, step.alert) = (actor, alert));
    }

    /// Somebody closed an alert by itself: that reason is settled, and with the last one the task is over.
    pub fn closed(&mut self, alert: &str, outcome: &str, actor: &ActorId, when: When) {
        let Some(id) = self.by_alert.remove(alert) else { return };
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let found = task.reasons.iter_mut().find(|reason| reason.alert.as_deref() == Some(alert));
        if let Some(reason) = found {
            reason.settled = true;
        }
        task.weigh();
        let (by, alert, code) = (Some(actor.clone()), Some(Arc::from(alert)), Some(Arc::from(outcome)));
        self.step(&id, What::Settled, when, |step| {
            (step.actor, step.alert, step.outcome) = (by, alert, code)
        });
        self.end_if_settled(&id, outcome, Some(actor), when);
    }

    fn end_if_settled(&mut self, id: &Arc<str>, outcome: &str, actor: Option<&ActorId>, when: When) {
        if self.tasks.get(id).is_some_and(|task| task.left().next().is_none()) {
            self.end(id, Arc::from(outcome), (None, None), actor, when);
        }
    }

    /// The task is over.
    pub(super) fn end(
        &mut self,
        id: &Arc<str>,
        outcome: Arc<str>,
        (note, signer): (Option<String>, Option<ActorId>),
        actor: Option<&ActorId>,
        when: When,
    ) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.state = State::Done;
        (task.ended_at, task.ended_even) = (Some(when.decided_at), Some(when.even));
        task.waits_until = None;
        task.outcome = Some(Arc::clone(&outcome));
        task.note.clone_from(&note);
        task.signer.clone_from(&signer);
        let place: Place = (task.list.clone(), Arc::clone(&task.subject));
        for alert in task.reasons.iter().filter_map(|reason| reason.alert.as_ref()) {
            self.by_alert.remove(alert);
        }
        self.open.remove(&place);
        self.ended.entry(place).or_default().insert(Arc::clone(id));
        let actor = actor.cloned();
        self.step(id, What::Finished, when, |step| {
            (step.actor, step.outcome, step.note, step.signer) = (actor, Some(outcome), note, signer);
        });
    }

    fn index(&mut self, task: &Task) {
        let place: Place = (task.list.clone(), Arc::clone(&task.subject));
        if !task.is_open() {
            self.ended.entry(place).or_default().insert(Arc::clone(&task.id));
            return;
        }
        self.open.insert(place, Arc::clone(&task.id));
        for alert in task.left().filter_map(|reason| reason.alert.as_ref()) {
            self.by_alert.insert(Arc::clone(alert), Arc::clone(&task.id));
        }
    }

    /// Writes down one step of a task.
    pub(super) fn step(&mut self, id: &Arc<str>, what: What, when: When, fill: impl FnOnce(&mut Step)) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.steps += 1;
        let mut step = Step {
            task: Arc::clone(id),
            number: task.steps,
            what,
            actor: None,
            owner: task.owner.clone(),
            at: when.at,
            decided_at: when.decided_at,
            seq: when.seq,
            alert: None,
            until: None,
            outcome: None,
            note: None,
            signer: None,
        };
        fill(&mut step);
        self.steps.push(step);
        self.changed.insert(Arc::clone(id));
    }
}

/// The name of a task: the same in every replay.
fn task_id(list: &ListId, subject: &str, reason: &Reason, seq: Seq) -> Arc<str> {
    let mut hasher = blake3::Hasher::new();
    for part in ["task", list.as_str(), subject, reason.alert.as_deref().unwrap_or_default()] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    hasher.update(&seq.to_le_bytes());
    Arc::from(&hasher.finalize().to_hex()[..16])
}
