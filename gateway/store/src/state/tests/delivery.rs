//! Cursors, holes, notices and what is taken away because of them.

use super::super::*;
use super::store_with;
use crate::journal::Damage;
use orderly_core::time::Timestamp;

const T: Timestamp = Timestamp(1_790_000_000_000);

fn moved(consumer: &str, seq: u64) -> DeliveryChange {
    DeliveryChange::CursorMoved { consumer: consumer.into(), seq }
}

#[test]
fn a_cursor_goes_forward_only_and_a_known_consumer_keeps_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 1);
    let added = |seq| DeliveryChange::ConsumerAdded { consumer: "sink:a".into(), seq };
    store.deliver_all(&[added(3), moved("sink:a", 8), moved("sink:a", 5), added(1)]).unwrap();
    let reader = StateReader::open(dir.path()).unwrap();
    assert_eq!(reader.consumer("sink:a").unwrap(), Some(8));
    assert_eq!(reader.consumer("sink:b").unwrap(), None);
    let cursors = reader.cursors().unwrap();
    assert_eq!((cursors.cursor, cursors.commit), (10, 1));
    assert_eq!(cursors.consumers, [("sink:a".to_owned(), 8)]);
}

#[test]
fn batches_go_only_when_series_and_every_sink_have_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 4);
    let reader = StateReader::open(dir.path()).unwrap();
    let left =
        || reader.batches_after(0, usize::MAX).unwrap().batches.iter().map(|b| b.last).collect::<Vec<_>>();
    store.deliver_all(&[moved("sink:a", 30), moved("sink:b", 15), moved("audit", 1)]).unwrap();
    store.deliver(&DeliveryChange::BatchesTrimmed { seq: 40 }).unwrap();
    assert_eq!(left(), [20, 30, 40], "sink b has only 15");
    store.deliver(&moved("sink:b", 40)).unwrap();
    store.deliver(&DeliveryChange::BatchesTrimmed { seq: 25 }).unwrap();
    assert_eq!(left(), [30, 40], "series has only 25");
    store.deliver(&DeliveryChange::BatchesTrimmed { seq: 40 }).unwrap();
    assert_eq!(left(), [40], "sink a has only 30");
    store.deliver(&DeliveryChange::ConsumerRemoved { consumer: "sink:a".into() }).unwrap();
    store.deliver(&DeliveryChange::BatchesTrimmed { seq: 40 }).unwrap();
    assert_eq!(left(), [0_u64; 0]);
}

#[test]
fn a_hole_lets_the_cursor_go_on_and_is_filled_piece_by_piece() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 1);
    let reader = StateReader::open(dir.path()).unwrap();
    let opened = |from, to| DeliveryChange::HoleOpened { consumer: "sink:a".into(), from, to };
    let filled = |from, to| DeliveryChange::HoleFilled { consumer: "sink:a".into(), from, to };
    store.deliver_all(&[moved("sink:a", 10), opened(11, 50), opened(80, 90)]).unwrap();
    assert_eq!(reader.consumer("sink:a").unwrap(), Some(90));
    assert_eq!(reader.holes("sink:a").unwrap(), [(11, 50), (80, 90)]);
    store.deliver(&filled(11, 30)).unwrap();
    assert_eq!(reader.holes("sink:a").unwrap(), [(31, 50), (80, 90)]);
    store.deliver_all(&[filled(31, 50), filled(80, 95), filled(200, 300)]).unwrap();
    assert_eq!(reader.holes("sink:a").unwrap(), []);
}

#[test]
fn a_notice_is_due_until_it_is_delivered_or_dead() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 3);
    let reader = StateReader::open(dir.path()).unwrap();
    let due = |now: Timestamp| {
        reader.outbox_due(now, 10).unwrap().into_iter().map(|n| (n.id, n.tries)).collect::<Vec<_>>()
    };
    let id = |n: u64| format!("notice-{n}");
    assert_eq!(due(T.plus_ms(-1)), []);
    assert_eq!(due(T), [(id(1), 0), (id(2), 0), (id(3), 0)]);
    assert_eq!(reader.outbox_next().unwrap(), Some(T));
    store
        .deliver_all(&[
            DeliveryChange::NoticeAttempted { id: id(1), next_at: T.plus_ms(500), error: "503".into() },
            DeliveryChange::NoticeDelivered { id: id(2) },
            DeliveryChange::NoticeDead { id: id(3), error: "too old".into() },
        ])
        .unwrap();
    assert_eq!(due(T), []);
    assert_eq!(reader.outbox_next().unwrap(), Some(T.plus_ms(500)));
    assert_eq!(due(T.plus_ms(500)), [(id(1), 1)]);
    // A late answer of the receiver counts, a late failure of a delivered one does not.
    store
        .deliver_all(&[
            DeliveryChange::NoticeDelivered { id: id(3) },
            DeliveryChange::NoticeAttempted { id: id(2), next_at: T, error: "late".into() },
        ])
        .unwrap();
    assert_eq!(due(T.plus_ms(1000)), [(id(1), 1)]);
    let status = reader.status().unwrap();
    assert_eq!((status.notices_waiting, status.notices_dead), (1, 0));
    store.trim(Keep { alerts_from: T, notices_from: T.plus_ms(1) }).unwrap();
    let left: i64 = store.db.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "a waiting notice is never trimmed");
}

#[test]
fn changes_of_one_call_are_one_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 1);
    store
        .db
        .execute_batch("CREATE TRIGGER fault BEFORE INSERT ON hole BEGIN SELECT RAISE(ABORT, 'fault'); END")
        .unwrap();
    let hole = DeliveryChange::HoleOpened { consumer: "sink:a".into(), from: 1, to: 2 };
    assert!(store.deliver_all(&[moved("sink:a", 7), hole]).is_err());
    let (_store, _) = StateStore::open(dir.path()).unwrap();
    assert_eq!(StateReader::open(dir.path()).unwrap().consumer("sink:a").unwrap(), None);
}

#[test]
fn alerts_are_found_by_what_people_ask() {
    use orderly_core::alert::{Condition, Handling, Severity};
    let dir = tempfile::tempdir().unwrap();
    let _store = store_with(dir.path(), 3);
    let reader = StateReader::open(dir.path()).unwrap();
    let found = |filter: AlertFilter| {
        reader.alerts(&filter).unwrap().into_iter().map(|a| a.id.to_string()).collect::<Vec<_>>()
    };
    let id = |n: u64| format!("{n:016x}");
    let any = AlertFilter::default();
    assert_eq!(found(any.clone()).len(), 6);
    assert_eq!(found(AlertFilter { live: true, ..any.clone() }), [id(3), id(2), id(1)]);
    assert_eq!(found(AlertFilter { live: true, limit: 1, ..any.clone() }), [id(3)]);
    assert_eq!(found(AlertFilter { condition: Some(Condition::Cleared), ..any.clone() }).len(), 3);
    assert_eq!(found(AlertFilter { handling: Some(Handling::Acknowledged), ..any.clone() }).len(), 0);
    assert_eq!(found(AlertFilter { severity: Some(Severity::P2), live: true, ..any.clone() }).len(), 3);
    let device = expected_device(2);
    assert_eq!(found(AlertFilter { device: Some(device), ..any }), [id(2)]);
    assert_eq!(reader.alert(&id(2)).unwrap().map(|a| a.id.to_string()), Some(id(2)));
    assert_eq!(reader.alert("none").unwrap(), None);
    assert_eq!(reader.transitions(&id(2)).unwrap().len(), 1);
    assert_eq!(reader.all_transitions().unwrap().len(), 3);
}

fn expected_device(n: u64) -> DeviceId {
    DeviceId::new(&format!("bp-{n:04}")).unwrap()
}

#[test]
fn damage_of_the_journal_is_shown_once_and_stays_shown_until_a_person_takes_it_away() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    let damage = |offset, after, records_lost| Damage {
        segment: 3,
        offset,
        bytes: 120,
        after,
        records_lost,
        in_last_write: false,
    };
    let tell = |store: &mut StateStore, damage| {
        store.deliver(&DeliveryChange::JournalDamaged { at: Timestamp(9), damage }).unwrap();
    };
    for _ in 0..2 {
        tell(&mut store, damage(4224, 41, 5));
        tell(&mut store, damage(9000, 41, 0));
    }
    let reader = StateReader::open(dir.path()).unwrap();
    let rows = reader.quarantine(&QuarantineFilter::default()).unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row.seq == 42 && row.code == "journal_damage"), "{rows:?}");
    let reasons: String = rows.iter().map(|row| row.reason.as_str()).collect();
    assert!(reasons.contains("5 records are lost, from 42 to 46"), "{reasons}");
    assert!(reasons.contains("how many records are lost behind record 41 is not known"), "{reasons}");
    let status = reader.status().unwrap();
    assert_eq!((status.damage_places, status.damage_lost, status.quarantine_kept), (2, 5, 2));

    store.deliver(&DeliveryChange::QuarantineTrimmed { seq: 42 }).unwrap();
    tell(&mut store, damage(4224, 41, 5));
    let status = reader.status().unwrap();
    assert_eq!((status.damage_places, status.damage_lost, status.quarantine_kept), (0, 0, 0));
}

#[test]
fn who_has_taken_a_notice_is_kept_until_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 2);
    let taken =
        |id: &str, receiver: &str| DeliveryChange::NoticeTaken { id: id.into(), receiver: receiver.into() };
    let changes =
        [taken("notice-1", "b"), taken("notice-1", "a"), taken("notice-1", "a"), taken("unknown", "a")];
    store.deliver_all(&changes).unwrap();
    drop(store);
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    let reader = StateReader::open(dir.path()).unwrap();
    let due: Vec<Vec<String>> = reader.outbox_due(T, 9).unwrap().into_iter().map(|n| n.taken).collect();
    assert_eq!(due, [vec!["a".to_owned(), "b".to_owned()], Vec::new()]);
    store.deliver(&DeliveryChange::NoticeDelivered { id: "notice-1".into() }).unwrap();
    store.deliver(&taken("notice-1", "a")).unwrap();
    let left: i64 = store.db.query_row("SELECT count(*) FROM notice_taken", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "what is over is not remembered");
}

#[test]
fn subscriptions_are_kept_for_each_source_also_in_a_file_from_before() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = StateStore::open(dir.path()).unwrap();
    for table in ["command", "subscription", "notice_taken", "task", "task_step", "registry"] {
        store.db.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    store.db.execute_batch("PRAGMA user_version = 2").unwrap();
    drop(store);
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    let reader = StateReader::open(dir.path()).unwrap();
    let subscribed = |source: &str, filters: &[&str]| DeliveryChange::Subscribed {
        source: source.into(),
        filters: filters.iter().map(|f| (*f).to_owned()).collect(),
    };
    store.deliver_all(&[subscribed("mqtt:a", &["x/#", "y/+"]), subscribed("mqtt:b", &["z"])]).unwrap();
    assert_eq!(reader.subscriptions("mqtt:a").unwrap(), ["x/#", "y/+"]);
    store.deliver(&subscribed("mqtt:a", &["y/+"])).unwrap();
    assert_eq!(reader.subscriptions("mqtt:a").unwrap(), ["y/+"]);
    assert_eq!(reader.subscriptions("mqtt:b").unwrap(), ["z"]);
}
