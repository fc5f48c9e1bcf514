mod delivery;
mod faults;
mod trim;

use std::path::Path;

use super::*;
use orderly_core::alert::{Alert, Condition, Handling, Severity, Text, Transition};
use orderly_core::command::{Command, Send, State};
use orderly_core::ids::{ActorId, ClassId, DeviceId, ListId, ProfileId, RuleId, ZoneId};
use orderly_core::output::{AuditEntry, DeviceRow, Notice, Quarantined, TextRow, TwinRow};
use orderly_core::reading::{Origin, Reading};
use orderly_core::record::{ConfigKind, Credential};
use orderly_core::registry::{Change, Item, Key, Row, Table};
use orderly_core::task::{State as TaskState, Step, Task, What};
use orderly_core::time::Timestamp;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngSeed, TestRunner};

const T: Timestamp = Timestamp(1_790_000_000_000);

/// `n` readings that any decoder could make, the same each time.
pub(crate) fn readings(n: usize, first: u64) -> Vec<Reading> {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(first), ..Config::default() });
    let tree = proptest::collection::vec(crate::batch::tests::reading(), n).new_tree(&mut runner).unwrap();
    let mut readings = tree.current();
    for (r, seq) in readings.iter_mut().zip(first..) {
        r.origin.seq = seq;
    }
    readings
}

fn device(n: u64) -> DeviceRow {
    DeviceRow {
        device: DeviceId::new(&format!("bp-{n:04}")).unwrap(),
        class: ClassId::new("bp_meter").unwrap(),
        profile: ProfileId::new("generic-bp").unwrap(),
        zone: Some(ZoneId::new("home").unwrap()),
        epoch: 1,
        credential: Some(Credential { salt: vec![1; 16], sha256: vec![2; 32] }),
        self_registered: n.is_multiple_of(2),
        revoked: false,
        commissioned_at: Some(T),
        firmware: None,
    }
}

pub(super) fn alert(n: u64, condition: Condition, handling: Handling) -> Alert {
    Alert {
        id: format!("{n:016x}").into(),
        rule: RuleId::new("bp-crisis").unwrap(),
        device: DeviceId::new(&format!("bp-{n:04}")).unwrap(),
        class: ClassId::new("bp_meter").unwrap(),
        zone: None,
        metric: None,
        severity: Severity::P2,
        team: "chronic".into(),
        text: Text { zh: "收缩压 192".into(), en: "systolic 192".into() },
        condition,
        handling,
        handled_by: Some(ActorId::new("nurse-7").unwrap()),
        outcome: None,
        began_at: T,
        fired_at: Some(T),
        cleared_at: None,
        cleared_reason: None,
        transition: 1,
    }
}

pub(crate) fn command(n: u64, state: State) -> Command {
    Command {
        id: format!("{n:016x}").into(),
        device: DeviceId::new("lock-1").unwrap(),
        class: ClassId::new("lock").unwrap(),
        command: "unlock".into(),
        value: None,
        actor: ActorId::new("local-admin").unwrap(),
        grant: Some("lock/unlock".into()),
        reason: "round".into(),
        role: "pharmacy".into(),
        happened_at: T,
        decided_at: T,
        expires_at: T.plus_ms(10_000),
        state,
        why: None,
        acked: false,
        seen: None,
        ended_at: None,
        via: None,
        present: true,
        send: Some(Send::Message { topic: "t".into(), payload: "p".into(), keep: false }),
        seq: 10 * n,
        boot: 1,
        deadline: 0,
    }
}

/// A task on one of two lists, open or ended half a day after the one before it.
pub(super) fn task(n: u64, ended: bool) -> Task {
    let at = T.plus_ms(12 * 3_600_000 * (n as i64 - 1000));
    Task {
        id: format!("{n:016x}").into(),
        list: ListId::new(if n.is_multiple_of(2) { "repair" } else { "wheelchairs" }).unwrap(),
        subject: format!("w-{n}").into(),
        device: None,
        class: None,
        zone: None,
        severity: Severity::P3,
        reasons: vec![],
        state: if ended { TaskState::Done } else { TaskState::Claimed },
        owner: Some(ActorId::new(&format!("porter-{}", n % 3)).unwrap()),
        created_at: T,
        opened_at: T,
        due_at: T,
        claimed_at: Some(T),
        owned_at: Some(T),
        waits_until: None,
        snoozes: 0,
        attempts: 0,
        reopened: 0,
        ended_at: ended.then_some(at),
        ended_even: ended.then_some(at.0),
        outcome: ended.then(|| "returned".into()),
        note: None,
        signer: None,
        steps: 1,
    }
}

fn task_step(n: u64) -> Step {
    Step {
        task: format!("{n:016x}").into(),
        number: 1,
        what: What::Opened,
        actor: None,
        owner: None,
        at: T,
        decided_at: T,
        seq: 10 * n,
        alert: None,
        until: None,
        outcome: None,
        note: None,
        signer: None,
    }
}

/// An output that touches every table, covering the ten records up to `10 * n`.
pub(crate) fn output(n: u64) -> Output {
    let cursor = 10 * n;
    Output {
        first: cursor - 9,
        cursor,
        readings: readings(10, cursor - 9).into(),
        devices: vec![device(n), device(n + 1)],
        twins: if n == 1 { vec![twin(1, 1)] } else { vec![twin(n, n as u8), twin(1, n as u8)] },
        alerts: vec![
            alert(n, Condition::Firing, Handling::Open),
            alert(n + 1000, Condition::Cleared, Handling::Closed),
        ],
        transitions: vec![Transition {
            alert: format!("{n:016x}").into(),
            rule: RuleId::new("bp-crisis").unwrap(),
            device: DeviceId::new(&format!("bp-{n:04}")).unwrap(),
            number: 1,
            condition: Condition::Firing,
            handling: Handling::Open,
            at: T,
            decided_at: T,
            seq: cursor,
        }],
        registry: {
            let put = [1, n + 1].into_iter().map(|i| Change::Put(item(i, n)));
            let gone = Change::Remove(Key::new(Table::Item, format!("wc-{n}")));
            if n > 1 { put.chain([gone]).collect() } else { put.collect() }
        },
        texts: vec![
            TextRow { what: profile_text("p1"), text: Some(format!("version {n}")) },
            TextRow { what: profile_text("p2"), text: (n % 2 == 1).then(|| "odd".into()) },
        ],
        notices: vec![Notice { id: format!("notice-{n}").into(), decided_at: T, body: "{}".into() }],
        quarantined: vec![quarantined(cursor)],
        commands: vec![command(n, if n.is_multiple_of(2) { State::Sent } else { State::Done })],
        tasks: vec![task(n, false), task(n + 1000, true)],
        task_steps: vec![task_step(n)],
        released: Vec::new(),
        audit: vec![AuditEntry {
            seq: cursor,
            index: 0,
            decided_at: T,
            happened_at: T,
            actor: ActorId::new("local-admin").unwrap(),
            verb: "device.register".into(),
            subject: format!("bp-{n:04}"),
            detail: "{}".into(),
        }],
        presence: Vec::new(),
        engine: Some(vec![n as u8; 3]),
        answers: vec![],
        counts: Default::default(),
    }
}

fn twin(n: u64, byte: u8) -> TwinRow {
    TwinRow { device: DeviceId::new(&format!("bp-{n:04}")).unwrap(), blob: vec![byte; 40] }
}

fn item(i: u64, n: u64) -> Row {
    Row::Item(Item {
        id: format!("wc-{i}").parse().unwrap(),
        class: "wheelchair".parse().unwrap(),
        home: None,
        label: format!("轮椅 {n}"),
    })
}

fn profile_text(name: &str) -> ConfigKind {
    ConfigKind::Profile(ProfileId::new(name).unwrap())
}

fn quarantined(seq: u64) -> Quarantined {
    Quarantined {
        seq,
        index: 0,
        received_at: T,
        source: "listener".into(),
        address: "orderly/v1/main/x/y/up/reading".into(),
        code: "malformed",
        reason: "byte 3 is not JSON".into(),
        excerpt: b"{{{".to_vec(),
    }
}

/// What a store with commits 1 to `n` gives back, worked out without a store.
pub(super) fn expected(n: u64) -> Snapshot {
    let mut s = Snapshot { cursor: 10 * n, ..Snapshot::default() };
    if n == 0 {
        return s;
    }
    s.devices = (1..=n + 1).map(device).collect();
    s.twins = (1..=n).map(|i| twin(i, if i == 1 { n as u8 } else { i as u8 })).collect();
    s.alerts = (1..=n).map(|i| alert(i, Condition::Firing, Handling::Open)).collect();
    s.texts = vec![TextRow { what: profile_text("p1"), text: Some(format!("version {n}")) }];
    if n % 2 == 1 {
        s.texts.push(TextRow { what: profile_text("p2"), text: Some("odd".into()) });
    }
    s.commands = (1..=n).filter(|i| i.is_multiple_of(2)).map(|i| command(i, State::Sent)).collect();
    // Each ended half a day after the one before it: the last three are within a day.
    let ended = |i: u64| task(i + 1000, true);
    for i in 1..=n {
        s.tasks.push(task(i, false));
        s.tasks.extend((i + 2 >= n).then(|| ended(i)));
    }
    s.registry = vec![item(1, n), item(n + 1, n)];
    s.engine = Some(vec![n as u8; 3]);
    s
}

pub(crate) fn store_with(dir: &Path, n: u64) -> StateStore {
    let (mut store, _) = StateStore::open(dir).unwrap();
    for i in 1..=n {
        assert_eq!(store.commit(&output(i)).unwrap(), i);
    }
    store
}

#[test]
fn a_snapshot_gives_back_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..5 {
        if n > 0 {
            let (mut store, _) = StateStore::open(dir.path()).unwrap();
            assert_eq!(store.commit(&output(n)).unwrap(), n);
        }
        let (store, snapshot) = StateStore::open(dir.path()).unwrap();
        assert_eq!(snapshot, expected(n));
        assert_eq!((store.cursor(), store.commit_no()), (10 * n, n));
    }
}

#[test]
fn an_empty_output_and_a_bare_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 1);
    assert_eq!(store.commit(&Output::default()).unwrap(), 1);
    let bare = Output { first: 11, cursor: 17, ..Output::default() };
    assert_eq!(store.commit(&bare).unwrap(), 2);
    let reader = StateReader::open(dir.path()).unwrap();
    let after = reader.batches_after(10, 1000).unwrap();
    assert_eq!((after.batches.len(), after.through), (0, 17));
}

#[test]
fn a_commit_that_does_not_follow_is_refused_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 2);
    assert!(matches!(store.commit(&output(2)), Err(StateError::Order { first: 11, cursor: 20, stored: 20 })));
    assert_eq!(store.commit(&output(3)).unwrap(), 3);
}

#[test]
fn batches_come_back_in_order_and_within_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let _store = store_with(dir.path(), 4);
    let reader = StateReader::open(dir.path()).unwrap();
    let all = reader.batches_after(0, usize::MAX).unwrap();
    assert_eq!(all.through, 40);
    for (batch, n) in all.batches.iter().zip(1..) {
        let wanted = output(n);
        assert_eq!((batch.first, batch.last, batch.n), (wanted.first, wanted.cursor, 10));
        assert!(crate::batch::tests::same_bits(&batch.readings().unwrap(), &wanted.readings));
    }
    let one = reader.batches_after(10, 1).unwrap();
    assert_eq!((one.batches.len(), one.batches[0].last, one.through), (1, 20, 20));
    assert_eq!(reader.batches_after(40, 1).unwrap().through, 40);
}

#[test]
fn the_quarantine_is_capped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    store.set_quarantine_cap(3);
    for n in 1..=5 {
        store.commit(&output(n)).unwrap();
    }
    let reader = StateReader::open(dir.path()).unwrap();
    let kept = reader.quarantine(&QuarantineFilter::default()).unwrap();
    assert_eq!(kept.iter().map(|q| q.seq).collect::<Vec<_>>(), [50, 40, 30]);
    let status = reader.status().unwrap();
    assert_eq!((status.quarantined, status.quarantine_kept), (5, 3));
    let older = QuarantineFilter { before: Some((50, 0)), code: Some("malformed".into()), limit: 1 };
    assert_eq!(reader.quarantine(&older).unwrap()[0].seq, 40);
    store.deliver(&DeliveryChange::QuarantineTrimmed { seq: 40 }).unwrap();
    store.commit(&output(6)).unwrap();
    assert_eq!(reader.status().unwrap().quarantine_kept, 2);
    // What could be read after all leaves it, once; a place that is not there is no fault.
    let place = |row: &QuarantineRow| Origin { seq: row.seq, index: row.index };
    let gone: Vec<_> =
        reader.quarantine(&QuarantineFilter::default()).unwrap().iter().map(place).take(1).collect();
    for n in [7, 8] {
        store.commit(&Output { released: gone.clone(), quarantined: Vec::new(), ..output(n) }).unwrap();
        assert_eq!(reader.status().unwrap().quarantine_kept, 1);
    }
}

#[test]
fn a_point_that_stores_refuse_is_one_row_with_every_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(dir.path(), 1);
    let refused = |consumer: &str, reason: &str| DeliveryChange::Rejected {
        seq: 7,
        index: 2,
        at: Timestamp(99),
        consumer: consumer.to_owned(),
        address: "d-1".to_owned(),
        code: "store_rejected",
        reason: reason.to_owned(),
        excerpt: b"line".to_vec(),
    };
    for _ in 0..2 {
        store.deliver(&refused("sink:a", "field type conflict")).unwrap();
    }
    store.deliver(&refused("sink:b", "too old")).unwrap();
    let filter = QuarantineFilter { code: Some("store_rejected".into()), ..QuarantineFilter::default() };
    let rows = StateReader::open(dir.path()).unwrap().quarantine(&filter).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].seq, rows[0].index, rows[0].source.as_str()), (7, 2, "sink:a"));
    assert_eq!(rows[0].reason, "field type conflict; sink:b: too old");
    assert_eq!(StateReader::open(dir.path()).unwrap().status().unwrap().quarantine_kept, 2);
}

#[test]
fn says_what_a_slow_consumer_must_pass_over() {
    let dir = tempfile::tempdir().unwrap();
    let _store = store_with(dir.path(), 4);
    let reader = StateReader::open(dir.path()).unwrap();
    let sizes: Vec<u64> =
        reader.batches_after(0, usize::MAX).unwrap().batches.iter().map(|b| b.blob.len() as u64).collect();
    let all: u64 = sizes.iter().sum();
    assert_eq!(reader.backlog_over(0, all).unwrap(), None);
    assert_eq!(reader.backlog_over(0, all - 1).unwrap(), Some(10));
    assert_eq!(reader.backlog_over(0, sizes[3] + sizes[2]).unwrap(), Some(20));
    assert_eq!(reader.backlog_over(0, 0).unwrap(), Some(40));
    assert_eq!(reader.backlog_over(40, 0).unwrap(), None);
}

#[test]
fn commands_come_back_and_those_that_wait_are_in_the_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(dir.path()).unwrap();
    let mut third = output(3);
    third.commands.push(command(2, State::Unknown));
    third.commands.push(command(4, State::Sent));
    for out in [output(1), output(2), third] {
        store.commit(&out).unwrap();
    }
    drop(store);
    let (mut store, snapshot) = StateStore::open(dir.path()).unwrap();
    assert_eq!(snapshot.commands, [command(4, State::Sent)]);
    let reader = StateReader::open(dir.path()).unwrap();
    let lock = DeviceId::new("lock-1").unwrap();
    let newest: Vec<_> = reader.commands(&lock, 3).unwrap().into_iter().map(|c| c.state).collect();
    assert_eq!(newest, [State::Sent, State::Done, State::Unknown]);
    assert_eq!(reader.command(&format!("{:016x}", 2)).unwrap(), Some(command(2, State::Unknown)));
    let later = Keep { alerts_from: T.plus_ms(1), notices_from: Timestamp(0) };
    while store.trim(later).unwrap().more {}
    let kept: Vec<_> = reader.commands(&lock, 9).unwrap();
    assert_eq!(kept, [command(4, State::Sent)], "what is waited for is never let go");
}

#[test]
fn tasks_are_found_by_list_owner_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let _store = store_with(dir.path(), 6);
    let reader = StateReader::open(dir.path()).unwrap();
    let found = |filter: TaskFilter| -> Vec<String> {
        reader.tasks(&filter).unwrap().iter().map(|task| task.subject.to_string()).collect()
    };
    assert_eq!(found(TaskFilter::default()), ["w-1", "w-2", "w-3", "w-4", "w-5", "w-6"]);
    let list = Some(ListId::new("repair").unwrap());
    let owner = Some(ActorId::new("porter-0").unwrap());
    assert_eq!(found(TaskFilter { list: list.clone(), ..TaskFilter::default() }), ["w-2", "w-4", "w-6"]);
    assert_eq!(found(TaskFilter { owner, ..TaskFilter::default() }), ["w-3", "w-6"]);
    let ended_from = Some(T.plus_ms(36 * 3_600_000));
    assert_eq!(
        found(TaskFilter { ended_from, ..TaskFilter::default() }),
        ["w-1006", "w-1005", "w-1004", "w-1003"]
    );
    assert_eq!(found(TaskFilter { ended_from, list, limit: 1, ..TaskFilter::default() }), ["w-1006"]);
    let (one, steps) = reader.task(&task(2, false).id).unwrap().unwrap();
    assert_eq!((one, steps), (task(2, false), vec![task_step(2)]));
    assert_eq!(reader.task("none").unwrap(), None);
}

#[test]
fn a_file_from_before_the_registry_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with(dir.path(), 1);
    store.db.execute_batch("DROP TABLE registry; PRAGMA user_version = 5").unwrap();
    drop(store);
    let (mut store, snapshot) = StateStore::open(dir.path()).unwrap();
    assert_eq!(snapshot, Snapshot { registry: Vec::new(), ..expected(1) });
    store.commit(&output(2)).unwrap();
    drop(store);
    let (_, snapshot) = StateStore::open(dir.path()).unwrap();
    assert_eq!(snapshot.registry, [item(1, 2), item(3, 2)]);
}
