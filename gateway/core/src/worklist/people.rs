//! What people do about tasks, and the sentences with which it is refused.

use std::sync::Arc;

use crate::alert::{Handling, Severity, Text};
use crate::ids::{ActorId, ClassId, DeviceId, ListId, ZoneId};
use crate::record::Work;
use crate::task::{
    NOTE_LETTERS, Reason, State, Task, What, check_list, check_outcome, needs_note, needs_second, outcomes_of,
};
use crate::time::Timestamp;

use super::REOPEN_MS;
use super::book::{Effect, Place, When, Worklist};
use super::due::{Calendar, snooze_ms};

/// How often a task may be put off before somebody does something about it (DOMAIN 9.4).
const MOST_SNOOZES: u32 = 2;
/// The longest a next attempt may lie ahead.
const MOST_AHEAD_MS: i64 = 31 * 24 * 3_600_000;
/// The most letters of a subject and of a note.
const MOST_SUBJECT: usize = 64;
const MOST_NOTE: usize = 500;
/// The most reasons of one task that people added.
const MOST_BY_HAND: usize = 16;

/// Who does something, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// Who says so.
    pub actor: &'a ActorId,
    /// Who has or gets the task; the actor, if nobody else is named.
    pub owner: &'a ActorId,
}

/// A task that a person puts on a list.
#[derive(Debug, Clone)]
pub struct New {
    /// The list.
    pub list: ListId,
    /// What it is about.
    pub subject: String,
    /// The device, where it is one on the register, with class and zone.
    pub device: Option<(DeviceId, ClassId, Option<ZoneId>)>,
    /// What is to be done.
    pub text: String,
    /// How urgent.
    pub severity: Severity,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The task.
    pub task: Arc<str>,
    /// It was there before, and has one more reason.
    pub joined: bool,
}

impl Worklist {
    /// Puts a task on a list by hand.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn create(
        &mut self,
        new: New,
        actor: &ActorId,
        when: When,
        calendar: &Calendar<'_>,
    ) -> Result<Made, String> {
        check_list(&new.list)?;
        let subject = plain(&new.subject, MOST_SUBJECT)?
            .ok_or("the subject is missing; name the device, the place or the thing")?;
        let text = plain(&new.text, MOST_NOTE)?.ok_or("say in a few words what is to be done")?;
        let reason = by_hand(&text, new.severity, when.at);
        let place: Place = (new.list, Arc::from(subject));
        if let Some(id) = self.open.get(&place).cloned() {
            let count = |task: &Task| task.reasons.iter().filter(|reason| reason.alert.is_none()).count();
            if self.tasks.get(&id).map_or(0, count) >= MOST_BY_HAND {
                return Err(format!(
                    "the task {id} was added to {MOST_BY_HAND} times already; finish it first"
                ));
            }
            // Nobody's alert changes by what a person adds.
            drop(self.join(&id, reason, Some(actor.clone()), when, calendar));
            return Ok(Made { task: id, joined: true });
        }
        let device = new.device;
        let (class, zone) = device.as_ref().map_or((None, None), |(_, c, z)| (Some(c.clone()), z.clone()));
        let of = (device.map(|(device, _, _)| device), class, zone);
        let task = self.make(place, of, reason, Some(actor.clone()), when, calendar);
        Ok(Made { task, joined: false })
    }

    /// Does something about a task and gives what that does to its alerts.
    ///
    /// # Errors
    /// A sentence that says what would be right; nothing has changed then.
    pub fn work(
        &mut self,
        id: &str,
        who: Who<'_>,
        work: &Work,
        when: When,
        calendar: &Calendar<'_>,
    ) -> Result<Vec<Effect>, String> {
        let (id, task) = self.reachable(id, when.even)?;
        if let Work::Reopen { note } = work {
            return self.reopen(&id, note, who, when, calendar);
        }
        if !task.is_open() {
            let how = task.outcome.as_deref().unwrap_or("no outcome");
            let ended = task.ended_at.unwrap_or(task.opened_at);
            return Err(format!("the task {id} is over since {ended}: {how:?}; reopen it if that is not so"));
        }
        if let Some(has) = task.owner.as_ref().filter(|has| *has != who.owner) {
            let since = task.owned_at.unwrap_or(task.opened_at);
            return Err(format!(
                "the task {id} is claimed by {has} since {since}; {has} can hand it over or release it"
            ));
        }
        match work {
            Work::Claim => Ok(self.take(&id, What::Claimed, who, who.owner.clone(), None, when)),
            Work::Release { note } => self.release(&id, note, who, when),
            Work::HandOver { to, note } => {
                if task.owner.as_ref() == Some(to) {
                    return Err(format!("{to} has the task {id} already; name somebody else"));
                }
                let note = optional(note)?;
                Ok(self.take(&id, What::HandedOver, who, to.clone(), note, when))
            }
            Work::Attempt { note, next_at } => self.attempt(&id, note, *next_at, who, when),
            Work::Snooze { until, note } => self.snooze(&id, *until, note, who, when),
            Work::Finish { outcome, note, second } => {
                self.finish(&id, outcome, note, second.as_ref(), who, when)
            }
            Work::Reopen { .. } => Ok(Vec::new()),
        }
    }

    /// Gives all tasks that somebody has to somebody else, or back to the list. Tells how many, and what that does to
    /// their alerts.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn hand_over_all(
        &mut self,
        list: Option<&ListId>,
        who: Who<'_>,
        to: Option<&ActorId>,
        note: &str,
        when: When,
    ) -> Result<(usize, Vec<Effect>), String> {
        let note = optional(note)?;
        if to == Some(who.owner) {
            return Err(format!("{} has these tasks already; name somebody else", who.owner));
        }
        let has = |task: &&Task| {
            let listed = list.is_none_or(|list| task.list == *list);
            task.is_open() && listed && task.owner.as_ref() == Some(who.owner)
        };
        let ids: Vec<Arc<str>> = self.tasks.values().filter(has).map(|task| Arc::clone(&task.id)).collect();
        let mut effects = Vec::new();
        for id in &ids {
            effects.extend(match to {
                Some(to) => self.take(id, What::HandedOver, who, to.clone(), note.clone(), when),
                None => self.give_back(id, note.clone(), who, when),
            });
        }
        Ok((ids.len(), effects))
    }

    /// Whether somebody may close an alert by itself with this outcome.
    ///
    /// # Errors
    /// When its task is somebody else's, or the end asks for what an alert cannot hold.
    pub fn may_close(&self, alert: &str, outcome: &str, who: &ActorId) -> Result<(), String> {
        let Some(task) = self.of_alert(alert) else { return Ok(()) };
        let id = &task.id;
        if let Some(has) = task.owner.as_ref().filter(|has| *has != who) {
            return Err(format!(
                "the alert belongs to the task {id}, which {has} has; let them finish it there"
            ));
        }
        if needs_note(outcome) || needs_second(outcome) || task.second_signer() {
            return Err(format!(
                "the alert belongs to the task {id}: {outcome:?} asks for a note or a second signer, so finish it there"
            ));
        }
        Ok(())
    }

    fn reachable(&self, id: &str, even: i64) -> Result<(Arc<str>, &Task), String> {
        let recent = |ended: i64| even.saturating_sub(ended) <= REOPEN_MS;
        let lasting = |task: &&Task| task.ended_even.is_none_or(recent);
        match self.tasks.get(id).filter(lasting) {
            Some(task) => Ok((Arc::clone(&task.id), task)),
            None => Err(format!(
                "there is no task {id:?} that is open or ended within a day; put a new one on the list"
            )),
        }
    }

    /// Somebody has the task from here on.
    fn take(
        &mut self,
        id: &Arc<str>,
        what: What,
        who: Who<'_>,
        owner: ActorId,
        note: Option<String>,
        when: When,
    ) -> Vec<Effect> {
        let Some(task) = self.tasks.get_mut(id) else { return Vec::new() };
        if what == What::Claimed && task.owner.as_ref() == Some(&owner) {
            return Vec::new();
        }
        task.state = State::Claimed;
        task.owner = Some(owner.clone());
        if what == What::Claimed {
            task.waits_until = None;
        }
        // Nobody takes a task before it is there, whatever the clock of a phone says.
        let at = when.at.max(task.opened_at);
        task.owned_at = Some(at);
        task.claimed_at.get_or_insert(at);
        let handling = if what == What::Claimed { Handling::InProgress } else { Handling::Assigned };
        let effects = effects(task, handling, Some(&owner), None);
        let actor = Some(who.actor.clone());
        self.step(id, what, when, |step| (step.actor, step.note) = (actor, note));
        effects
    }

    fn release(
        &mut self,
        id: &Arc<str>,
        note: &str,
        who: Who<'_>,
        when: When,
    ) -> Result<Vec<Effect>, String> {
        let note = optional(note)?;
        if self.tasks.get(id).is_none_or(|task| task.owner.is_none()) {
            return Err(format!("nobody has the task {id}; there is nothing to release"));
        }
        Ok(self.give_back(id, note, who, when))
    }

    fn give_back(&mut self, id: &Arc<str>, note: Option<String>, who: Who<'_>, when: When) -> Vec<Effect> {
        let Some(task) = self.tasks.get_mut(id) else { return Vec::new() };
        (task.state, task.owner, task.owned_at) = (State::Open, None, None);
        let effects = effects(task, Handling::Acknowledged, Some(who.owner), None);
        let actor = Some(who.actor.clone());
        self.step(id, What::Released, when, |step| (step.actor, step.note) = (actor, note));
        effects
    }

    fn attempt(
        &mut self,
        id: &Arc<str>,
        note: &str,
        next_at: Option<Timestamp>,
        who: Who<'_>,
        when: When,
    ) -> Result<Vec<Effect>, String> {
        let note = needed(note)?;
        if let Some(next) = next_at {
            let ahead = next.since(when.decided_at);
            if ahead <= 0 || ahead > MOST_AHEAD_MS {
                return Err(format!(
                    "{next} is no time for the next attempt; name one within the next 31 days"
                ));
            }
            if self.tasks.get(id).is_some_and(|task| task.severity == Severity::P1) {
                return Err(format!("the task {id} is P1: it cannot wait for another attempt; hand it over"));
            }
        }
        // Who tries it has it.
        let effects = self.take(id, What::Claimed, who, who.owner.clone(), None, when);
        if let Some(task) = self.tasks.get_mut(id) {
            task.attempts = task.attempts.saturating_add(1);
            task.snoozes = 0;
            if let Some(next) = next_at {
                (task.due_at, task.waits_until) = (next, Some(next));
            }
        }
        let actor = Some(who.actor.clone());
        self.step(id, What::Attempted, when, |step| {
            (step.actor, step.note, step.until) = (actor, Some(note), next_at);
        });
        Ok(effects)
    }

    fn snooze(
        &mut self,
        id: &Arc<str>,
        until: Timestamp,
        note: &str,
        who: Who<'_>,
        when: When,
    ) -> Result<Vec<Effect>, String> {
        let note = needed(note)?;
        let Some(task) = self.tasks.get_mut(id) else { return Ok(Vec::new()) };
        let Some(most) = snooze_ms(task.severity) else {
            return Err(format!("the task {id} is P1 and cannot be put off; hand it over"));
        };
        if task.snoozes >= MOST_SNOOZES {
            return Err(format!(
                "the task {id} was put off {MOST_SNOOZES} times; hand it over or release it"
            ));
        }
        let ahead = until.since(when.decided_at);
        if ahead <= 0 || ahead > most {
            let (urgency, minutes) = (task.severity, most / 60_000);
            return Err(format!("what is {urgency:?} may be put off by {minutes} minutes at most"));
        }
        task.snoozes += 1;
        task.waits_until = Some(until);
        let actor = Some(who.actor.clone());
        self.step(id, What::Snoozed, when, |step| {
            (step.actor, step.note, step.until) = (actor, Some(note), Some(until));
        });
        Ok(Vec::new())
    }

    fn finish(
        &mut self,
        id: &Arc<str>,
        outcome: &str,
        note: &str,
        second: Option<&ActorId>,
        who: Who<'_>,
        when: When,
    ) -> Result<Vec<Effect>, String> {
        check_outcome(outcome)?;
        let Some(task) = self.tasks.get(id) else { return Ok(Vec::new()) };
        let offered = outcomes_of(task);
        if !offered.iter().any(|code| **code == *outcome) {
            let offered: Vec<&str> = offered.iter().map(|code| &**code).collect();
            return Err(format!(
                "the task {id} does not end with {outcome:?}; it can end with {}",
                offered.join(", ")
            ));
        }
        let said = if needs_note(outcome) { Some(needed(note)?) } else { optional(note)? };
        let signer = second.cloned();
        if needs_second(outcome) || task.second_signer() {
            match &signer {
                None => {
                    return Err(format!(
                        "the task {id} needs a second signer; let somebody else sign with you"
                    ));
                }
                Some(second) if second == who.owner => {
                    return Err(format!("{second} cannot sign twice; let somebody else sign with you"));
                }
                Some(_) => {}
            }
        }
        drop(self.take(id, What::Claimed, who, who.owner.clone(), None, when));
        let Some(task) = self.tasks.get_mut(id) else { return Ok(Vec::new()) };
        let outcome: Arc<str> = Arc::from(outcome);
        let effects = effects(task, Handling::Closed, Some(who.owner), Some(&outcome));
        for reason in &mut task.reasons {
            reason.settled = true;
        }
        self.end(id, outcome, (said, signer), Some(who.actor), when);
        Ok(effects)
    }

    fn reopen(
        &mut self,
        id: &Arc<str>,
        note: &str,
        who: Who<'_>,
        when: When,
        calendar: &Calendar<'_>,
    ) -> Result<Vec<Effect>, String> {
        let note = needed(note)?;
        let Some(task) = self.tasks.get(id) else { return Ok(Vec::new()) };
        if task.is_open() {
            return Err(format!("the task {id} is open; there is nothing to reopen"));
        }
        let place: Place = (task.list.clone(), Arc::clone(&task.subject));
        if let Some(other) = self.open.get(&place) {
            return Err(format!("the task {other} on the same subject is open; work on that one"));
        }
        let reason = by_hand(&note, task.severity, when.at);
        self.wake(id, &reason, Some(who.actor.clone()), when, calendar, Some(note));
        if let Some(task) = self.tasks.get_mut(id) {
            // The last one that a person gave is enough: this cannot grow without end.
            task.reasons.retain(|known| known.alert.is_some());
            task.reasons.push(reason);
            task.weigh();
        }
        Ok(Vec::new())
    }
}

fn effects(task: &Task, handling: Handling, by: Option<&ActorId>, outcome: Option<&Arc<str>>) -> Vec<Effect> {
    let alerts = task.left().filter_map(|reason| reason.alert.clone());
    alerts.map(|alert| Effect { alert, handling, by: by.cloned(), outcome: outcome.cloned() }).collect()
}

fn by_hand(text: &str, severity: Severity, at: Timestamp) -> Reason {
    let text: Arc<str> = Arc::from(text);
    Reason {
        alert: None,
        rule: None,
        severity,
        text: Text { zh: Arc::clone(&text), en: text },
        at,
        excess: 0.0,
        outcomes: Vec::new(),
        needs_outcome: true,
        second_signer: false,
        cleared_at: None,
        settled: false,
        times: 1,
    }
}

/// A text on one line that is not too long; `None`: nothing was said.
fn plain(text: &str, most: usize) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(format!("a text may have {most} letters here; say it shorter"));
    }
    if text.chars().any(char::is_control) {
        return Err("a text may hold no line break or other control character; write it on one line".into());
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn optional(note: &str) -> Result<Option<String>, String> {
    plain(note, MOST_NOTE)
}

fn needed(note: &str) -> Result<String, String> {
    plain(note, MOST_NOTE)?
        .filter(|note| note.chars().count() >= NOTE_LETTERS)
        .ok_or_else(|| format!("this asks for a note of {NOTE_LETTERS} letters or more; say what was found"))
}
