//! Tasks in the engine: what alerts and people do to them, and the same after every restart as in a plain model.

mod model;

use super::bench::{Bench, FRIDGE, RULES};
use crate::alert::{Condition, Handling};
use crate::record::{ConfigKind, Order, Work};
use crate::task::{State, What};

/// Three rules at once, without holds: P2 above 8 and P3 above 5 on one list, P1 above 12 on another.
pub fn rules() -> String {
    let rule = |id: &str, bound: u8, severity: &str, list: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nclass = \"cold_store\"\nwhen = \"temp > {bound}\"\nseverity = \"{severity}\"\n\
             team = \"pharmacy\"\nsource = \"D\"\ntask = \"{list}\"\ntext.zh = \"{{device}}\"\ntext.en = \"{{device}}\"\n\
             [[rule.test]]\ngiven = [{{ at = \"0s\", values = {{ temp = 20 }} }}]\nexpect = [\"fired 0s\"]\n"
        )
    };
    [
        rule("a-warm", 8, "P2", "pharmacy"),
        rule("b-mild", 5, "P3", "pharmacy"),
        rule("c-hot", 12, "P1", "repair"),
    ]
    .concat()
}

fn bench() -> Bench {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(FRIDGE));
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(&rules()));
    bench.register("f1", "cold_store");
    bench.register("f2", "cold_store");
    assert_eq!(bench.quarantine_codes(), Vec::<&str>::new());
    bench
}

fn work(task: &str, who: &str, work: Work) -> Order {
    Order::WorkTask { task: task.to_owned(), who: Some(who.parse().unwrap()), work }
}

fn finish(outcome: &str, note: &str) -> Work {
    Work::Finish { outcome: outcome.into(), note: note.into(), second: None }
}

/// The id of the only open task on a list.
fn open(bench: &Bench, list: &str) -> String {
    let mut found = bench.engine.worklist.open_tasks().filter(|task| task.list.as_str() == list);
    let id = found.next().unwrap().id.to_string();
    assert!(found.next().is_none());
    id
}

#[test]
fn a_task_is_claimed_and_finished_and_its_alerts_with_it() {
    let mut bench = bench();
    bench.at(1_000).temp("f1", 1_000, 9.0);
    let id = open(&bench, "pharmacy");
    bench.restore();
    bench.act("a", work(&id, "nurse-1", Work::Claim));
    assert_eq!(bench.answer().unwrap()["owner"], "nurse-1");
    let handlings = |bench: &Bench| -> Vec<Handling> {
        bench.written.alerts.values().map(|alert| alert.handling).collect()
    };
    assert_eq!(handlings(&bench), [Handling::InProgress; 2]);
    bench.act("b", work(&id, "nurse-2", Work::Claim));
    assert!(bench.answer().unwrap_err().contains("is claimed by nurse-1 since 2026-11-21T00:00:01.000Z"));
    bench.act("c", work(&id, "nurse-1", finish("door_closed", "")));
    let said = bench.answer().unwrap();
    assert_eq!((&said["state"], &said["still_firing"]), (&"done".into(), &2.into()));
    assert_eq!(handlings(&bench), [Handling::Closed; 2]);
    assert!(bench.written.alerts.values().all(|alert| alert.outcome.as_deref() == Some("door_closed")));
    let verbs: Vec<_> = bench.written.audit[2..].iter().map(|entry| entry.verb.as_str()).collect();
    assert_eq!(verbs, ["task.claim", "task.claim", "task.finish"]);
    assert!(bench.written.audit[3].detail.contains("refused"));
    let whats: Vec<What> = bench.written.task_steps.iter().map(|step| step.what).collect();
    assert_eq!(whats, [What::Opened, What::Joined, What::Claimed, What::Finished]);
    bench.at(2_000).temp("f1", 2_000, 4.0);
    bench.drain();
    assert_eq!(bench.written.snapshot().alerts, [], "with that they are over");
}

#[test]
fn closing_the_alerts_by_themselves_ends_the_task_too() {
    let mut bench = bench();
    bench.at(1_000).temp("f1", 1_000, 9.0);
    bench.drain();
    let alerts: Vec<String> = bench.written.alerts.keys().map(ToString::to_string).collect();
    let id = open(&bench, "pharmacy");
    bench.act("s", Order::AcknowledgeAlert { alert: alerts[0].clone() });
    let close =
        |alert: &str, outcome: &str| Order::CloseAlert { alert: alert.into(), outcome: outcome.into() };
    bench.act("n", close(&alerts[0], "false_alarm"));
    assert!(bench.answer().unwrap_err().contains(&format!("the alert belongs to the task {id}")));
    bench.act("x", close(&alerts[0], "door_closed"));
    assert_eq!(bench.engine.worklist.task(&id).unwrap().state, State::Open);
    bench.act("y", close(&alerts[1], "explained"));
    bench.drain();
    let task = &bench.written.tasks[&*id];
    assert_eq!((task.state, task.outcome.as_deref()), (State::Done, Some("explained")));
}

#[test]
fn a_low_alert_ends_its_task_by_itself_even_when_somebody_has_it() {
    let mut bench = bench();
    bench.at(1_000).temp("f1", 1_000, 6.0);
    let id = open(&bench, "pharmacy");
    bench.act("a", work(&id, "nurse-1", Work::Claim));
    bench.at(2_000).temp("f1", 2_000, 4.0);
    bench.drain();
    assert_eq!(bench.written.tasks[&*id].outcome.as_deref(), Some("cleared"));
    let alert = bench.written.alerts.values().next().unwrap();
    assert_eq!((alert.handling, alert.outcome.as_deref()), (Handling::Closed, Some("auto_cleared")));
    assert_eq!(alert.handled_by.as_ref().unwrap().as_str(), "nurse-1");
}

#[test]
fn a_rule_that_gets_a_list_puts_its_standing_alerts_on_it() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", 1_000, 13.0);
    assert_eq!(bench.engine.worklist.open_tasks().count(), 0);
    let with = RULES.replacen("severity = \"P1\"", "severity = \"P1\"\ntask = \"repair\"", 1);
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(&with));
    let id = open(&bench, "repair");
    bench.act("a", work(&id, "n", finish("repaired", "")));
    assert!(bench.answer().is_ok());
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(&format!("{with}\n")));
    assert_eq!(bench.engine.worklist.open_tasks().count(), 0, "what somebody closed stays closed");
}

#[test]
fn a_rule_or_a_device_that_goes_ends_what_is_low_and_asks_about_what_is_urgent() {
    let mut bench = bench();
    bench.at(1_000).temp("f1", 1_000, 6.0);
    bench.temp("f2", 1_000, 9.0);
    bench.act("r", Order::RevokeDevice { device: "f1".parse().unwrap() });
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), None);
    bench.drain();
    let left: Vec<&str> = bench.engine.worklist.open_tasks().map(|task| &*task.subject).collect();
    assert_eq!(left, ["f2"]);
    assert!(bench.written.alerts.values().all(|alert| alert.condition == Condition::Cleared));
}

#[test]
fn due_times_follow_the_holidays_in_force() {
    let mut bench = bench();
    let information = rules().replace("repair", "information").replace("\"P1\"", "\"P3\"");
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(&information));
    let due = |bench: &mut Bench, device: &str| {
        bench.temp(device, 1_000, 13.0);
        let found = bench
            .engine
            .worklist
            .open_tasks()
            .find(|task| task.list.as_str() == "information" && &*task.subject == device);
        found.unwrap().due_at.to_string()
    };
    // It is Saturday; the office closes at 17:30 in Shanghai.
    assert_eq!(due(bench.at(1_000), "f1"), "2026-11-23T09:30:00.000Z");
    let year = "[[year]]\nyear = 2026\nsource = \"test\"\noff = [\"2026-11-23/2026-11-24\"]\nwork = []\n";
    bench.config(ConfigKind::Rule("calendar".parse().unwrap()), Some(year));
    assert_eq!(bench.quarantine_codes(), Vec::<&str>::new());
    assert_eq!(due(&mut bench, "f2"), "2026-11-25T09:30:00.000Z");
}

#[test]
fn by_hand_a_device_brings_its_class_and_its_zone() {
    let mut bench = bench();
    let create = |urgency| Order::CreateTask {
        list: "repair".parse().unwrap(),
        subject: "f1".into(),
        text: "门封条破损".into(),
        urgency,
    };
    bench.act("a", create(5));
    assert!(bench.answer().unwrap_err().contains("5 is no urgency"));
    bench.act("b", create(3));
    let said = bench.answer().unwrap();
    let task = &bench.written.tasks[said["task"].as_str().unwrap()];
    assert_eq!(task.class.as_ref().unwrap().as_str(), "cold_store");
    bench.at(1_000).temp("f1", 1_000, 13.0);
    let id = open(&bench, "repair");
    assert_eq!(bench.engine.worklist.task(&id).unwrap().reasons.len(), 2, "the alert joins it");
    let all =
        Order::HandOverTasks { list: None, who: None, to: Some("n-2".parse().unwrap()), note: String::new() };
    bench.act("h", all.clone());
    assert_eq!(bench.answer().unwrap()["tasks"], 0, "nobody had one");
    bench.act("c", Order::WorkTask { task: id, who: None, work: Work::Claim });
    bench.act("i", all);
    assert_eq!(bench.answer().unwrap()["tasks"], 1);
}
