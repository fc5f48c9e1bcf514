//! What is over and old goes, in small steps; what is not stays.

use super::super::*;
use super::{alert, store_with};
use orderly_core::alert::{Alert, Condition, Handling, Transition};
use orderly_core::output::Notice;
use orderly_core::time::Timestamp;

const T: Timestamp = Timestamp(1_790_000_000_000);
const DAY: i64 = 86_400_000;

/// An alert that begins on day `from`, with its last step on day `to`.
fn lived(n: u64, (from, to): (i64, i64), over: bool) -> (Alert, Vec<Transition>) {
    let (condition, handling) = match over {
        true => (Condition::Cleared, Handling::Closed),
        false => (Condition::Firing, Handling::Acknowledged),
    };
    let mut alert = alert(n, condition, handling);
    (alert.began_at, alert.transition) = (T.plus_ms(from * DAY), 2);
    let step = |number, condition, handling, day: i64| Transition {
        alert: alert.id.clone(),
        rule: alert.rule.clone(),
        device: alert.device.clone(),
        number,
        condition,
        handling,
        at: T.plus_ms(day * DAY),
        decided_at: T.plus_ms(day * DAY),
        seq: n,
    };
    let steps = vec![step(1, Condition::Firing, Handling::Open, from), step(2, condition, handling, to)];
    (alert, steps)
}

fn kept_from(alerts: i64, notices: i64) -> Keep {
    Keep { alerts_from: T.plus_ms(alerts * DAY), notices_from: T.plus_ms(notices * DAY) }
}

fn commit(store: &mut StateStore, lives: Vec<(Alert, Vec<Transition>)>) {
    let first = store.cursor() + 1;
    let (alerts, steps): (Vec<_>, Vec<_>) = lives.into_iter().unzip();
    let transitions = steps.into_iter().flatten().collect();
    store.commit(&Output { first, cursor: first, alerts, transitions, ..Output::default() }).unwrap();
}

fn left(store: &StateStore, table: &str) -> i64 {
    store.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn an_alert_goes_with_its_steps_once_it_is_over_for_long_enough() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    let lives = [((0, 1), true), ((1, 50), true), ((2, 3), false), ((4, 5), true), ((40, 41), true)];
    let lives = (1..).zip(lives).map(|(n, (days, over))| lived(n, days, over)).collect();
    commit(&mut store, lives);
    assert_eq!(store.trim(kept_from(0, 0)).unwrap(), Trimmed::default(), "nothing is old");
    let trimmed = store.trim(kept_from(30, 0)).unwrap();
    assert_eq!(trimmed, Trimmed { alerts: 2, notices: 0, more: false });
    let reader = StateReader::open(dir.path()).unwrap();
    let ids = || -> Vec<String> {
        reader.alerts(&AlertFilter::default()).unwrap().iter().map(|a| a.id.to_string()).collect()
    };
    let id = |n: u64| format!("{n:016x}");
    assert_eq!(ids(), [id(5), id(3), id(2)], "one still lives, one ended late, one is young");
    assert_eq!(left(&store, "alert_transition"), 6);
    assert_eq!(store.trim(kept_from(30, 0)).unwrap(), Trimmed::default());
    drop(store);
    let (_, snapshot) = StateStore::open(dir.path()).unwrap();
    assert_eq!(snapshot.alerts.len(), 1, "the engine gets back what is not over");
}

#[test]
fn a_step_is_bounded_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    // The first 300 are in nobody's way although none of them may go.
    commit(&mut store, (1..=1_000).map(|n| lived(n, (0, 1), n > 300)).collect());
    let mut steps = Vec::new();
    loop {
        let trimmed = store.trim(kept_from(30, 0)).unwrap();
        steps.push(trimmed.alerts);
        if !trimmed.more {
            break;
        }
    }
    assert_eq!(steps, [0, 212, 256, 232]);
    assert_eq!((left(&store, "alert"), left(&store, "alert_transition")), (300, 600));
}

#[test]
fn a_step_that_cannot_be_read_keeps_its_alert_and_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    commit(&mut store, (1..=4).map(|n| lived(n, (0, 1), true)).collect());
    for (n, number) in [(2_u64, 1), (3, 2)] {
        let id = format!("{n:016x}");
        let sql = "UPDATE alert_transition SET blob = x'c1' WHERE alert = ?1 AND number = ?2";
        assert_eq!(store.db.execute(sql, rusqlite::params![id, number]).unwrap(), 1);
    }
    let trimmed = store.trim(kept_from(30, 0)).unwrap();
    assert_eq!(
        trimmed,
        Trimmed { alerts: 3, notices: 0, more: false },
        "the last step of the second can be read"
    );
    assert_eq!(left(&store, "alert"), 1);
    assert!(!store.is_broken());
}

#[test]
fn a_trimming_that_cannot_read_breaks_nothing_and_one_that_cannot_write_does() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    commit(&mut store, vec![lived(1, (0, 1), true)]);
    store.db.execute_batch("ALTER TABLE outbox RENAME TO away").unwrap();
    assert!(store.trim(kept_from(30, 0)).is_err());
    assert!(!store.is_broken());
    commit(&mut store, vec![lived(2, (0, 1), true)]);
    store.db.execute_batch("ALTER TABLE away RENAME TO outbox").unwrap();
    store.db.execute_batch("PRAGMA query_only = 1").unwrap();
    assert!(store.trim(kept_from(30, 0)).is_err());
    assert!(store.is_broken());
}

#[test]
fn notices_go_once_delivered_or_dead_and_never_while_they_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    let notice =
        |n: i64| Notice { id: format!("n{n}").into(), decided_at: T.plus_ms(n * DAY), body: "{}".to_owned() };
    let notices = (0..4).map(notice).collect();
    store.commit(&Output { first: 1, cursor: 1, notices, ..Output::default() }).unwrap();
    let (dead, delivered) = ("n0".to_owned(), "n1".to_owned());
    store
        .deliver_all(&[
            DeliveryChange::NoticeDead { id: dead, error: "nobody".to_owned() },
            DeliveryChange::NoticeDelivered { id: delivered },
            DeliveryChange::NoticeDelivered { id: "n3".to_owned() },
        ])
        .unwrap();
    assert_eq!(store.trim(kept_from(0, 3)).unwrap().notices, 2);
    assert_eq!((left(&store, "outbox"), left(&store, "attempt")), (2, 2), "one waits, one is young");
}

#[test]
fn a_store_with_every_table_filled_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 3);
    let all = Keep { alerts_from: Timestamp(i64::MAX), notices_from: Timestamp(i64::MAX) };
    assert_eq!(store.trim(all).unwrap().alerts, 3, "those that are closed");
    drop(store);
    let (_, snapshot) = StateStore::open(dir.path()).unwrap();
    assert_eq!((snapshot.alerts.len(), snapshot.cursor), (3, 30));
}

#[test]
fn a_task_goes_with_its_steps_when_it_ended_long_ago() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 6);
    let steps = left(&store, "task_step");
    store.trim(kept_from(2, 0)).unwrap();
    // The first three ended before day 2; of the others nothing is known to be over.
    assert_eq!((left(&store, "task"), left(&store, "task_step")), (9, steps));
    let gone = super::task(4, true);
    let step = orderly_core::task::Step { number: 2, ..super::task_step(4) };
    let ended = orderly_core::task::Task { ended_at: Some(T), ended_even: Some(T.0), ..gone };
    let out =
        Output { first: 61, cursor: 61, tasks: vec![ended], task_steps: vec![step], ..Output::default() };
    store.commit(&out).unwrap();
    store.trim(kept_from(2, 0)).unwrap();
    assert_eq!((left(&store, "task"), left(&store, "task_step")), (8, steps - 1));
}
