//! The order of a list and its figures.

use super::*;

#[test]
fn order_is_urgency_then_overdue_then_excess() {
    let mut desk = Desk::new();
    let beyond = |excess: f64| move |raised: &mut Raised| raised.excess = excess;
    desk.raise_on("wheelchairs", "a", "old", Severity::P2, beyond(0.1));
    desk.pass(30).raise_on("wheelchairs", "a", "less-old", Severity::P2, beyond(0.9));
    desk.pass(60);
    desk.raise_on("wheelchairs", "a", "little", Severity::P2, beyond(0.2));
    desk.raise_on("wheelchairs", "a", "much", Severity::P2, beyond(0.7));
    desk.raise_on("wheelchairs", "a", "low", Severity::P3, beyond(9.0));
    desk.raise_on("wheelchairs", "a", "now", Severity::P1, beyond(0.0));
    desk.raise_on("wheelchairs", "a", "put-off", Severity::P2, beyond(5.0));
    let id = desk.list.open_tasks().find(|task| &*task.subject == "put-off").unwrap().id.to_string();
    let until = desk.now.plus_ms(10 * MINUTE);
    desk.work(&id, "p", &Work::Snooze { until, note: "on a walk".into() }).unwrap();
    let order = |now: Timestamp| {
        let mut tasks: Vec<&Task> = desk.list.open_tasks().collect();
        tasks.sort_by(|a, b| before(a, b, now));
        tasks.iter().map(|task| task.subject.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        order(desk.now.plus_ms(1)),
        ["now", "old", "less-old", "much", "little", "low", "put-off"],
        "who is overdue longest comes first"
    );
    assert_eq!(order(until)[3], "put-off", "its time has come");
}

#[test]
fn figures_of_a_list() {
    let mut desk = Desk::new();
    let mut ids = Vec::new();
    for chair in ["w-1", "w-2", "w-3", "w-4", "w-5"] {
        let (alert, _) = desk.raise("chair-left", chair, Severity::P2);
        ids.push(desk.list.of_alert(&alert).unwrap().id.to_string());
    }
    desk.pass(2).work(&ids[0], "p", &Work::Claim).unwrap();
    desk.pass(2).work(&ids[1], "p", &Work::Claim).unwrap();
    desk.pass(2).work(&ids[3], "p", &Work::Claim).unwrap();
    desk.pass(4);
    desk.finish(&ids[0], "p", "found", "").unwrap();
    desk.finish(&ids[1], "p", "returned", "").unwrap();
    desk.pass(10).finish(&ids[2], "q", "found", "").unwrap();
    desk.pass(100);
    let found = figures(desk.list.tasks.values(), START, desk.now);
    assert_eq!((found.open, found.unclaimed, found.overdue, found.done), (2, 1, 2, 3));
    assert_eq!(found.to_claim_ms, Some(4 * MINUTE), "of 2, 4 and 20");
    assert_eq!(found.to_finish_ms, Some(10 * MINUTE), "of 10, 10 and 20");
    let outcomes: Vec<(&str, u32)> = found.outcomes.iter().map(|(code, n)| (&**code, *n)).collect();
    assert_eq!(outcomes, [("found", 2), ("returned", 1)]);
    let later = figures(desk.list.tasks.values(), START.plus_ms(20 * MINUTE), desk.now);
    assert_eq!((later.done, later.to_finish_ms), (1, Some(20 * MINUTE)));
    assert_eq!(figures([], START, desk.now), Figures::default());
}
