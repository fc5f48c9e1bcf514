//! The reference: the same rules and the same people over plain lists, looked through from the front each time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{bench, finish, work};
use crate::alert::Condition;
use crate::engine::tests::bench::{Bench, START, Written};
use crate::record::{Order, Work};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// A fridge measures.
    Temp(usize, usize),
    Minutes(i64),
    /// Somebody does something about the open task of a fridge on a list, under one of a few keys.
    Work {
        fridge: usize,
        list: usize,
        who: usize,
        what: usize,
        key: u8,
    },
    /// Somebody closes the first alert of a fridge that is not closed.
    Close {
        fridge: usize,
        outcome: usize,
        key: u8,
    },
    Restart,
}

const FRIDGES: [&str; 2] = ["f1", "f2"];
const LISTS: [&str; 2] = ["pharmacy", "repair"];
const PEOPLE: [&str; 3] = ["ann", "bea", "local-admin"];
const TEMPS: [f64; 4] = [4.0, 6.0, 9.0, 13.0];
/// Name, bound, whether a person must say how it ended, list; in the order of their names.
const RULES: [(&str, f64, bool, usize); 3] =
    [("a-warm", 8.0, true, 0), ("b-mild", 5.0, false, 0), ("c-hot", 12.0, true, 1)];
const OUTCOMES: [&str; 4] = ["door_closed", "repaired", "false_alarm", "nonsense"];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..2_usize, 0..4_usize).prop_map(|(fridge, temp)| Event::Temp(fridge, temp)),
        2 => (1..25_i64).prop_map(Event::Minutes),
        7 => (0..2_usize, 0..2_usize, 0..3_usize, 0..7_usize, 0..30_u8)
            .prop_map(|(fridge, list, who, what, key)| Event::Work { fridge, list, who, what, key }),
        1 => (0..2_usize, 0..3_usize, 0..30_u8)
            .prop_map(|(fridge, outcome, key)| Event::Close { fridge, outcome, key }),
        1 => Just(Event::Restart),
    ]
}

fn what(number: usize, now: i64) -> Work {
    match number {
        0 => Work::Claim,
        1 => Work::Release { note: String::new() },
        2 => Work::HandOver { to: "bea".parse().unwrap(), note: String::new() },
        3 => Work::Attempt { note: "door is locked".into(), next_at: None },
        4 => finish("door_closed", ""),
        5 => finish("repaired", ""),
        _ => Work::Snooze { until: crate::time::Timestamp(now + 60_000), note: "a walk first".into() },
    }
}

#[derive(Debug)]
struct Alert {
    fridge: usize,
    rule: usize,
    firing: bool,
    outcome: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Task {
    fridge: usize,
    list: usize,
    /// Places of its alerts; those that are closed are settled.
    alerts: Vec<usize>,
    owner: Option<usize>,
    claimed: bool,
    snoozes: u32,
    attempts: u32,
    reopened: u32,
    /// When it ended and how.
    end: Option<(i64, &'static str)>,
}

#[derive(Debug, Default)]
struct Model {
    now: i64,
    alerts: Vec<Alert>,
    tasks: Vec<Task>,
    used: Vec<u8>,
}

impl Model {
    fn open(&mut self, fridge: usize, list: usize) -> Option<usize> {
        self.tasks.iter().position(|task| task.end.is_none() && (task.fridge, task.list) == (fridge, list))
    }

    fn temp(&mut self, fridge: usize, temp: f64) {
        for (rule, (_, bound, asks, list)) in RULES.into_iter().enumerate() {
            let fires = temp > bound;
            let standing = self.alerts.iter().position(|a| a.firing && (a.fridge, a.rule) == (fridge, rule));
            match standing {
                None if fires => {
                    self.alerts.push(Alert { fridge, rule, firing: true, outcome: None });
                    self.raised(self.alerts.len() - 1, fridge, list);
                }
                Some(alert) if !fires => {
                    self.alerts[alert].firing = false;
                    if self.alerts[alert].outcome.is_none() && !asks {
                        self.alerts[alert].outcome = Some("auto_cleared");
                        self.end_if_settled(alert, "cleared");
                    }
                }
                _ => {}
            }
        }
    }

    fn raised(&mut self, alert: usize, fridge: usize, list: usize) {
        let rule = self.alerts[alert].rule;
        let found = self.open(fridge, list).or_else(|| {
            // The last one that ended half an hour ago or later, and had this rule.
            let fits = |(_, task): &(usize, &Task)| {
                let recent = task.end.is_some_and(|(at, _)| self.now - at <= 30 * 60_000);
                let same = task.alerts.iter().any(|a| self.alerts[*a].rule == rule);
                (task.fridge, task.list) == (fridge, list) && recent && same
            };
            let all = self.tasks.iter().enumerate().filter(fits);
            let (found, _) = all.max_by_key(|(_, task)| task.end.map(|(at, _)| at))?;
            let task = &mut self.tasks[found];
            (task.end, task.owner, task.claimed, task.snoozes) = (None, None, false, 0);
            task.reopened += 1;
            Some(found)
        });
        let Some(found) = found else {
            return self.tasks.push(Task { fridge, list, alerts: vec![alert], ..Task::default() });
        };
        // An earlier one of the same rule that is over makes room.
        let old = self.tasks[found].alerts.iter().position(|a| {
            self.alerts[*a].rule == rule && (!self.alerts[*a].firing || self.alerts[*a].outcome.is_some())
        });
        if let Some(old) = old {
            let gone = self.tasks[found].alerts.remove(old);
            self.alerts[gone].outcome.get_or_insert("came_again");
        }
        self.tasks[found].alerts.push(alert);
    }

    fn end_if_settled(&mut self, alert: usize, outcome: &'static str) {
        let now = self.now;
        let Some(task) = self.tasks.iter().position(|t| t.end.is_none() && t.alerts.contains(&alert)) else {
            return;
        };
        if self.tasks[task].alerts.iter().all(|a| self.alerts[*a].outcome.is_some()) {
            self.tasks[task].end = Some((now, outcome));
        }
    }

    fn work(&mut self, fridge: usize, list: usize, who: usize, what: usize) {
        let urgent = |model: &Self, task: &Task| {
            task.alerts
                .iter()
                .any(|a| model.alerts[*a].outcome.is_none() && RULES[model.alerts[*a].rule].0 == "c-hot")
        };
        let Some(place) = self.open(fridge, list) else { return };
        let (now, hot) = (self.now, urgent(self, &self.tasks[place]));
        let task = &mut self.tasks[place];
        if task.owner.is_some_and(|owner| owner != who) {
            return;
        }
        match what {
            0 => (task.owner, task.claimed) = (Some(who), true),
            1 => task.owner = None,
            2 if task.owner == Some(1) => {}
            2 => (task.owner, task.claimed) = (Some(1), true),
            3 => {
                (task.owner, task.claimed, task.snoozes) = (Some(who), true, 0);
                task.attempts += 1;
            }
            // A fridge of the pharmacy's list is not repaired, one to repair is not closed.
            4 | 5 if (what == 4) == (list == 0) => {
                let outcome = if what == 4 { "door_closed" } else { "repaired" };
                (task.owner, task.claimed, task.end) = (Some(who), true, Some((now, outcome)));
                for alert in task.alerts.clone() {
                    self.alerts[alert].outcome.get_or_insert(outcome);
                }
            }
            6 if !hot && task.snoozes < 2 => task.snoozes += 1,
            _ => {}
        }
    }

    fn close(&mut self, alert: usize, outcome: &'static str) {
        let task = self.tasks.iter().find(|t| t.end.is_none() && t.alerts.contains(&alert));
        let others = task.and_then(|task| task.owner).is_some_and(|owner| owner != 2);
        if others || outcome == "false_alarm" && task.is_some() || self.alerts[alert].outcome.is_some() {
            return;
        }
        self.alerts[alert].outcome = Some(outcome);
        self.end_if_settled(alert, outcome);
    }

    /// Every task and alert in words, sorted.
    fn told(&self) -> Vec<String> {
        let task = |task: &Task| {
            let (fridge, list) = (FRIDGES[task.fridge], LISTS[task.list]);
            let mut rules: Vec<_> = task
                .alerts
                .iter()
                .map(|a| {
                    (RULES[self.alerts[*a].rule].0, self.alerts[*a].outcome.is_some() || task.end.is_some())
                })
                .collect();
            rules.sort_unstable();
            let owner = task.owner.map(|owner| PEOPLE[owner]);
            format!(
                "task {list} {fridge} {rules:?} {owner:?} {} {} {} {} {:?}",
                task.claimed, task.snoozes, task.attempts, task.reopened, task.end
            )
        };
        let alert = |alert: &Alert| {
            format!(
                "alert {} {} {} {:?}",
                RULES[alert.rule].0, FRIDGES[alert.fridge], alert.firing, alert.outcome
            )
        };
        let mut told: Vec<String> =
            self.tasks.iter().map(task).chain(self.alerts.iter().map(alert)).collect();
        told.sort();
        told
    }
}

/// What the engine wrote, in the same words.
fn told(written: &Written) -> Vec<String> {
    let task = |task: &crate::task::Task| {
        let mut rules: Vec<_> =
            task.reasons.iter().map(|r| (r.rule.as_ref().unwrap().as_str(), r.settled)).collect();
        rules.sort_unstable();
        let owner = task.owner.as_ref().map(|owner| owner.as_str());
        let end = task.ended_at.map(|at| (at.0 - START, task.outcome.as_deref().unwrap()));
        format!(
            "task {} {} {rules:?} {owner:?} {} {} {} {} {end:?}",
            task.list,
            task.subject,
            task.claimed_at.is_some(),
            task.snoozes,
            task.attempts,
            task.reopened
        )
    };
    let alert = |alert: &crate::alert::Alert| {
        let firing = alert.condition == Condition::Firing;
        format!("alert {} {} {firing} {:?}", alert.rule, alert.device, alert.outcome.as_deref())
    };
    let mut told: Vec<String> =
        written.tasks.values().map(task).chain(written.alerts.values().map(alert)).collect();
    told.sort();
    told
}

/// The first alert of a fridge that is not closed, by rule and then by age.
fn first_open(model: &Model, fridge: usize) -> Option<usize> {
    let open = |(_, alert): &(usize, &Alert)| alert.fridge == fridge && alert.outcome.is_none();
    model.alerts.iter().enumerate().filter(open).min_by_key(|(n, alert)| (alert.rule, *n)).map(|(n, _)| n)
}

fn happen(bench: &mut Bench, model: &mut Model, event: &Event) {
    // One key is one order, also of another kind; each person has their own, and here all are one person's.
    let fresh = |model: &mut Model, key: u8| {
        let fresh = !model.used.contains(&key);
        model.used.push(key);
        fresh
    };
    match event {
        Event::Temp(fridge, temp) => {
            model.now += 1_000;
            bench.at(model.now).temp(FRIDGES[*fridge], model.now, TEMPS[*temp]);
            model.temp(*fridge, TEMPS[*temp]);
        }
        Event::Minutes(minutes) => {
            model.now += minutes * 60_000;
            bench.at(model.now);
        }
        Event::Work { fridge, list, who, what: number, key } => {
            let place = (LISTS[*list].parse().unwrap(), FRIDGES[*fridge].into());
            let id = bench.engine.worklist.open.get(&place).map_or("none".to_owned(), ToString::to_string);
            bench.act(&format!("k{key}"), work(&id, PEOPLE[*who], what(*number, START + model.now)));
            if fresh(model, *key) {
                model.work(*fridge, *list, *who, *number);
            }
        }
        Event::Close { fridge, outcome, key } => {
            let found = first_open(model, *fridge);
            let id = found.and_then(|n| {
                let mut alerts: Vec<_> = bench
                    .engine
                    .alerts
                    .values()
                    .filter(|alert| {
                        alert.device.as_str() == FRIDGES[*fridge]
                            && alert.rule.as_str() == RULES[model.alerts[n].rule].0
                            && alert.outcome.is_none()
                    })
                    .collect();
                alerts.sort_by_key(|alert| alert.began_at);
                Some(alerts.first()?.id.to_string())
            });
            let order =
                Order::CloseAlert { alert: id.unwrap_or_default(), outcome: OUTCOMES[*outcome].to_owned() };
            bench.act(&format!("k{key}"), order);
            if fresh(model, *key)
                && let Some(found) = found
            {
                model.close(found, OUTCOMES[*outcome]);
            }
        }
        Event::Restart => bench.restore(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_worklist_does_what_a_plain_model_does(events in prop::collection::vec(event(), 1..120)) {
        let (mut bench, mut model) = (bench(), Model::default());
        for event in &events {
            happen(&mut bench, &mut model, event);
        }
        bench.drain();
        prop_assert_eq!(told(&bench.written), model.told());
        // Every task counts its steps, and no two open ones stand on one place.
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for step in &bench.written.task_steps {
            let count = counts.entry(&step.task).or_default();
            *count += 1;
            prop_assert_eq!(step.number, *count);
        }
        for (id, task) in &bench.written.tasks {
            prop_assert_eq!(counts.get(&**id), Some(&task.steps));
        }
        let open: Vec<_> = bench.engine.worklist.open_tasks().map(|task| (&task.list, &task.subject)).collect();
        let places: std::collections::BTreeSet<_> = open.iter().collect();
        prop_assert_eq!(open.len(), places.len());
    }
}
