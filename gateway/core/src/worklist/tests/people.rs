//! What people do, and what they are told when it cannot be.

use super::*;
use crate::alert::Handling;

fn one() -> (Desk, String) {
    let mut desk = Desk::new();
    desk.raise("chair-left", "w-1", Severity::P2);
    let id = desk.only().id.to_string();
    (desk, id)
}

fn hand(to: &str) -> Work {
    Work::HandOver { to: actor(to), note: "shift ends".into() }
}

#[test]
fn the_second_who_claims_is_told_who_has_it() {
    let (mut desk, id) = one();
    desk.pass(3);
    let effects = desk.work(&id, "porter-7", &Work::Claim).unwrap();
    assert_eq!((effects[0].handling, effects[0].by.clone()), (Handling::InProgress, Some(actor("porter-7"))));
    assert_eq!(desk.work(&id, "porter-7", &Work::Claim).unwrap(), [], "it is theirs already");
    let told = desk.work(&id, "porter-8", &Work::Claim).unwrap_err();
    assert_eq!(
        told,
        format!(
            "the task {id} is claimed by porter-7 since 2026-03-17T00:03:00.000Z; porter-7 can hand it over or release it"
        )
    );
    for work in [hand("porter-9"), Work::Release { note: String::new() }] {
        assert_eq!(desk.work(&id, "porter-8", &work).unwrap_err(), told);
    }
    assert_eq!(desk.finish(&id, "porter-8", "found", "").unwrap_err(), told);
    assert_eq!(desk.task(&id).claimed_at, Some(START.plus_ms(3 * MINUTE)));
}

#[test]
fn hand_over_and_release() {
    let (mut desk, id) = one();
    desk.work(&id, "porter-7", &Work::Claim).unwrap();
    let effects = desk.work(&id, "porter-7", &hand("porter-9")).unwrap();
    assert_eq!((effects[0].handling, effects[0].by.clone()), (Handling::Assigned, Some(actor("porter-9"))));
    assert!(desk.work(&id, "porter-9", &hand("porter-9")).unwrap_err().contains("has the task"));
    let effects = desk.work(&id, "porter-9", &Work::Release { note: String::new() }).unwrap();
    assert_eq!(effects[0].handling, Handling::Acknowledged);
    assert!(
        desk.work(&id, "porter-9", &Work::Release { note: String::new() })
            .unwrap_err()
            .contains("nobody has")
    );
    assert_eq!(desk.steps(), [What::Opened, What::Claimed, What::HandedOver, What::Released]);
}

#[test]
fn at_the_change_of_shift_all_tasks_go_to_the_next_one_or_back_to_the_list() {
    let mut desk = Desk::new();
    for chair in ["w-1", "w-2", "w-3"] {
        desk.raise("chair-left", chair, Severity::P2);
    }
    desk.raise_on("repair", "chair-fault", "w-1", Severity::P3, |_| {});
    let ids: Vec<String> = desk.list.open_tasks().map(|task| task.id.to_string()).collect();
    for id in &ids {
        desk.work(id, "porter-7", &Work::Claim).unwrap();
    }
    let (from, to) = (actor("porter-7"), actor("porter-9"));
    let who = Who { actor: &from, owner: &from };
    let when = desk.when();
    let chairs = ListId::new("wheelchairs").unwrap();
    assert!(desk.list.hand_over_all(None, who, Some(&from), "", when).is_err());
    let (n, effects) =
        desk.list.hand_over_all(Some(&chairs), who, Some(&to), "two in the lift", when).unwrap();
    assert_eq!((n, effects.len()), (3, 3));
    let (n, _) = desk.list.hand_over_all(None, who, None, "", when).unwrap();
    assert_eq!(n, 1, "the other list's went back");
    assert_eq!(desk.list.open_tasks().filter(|task| task.owner.as_ref() == Some(&to)).count(), 3);
    assert_eq!(desk.list.hand_over_all(None, who, None, "", when).unwrap().0, 0);
}

#[test]
fn an_outcome_must_be_offered_and_asks_for_its_note_and_second_signer() {
    let (mut desk, id) = one();
    assert!(desk.finish(&id, "p", "fond", "").unwrap_err().contains("did you mean \"found\"?"));
    assert!(desk.finish(&id, "p", "restocked", "").unwrap_err().contains("it can end with returned, found"));
    desk.finish(&id, "p", "found", "in the garden").unwrap();
    assert_eq!(desk.task(&id).note.as_deref(), Some("in the garden"));
    assert!(desk.finish(&id, "p", "found", "").unwrap_err().contains("reopen it if that is not so"));

    desk.raise_on("security", "aed-taken", "a-1", Severity::P1, |_| {});
    let id = desk.only().id.to_string();
    let short = desk.finish(&id, "p", "false_alarm", " 误 ").unwrap_err();
    assert!(short.contains("a note of 4 letters or more"), "{short}");
    desk.finish(&id, "p", "false_alarm", "擦拭柜门").unwrap();

    desk.raise_on("pharmacy", "count", "n-1", Severity::P2, |raised| {
        raised.second_signer = true;
        raised.outcomes = vec!["recount_ok".into(), "scrapped".into()];
    });
    let id = desk.only().id.to_string();
    let finish = |second: Option<&str>| Work::Finish {
        outcome: "recount_ok".into(),
        note: String::new(),
        second: second.map(actor),
    };
    assert!(desk.work(&id, "keeper-a", &finish(None)).unwrap_err().contains("needs a second signer"));
    assert!(desk.work(&id, "keeper-a", &finish(Some("keeper-a"))).unwrap_err().contains("cannot sign twice"));
    assert!(desk.finish(&id, "keeper-a", "restocked", "").unwrap_err().contains("recount_ok, scrapped"));
    desk.work(&id, "keeper-a", &finish(Some("keeper-b"))).unwrap();
    assert_eq!(desk.task(&id).signer, Some(actor("keeper-b")));
}

#[test]
fn attempts_count_and_move_the_due_time() {
    let (mut desk, id) = one();
    let attempt = |note: &str, next: Option<i64>| Work::Attempt {
        note: note.into(),
        next_at: next.map(|minutes| START.plus_ms(minutes * MINUTE)),
    };
    assert!(desk.work(&id, "p", &attempt("no", None)).unwrap_err().contains("4 letters or more"));
    assert!(desk.work(&id, "p", &attempt("nobody there", Some(-1))).unwrap_err().contains("31 days"));
    desk.work(&id, "p", &attempt("nobody there", Some(180))).unwrap();
    desk.work(&id, "p", &attempt("locked ward", None)).unwrap();
    let task = desk.task(&id);
    assert_eq!((task.attempts, task.due_at), (2, START.plus_ms(180 * MINUTE)));
    assert_eq!(task.owner, Some(actor("p")), "who tries it has it");
    assert!(task.is_waiting(START) && !task.is_waiting(START.plus_ms(180 * MINUTE)));
    desk.raise_on("security", "aed-taken", "a-1", Severity::P1, |_| {});
    let urgent = desk.list.open_tasks().find(|task| task.severity == Severity::P1).unwrap().id.to_string();
    assert!(desk.work(&urgent, "p", &attempt("nobody there", Some(60))).unwrap_err().contains("is P1"));
}

#[test]
fn what_is_put_off_comes_back_in_time_and_not_for_ever() {
    let (mut desk, id) = one();
    let snooze =
        |minutes: i64, note: &str| Work::Snooze { until: START.plus_ms(minutes * MINUTE), note: note.into() };
    assert!(desk.work(&id, "p", &snooze(16, "on a walk")).unwrap_err().contains("15 minutes at most"));
    desk.work(&id, "p", &snooze(15, "on a walk")).unwrap();
    assert!(desk.only().is_waiting(START) && desk.only().owner.is_none());
    desk.pass(14).work(&id, "p", &snooze(20, "on a walk")).unwrap();
    assert!(desk.work(&id, "p", &snooze(25, "on a walk")).unwrap_err().contains("was put off 2 times"));
    desk.raise("chair-burns", "w-1", Severity::P1);
    assert!(!desk.only().is_waiting(desk.now), "something more urgent wakes it");
    assert!(desk.work(&id, "p", &snooze(25, "on a walk")).unwrap_err().contains("cannot be put off"));
}

#[test]
fn a_person_opens_a_task_again_and_says_why() {
    let (mut desk, id) = one();
    let reopen = Work::Reopen { note: "still outside".into() };
    assert!(desk.work(&id, "p", &reopen).unwrap_err().contains("is open"));
    desk.finish(&id, "p", "found", "").unwrap();
    assert!(
        desk.work(&id, "q", &Work::Reopen { note: "x".into() }).unwrap_err().contains("4 letters or more")
    );
    desk.pass(600).work(&id, "q", &reopen).unwrap();
    let task = desk.only();
    assert_eq!((task.reopened, task.reasons.len(), task.owner.clone()), (1, 2, None));
    assert_eq!(&*task.left().next().unwrap().text.en, "still outside");
    desk.finish(&id, "q", "not_found", "").unwrap();
    desk.pass(31).raise("chair-left", "w-1", Severity::P2);
    assert!(desk.work(&id, "q", &reopen).unwrap_err().contains("work on that one"));
}

#[test]
fn by_hand_a_task_is_made_or_joined() {
    let mut desk = Desk::new();
    let made = desk.create("guard_round", "3号门", "清理障碍物").unwrap();
    assert!(!made.joined);
    let again = desk.create("guard_round", "3号门", "and the cones").unwrap();
    assert_eq!((again.joined, &again.task), (true, &made.task));
    assert_eq!(desk.only().reasons.len(), 2);
    assert!(desk.create("gard_round", "g", "text").unwrap_err().contains("did you mean \"guard_round\"?"));
    desk.create("laundry", "g", "a list of the site's own").unwrap();
    for (subject, text, why) in [
        (" ", "text", "the subject is missing"),
        ("g", "", "what is to be done"),
        ("g", "a\nb", "on one line"),
    ] {
        assert!(desk.create("guard_round", subject, text).unwrap_err().contains(why));
    }
    let long = "x".repeat(65);
    assert!(desk.create("guard_round", &long, "text").unwrap_err().contains("64 letters"));
    desk.finish(&made.task, "guard-2", "moved", "").unwrap();
    assert_eq!(desk.task(&made.task).state, State::Done);
}

#[test]
fn an_alert_is_not_closed_past_its_task() {
    let mut desk = Desk::new();
    let (alert, _) =
        desk.raise_on("pharmacy", "count", "n-1", Severity::P2, |raised| raised.second_signer = true);
    let id = desk.only().id.to_string();
    let told = desk.list.may_close(&alert, "recount_ok", &actor("keeper-a")).unwrap_err();
    assert!(told.contains(&id) && told.contains("second signer"), "{told}");
    let (plain, _) = desk.raise("chair-left", "w-1", Severity::P2);
    assert_eq!(desk.list.may_close(&plain, "found", &actor("p")), Ok(()));
    assert!(desk.list.may_close(&plain, "false_alarm", &actor("p")).is_err(), "an alert holds no note");
    let id = desk.list.of_alert(&plain).unwrap().id.to_string();
    desk.work(&id, "p", &Work::Claim).unwrap();
    assert!(desk.list.may_close(&plain, "found", &actor("q")).unwrap_err().contains("which p has"));
    assert_eq!(desk.list.may_close("unknown", "false_alarm", &actor("q")), Ok(()));
}
