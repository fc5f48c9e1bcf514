//! How tasks begin, are joined, end and go on.

use super::*;
use crate::alert::Handling;

#[test]
fn one_open_task_for_each_subject_and_list() {
    let mut desk = Desk::new();
    desk.raise("chair-4h", "w-1", Severity::P3);
    let id = desk.only().id.to_string();
    desk.pass(10);
    let (second, effects) = desk.raise("chair-left", "w-1", Severity::P2);
    assert_eq!(effects, []);
    let task = desk.only();
    assert_eq!((&*task.id, task.reasons.len(), task.severity), (&*id, 2, Severity::P2));
    assert_eq!(desk.list.of_alert(&second).unwrap().id, task.id);
    assert_eq!(task.due_at, START.plus_ms(70 * MINUTE), "the more urgent one makes it due earlier");
    desk.raise("chair-4h", "w-2", Severity::P3);
    desk.raise_on("repair", "chair-4h", "w-1", Severity::P3, |_| {});
    assert_eq!(desk.list.open_tasks().count(), 3, "another chair, another list");
}

#[test]
fn what_is_over_by_itself_needs_a_person_only_where_the_rule_or_its_urgency_says_so() {
    let mut desk = Desk::new();
    let (low, _) = desk.raise("chair-4h", "w-1", Severity::P3);
    let id = desk.only().id.to_string();
    assert_eq!(desk.clear(&low), Some(true), "the alert closes with it");
    let task = desk.task(&id);
    assert_eq!((task.state, task.outcome.as_deref()), (State::Done, Some(CLEARED)));

    let (high, _) = desk.raise("chair-left", "w-2", Severity::P2);
    let (low, _) = desk.raise("chair-4h", "w-2", Severity::P3);
    assert_eq!(desk.clear(&high), Some(false), "somebody must say what was");
    assert_eq!(desk.clear(&low), Some(true));
    let task = desk.only();
    assert_eq!((task.state, task.severity), (State::Open, Severity::P2), "it waits for an outcome");
    let id = task.id.to_string();
    let effects = desk.finish(&id, "porter-7", "found", "").unwrap();
    assert_eq!(effects.len(), 1);
    assert_eq!((&*effects[0].alert, effects[0].handling), (&*high, Handling::Closed));

    let (asked, _) =
        desk.raise_on("wheelchairs", "chair-5h", "w-3", Severity::P4, |r| r.needs_outcome = true);
    assert_eq!(desk.clear(&asked), Some(false));
    assert_eq!(desk.clear("unknown"), None, "an alert without a task is not ours");
}

#[test]
fn a_task_that_somebody_has_ends_by_itself_too_and_says_who_had_it() {
    let mut desk = Desk::new();
    let (low, _) = desk.raise("chair-4h", "w-1", Severity::P3);
    let id = desk.only().id.to_string();
    desk.work(&id, "porter-7", &Work::Claim).unwrap();
    assert_eq!(desk.clear(&low), Some(true));
    let task = desk.task(&id);
    assert_eq!((task.state, task.owner.clone()), (State::Done, Some(actor("porter-7"))));
    assert_eq!(desk.steps(), [What::Opened, What::Claimed, What::Cleared, What::Finished]);
}

#[test]
fn the_same_cause_within_half_an_hour_goes_on_with_the_old_task() {
    let mut desk = Desk::new();
    desk.raise("chair-left", "w-1", Severity::P2);
    let id = desk.only().id.to_string();
    desk.finish(&id, "porter-7", "found", "").unwrap();
    desk.pass(30);
    desk.raise("chair-left", "w-1", Severity::P2);
    let task = desk.only();
    assert_eq!((&*task.id, task.reopened, task.reasons.len()), (&*id, 1, 1));
    assert_eq!((task.reasons[0].times, task.owner.clone(), task.outcome.clone()), (2, None, None));
    assert_eq!(task.due_at, START.plus_ms(90 * MINUTE));
    desk.finish(&id, "porter-7", "found", "").unwrap();
    desk.pass(31);
    desk.raise("chair-left", "w-1", Severity::P2);
    assert_ne!(&*desk.only().id, &*id, "later it is a new task");
    let other = desk.only().id.to_string();
    desk.finish(&other, "porter-7", "found", "").unwrap();
    desk.raise("chair-fault", "w-1", Severity::P3);
    assert_ne!(&*desk.only().id, &*other, "another cause is a new task");
}

#[test]
fn a_cause_that_comes_up_again_takes_the_place_of_its_earlier_alert() {
    let mut desk = Desk::new();
    let (first, _) = desk.raise("chair-left", "w-1", Severity::P2);
    desk.clear(&first);
    let (second, effects) = desk.raise("chair-left", "w-1", Severity::P2);
    assert_eq!(effects.len(), 1);
    assert_eq!((&*effects[0].alert, effects[0].outcome.as_deref()), (&*first, Some(AGAIN)));
    let task = desk.only();
    assert_eq!((task.reasons.len(), task.reasons[0].times), (1, 2), "flapping cannot grow a task");
    assert_eq!(task.reasons[0].alert.as_deref(), Some(&*second));
}

#[test]
fn an_alert_that_is_closed_by_itself_settles_its_reason_and_the_last_one_the_task() {
    let mut desk = Desk::new();
    let (a, _) = desk.raise("chair-left", "w-1", Severity::P2);
    let (b, _) = desk.raise("chair-4h", "w-1", Severity::P3);
    let id = desk.only().id.to_string();
    let when = desk.when();
    desk.list.closed(&a, "found", &actor("dispatcher"), when);
    assert_eq!(desk.only().severity, Severity::P3);
    assert!(desk.list.of_alert(&a).is_none());
    desk.list.closed(&b, "returned", &actor("dispatcher"), when);
    let task = desk.task(&id);
    assert_eq!((task.state, task.outcome.as_deref()), (State::Done, Some("returned")));
}

#[test]
fn a_restored_worklist_goes_on_as_the_old_one() {
    let mut desk = Desk::new();
    let (a, _) = desk.raise("chair-left", "w-1", Severity::P2);
    desk.raise("chair-left", "w-2", Severity::P2);
    let id = desk.list.of_alert(&a).unwrap().id.to_string();
    desk.finish(&id, "porter-7", "found", "").unwrap();
    let (tasks, _) = desk.list.drain(desk.now.0);
    assert_eq!(tasks.len(), 2);
    let (restored, mut old) = (Worklist::restore(tasks), Desk::new());
    std::mem::swap(&mut old.list, &mut desk.list);
    desk.list = restored;
    desk.pass(5).raise("chair-left", "w-1", Severity::P2);
    (old.now, old.seq) = (desk.now, desk.seq - 1);
    old.raise("chair-left", "w-1", Severity::P2);
    assert_eq!(desk.list.tasks, old.list.tasks);
    assert_eq!((&desk.list.open, &desk.list.by_alert), (&old.list.open, &old.list.by_alert));
    assert_eq!(desk.task(&id).reopened, 1);
}

#[test]
fn what_ended_more_than_a_day_ago_is_forgotten() {
    let mut desk = Desk::new();
    desk.raise("chair-left", "w-1", Severity::P2);
    let id = desk.only().id.to_string();
    desk.finish(&id, "porter-7", "found", "").unwrap();
    desk.pass(24 * 60 + 1);
    let gone = desk.work(&id, "porter-7", &Work::Reopen { note: "still there".into() }).unwrap_err();
    assert!(gone.contains("ended within a day"), "{gone}");
    desk.raise("chair-left", "w-2", Severity::P2);
    desk.list.drain(desk.now.0);
    assert!(desk.list.task(&id).is_none() && desk.list.ended.is_empty());
    assert_eq!(desk.work(&id, "porter-7", &Work::Claim).unwrap_err(), gone, "told the same way");
}
