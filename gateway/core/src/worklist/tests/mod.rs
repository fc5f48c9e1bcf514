//! The worklist by itself: joining, ending, people's steps, due times, order and figures (DOMAIN 9.4, 9.5).

mod due;
mod ends;
mod figures;
mod people;

use std::sync::Arc;

use jiff::tz::{TimeZone, offset};

use super::*;
use crate::alert::{Severity, Text};
use crate::ids::{ActorId, ListId};
use crate::record::Work;
use crate::task::{AGAIN, CLEARED, State, Task, What};
use crate::time::Timestamp;

/// Tuesday 2026-03-17 08:00 in Shanghai.
pub const START: Timestamp = Timestamp(1_773_705_600_000);
pub const MINUTE: i64 = 60_000;

/// A worklist and a clock that is moved by hand.
pub struct Desk {
    pub list: Worklist,
    pub now: Timestamp,
    zone: TimeZone,
    seq: u64,
}

pub fn actor(name: &str) -> ActorId {
    ActorId::new(name).unwrap()
}

impl Desk {
    pub fn new() -> Self {
        Self { list: Worklist::default(), now: START, zone: TimeZone::fixed(offset(8)), seq: 0 }
    }

    pub fn pass(&mut self, minutes: i64) -> &mut Self {
        self.now = self.now.plus_ms(minutes * MINUTE);
        self
    }

    pub fn when(&mut self) -> When {
        self.seq += 1;
        When { at: self.now, decided_at: self.now, even: self.now.0, seq: self.seq }
    }

    /// An alert of a rule on a chair; its name is `rule/chair/n`.
    pub fn raise(&mut self, rule: &str, chair: &str, severity: Severity) -> (String, Vec<Effect>) {
        self.raise_on("wheelchairs", rule, chair, severity, |_| {})
    }

    pub fn raise_on(
        &mut self,
        list: &str,
        rule: &str,
        chair: &str,
        severity: Severity,
        change: impl FnOnce(&mut Raised),
    ) -> (String, Vec<Effect>) {
        let when = self.when();
        let alert: Arc<str> = format!("{rule}/{chair}/{}", when.seq).into();
        let mut raised = Raised {
            list: ListId::new(list).unwrap(),
            device: chair.parse().unwrap(),
            class: "wheelchair".parse().unwrap(),
            zone: None,
            alert: Arc::clone(&alert),
            rule: rule.parse().unwrap(),
            severity,
            text: Text { zh: rule.into(), en: rule.into() },
            began_at: self.now,
            excess: 0.0,
            outcomes: Vec::new(),
            needs_outcome: severity <= Severity::P2,
            second_signer: false,
        };
        change(&mut raised);
        let calendar = Calendar { zone: &self.zone.clone(), is_workday: &is_weekday };
        let effects = self.list.raise(raised, when, &calendar);
        (alert.to_string(), effects)
    }

    pub fn clear(&mut self, alert: &str) -> Option<bool> {
        let when = self.when();
        self.list.cleared(alert, when)
    }

    pub fn work(&mut self, id: &str, who: &str, work: &Work) -> Result<Vec<Effect>, String> {
        let (when, who) = (self.when(), actor(who));
        let calendar = Calendar { zone: &self.zone.clone(), is_workday: &is_weekday };
        self.list.work(id, Who { actor: &who, owner: &who }, work, when, &calendar)
    }

    pub fn finish(&mut self, id: &str, who: &str, outcome: &str, note: &str) -> Result<Vec<Effect>, String> {
        let work = Work::Finish { outcome: outcome.into(), note: note.into(), second: None };
        self.work(id, who, &work)
    }

    pub fn create(&mut self, list: &str, subject: &str, text: &str) -> Result<Made, String> {
        let when = self.when();
        let new = New {
            list: ListId::new(list).unwrap(),
            subject: subject.into(),
            device: None,
            text: text.into(),
            severity: Severity::P3,
        };
        let calendar = Calendar { zone: &self.zone.clone(), is_workday: &is_weekday };
        self.list.create(new, &actor("dispatcher"), when, &calendar)
    }

    /// The only open task.
    pub fn only(&self) -> &Task {
        let open: Vec<&Task> = self.list.open_tasks().collect();
        assert_eq!(open.len(), 1, "{open:#?}");
        open[0]
    }

    pub fn task(&self, id: &str) -> &Task {
        self.list.task(id).unwrap()
    }

    /// What happened so far, in words.
    pub fn steps(&mut self) -> Vec<What> {
        let (_, steps) = self.list.drain(self.now.0);
        steps.iter().map(|step| step.what).collect()
    }
}
