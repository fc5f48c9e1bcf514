use super::*;
use orderly_core::ids::ActorId;
use orderly_core::time::Timestamp;

const ENTRIES: u64 = 6;

fn entry(seq: u64, index: u16) -> AuditEntry {
    AuditEntry {
        seq,
        index,
        decided_at: Timestamp(1_790_000_000_000 + seq as i64),
        happened_at: Timestamp(1_790_000_000_000),
        actor: ActorId::new("local-admin").unwrap(),
        verb: "device.register".into(),
        subject: format!("bp-{seq:04}"),
        detail: "{}".into(),
    }
}

/// A chain of six entries and its head.
fn chain(dir: &Path) -> AuditHead {
    let mut store = AuditStore::open(dir).unwrap();
    for seq in 1..=ENTRIES / 2 {
        store.append(&[entry(seq, 0), entry(seq, 1)]).unwrap();
    }
    store.head()
}

/// Somebody with the file in hand: the triggers are dropped first.
fn tamper(dir: &Path, sql: &str) {
    let db = Connection::open(dir.join("audit.db")).unwrap();
    db.execute_batch(&format!(
        "DROP TRIGGER entry_is_not_changed; DROP TRIGGER entry_is_not_deleted; DROP TRIGGER entry_follows; {sql}"
    ))
    .unwrap();
}

#[test]
fn a_whole_chain_is_whole_and_appending_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let head = chain(dir.path());
    assert_eq!(head.n, ENTRIES);
    assert_eq!(verify(dir.path(), None).unwrap(), Verdict::Whole(head));
    assert_eq!(chain(dir.path()), head);
    assert_eq!(verify(dir.path(), Some(head)).unwrap(), Verdict::Whole(head));
    let rows = entries(dir.path(), 3, 2).unwrap();
    assert_eq!(
        rows.iter().map(|r| (r.n, r.entry.clone())).collect::<Vec<_>>(),
        [(3, entry(2, 0)), (4, entry(2, 1))]
    );
}

#[test]
fn another_entry_of_the_same_origin_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    chain(dir.path());
    let mut store = AuditStore::open(dir.path()).unwrap();
    let other = AuditEntry { subject: "bp-9999".into(), ..entry(2, 1) };
    let refused = store.append(&[entry(9, 0), other]);
    assert!(matches!(refused, Err(AuditError::Conflict { n: 4, seq: 2, index: 1 })));
    assert_eq!(AuditStore::open(dir.path()).unwrap().head().n, ENTRIES, "nothing of it was appended");
    assert_eq!(store.append(&[entry(9, 0)]).unwrap().n, ENTRIES + 1);
}

#[test]
fn the_file_itself_refuses_changes() {
    let dir = tempfile::tempdir().unwrap();
    chain(dir.path());
    let db = Connection::open(dir.path().join("audit.db")).unwrap();
    for sql in [
        "UPDATE entry SET verb = 'x' WHERE n = 2",
        "DELETE FROM entry WHERE n = 6",
        "INSERT OR REPLACE INTO entry SELECT * FROM entry WHERE n = 2",
        "INSERT INTO entry SELECT 9, 99, 0, 0, 0, 'a', 'b', 'c', 'd', hash, hash FROM entry WHERE n = 6",
    ] {
        let refused = db.execute(sql, []).unwrap_err().to_string();
        assert!(refused.starts_with("audit entries"), "{sql}: {refused}");
    }
}

#[test]
fn a_change_to_any_field_of_any_entry_is_named() {
    let fields = [
        "seq = 77",
        "idx = 7",
        "decided_at = 5",
        "happened_at = 5",
        "actor = 'somebody'",
        "actor = ''",
        "verb = 'device.revoke'",
        "subject = 'bp-9999'",
        "detail = '{\"a\":1}'",
        "prev_hash = zeroblob(32)",
        "prev_hash = x'00'",
        "hash = zeroblob(32)",
    ];
    for n in 1..=ENTRIES {
        for field in fields {
            if n == 1 && field == "prev_hash = zeroblob(32)" {
                continue; // That is what it is.
            }
            let dir = tempfile::tempdir().unwrap();
            let head = chain(dir.path());
            tamper(dir.path(), &format!("UPDATE entry SET {field} WHERE n = {n}"));
            let verdict = verify(dir.path(), Some(head)).unwrap();
            assert!(
                matches!(verdict, Verdict::Broken { n: found, .. } if found == n),
                "{field} of {n}: {verdict:?}"
            );
        }
    }
}

#[test]
fn a_missing_entry_is_named_and_a_cut_shows_against_the_kept_head() {
    for n in 1..=ENTRIES {
        let dir = tempfile::tempdir().unwrap();
        let head = chain(dir.path());
        tamper(dir.path(), &format!("DELETE FROM entry WHERE n = {n}"));
        let verdict = verify(dir.path(), Some(head)).unwrap();
        assert!(matches!(verdict, Verdict::Broken { n: found, .. } if found == n), "{n}: {verdict:?}");

        let dir = tempfile::tempdir().unwrap();
        let head = chain(dir.path());
        tamper(dir.path(), &format!("DELETE FROM entry WHERE n >= {n}"));
        assert!(matches!(verify(dir.path(), None).unwrap(), Verdict::Whole(h) if h.n == n - 1));
        let verdict = verify(dir.path(), Some(head)).unwrap();
        assert_eq!(verdict, Verdict::Broken { n, why: "it was there and is missing" });
    }
}

#[test]
fn a_chain_written_anew_shows_against_the_kept_head() {
    let dir = tempfile::tempdir().unwrap();
    let head = chain(dir.path());
    let other = tempfile::tempdir().unwrap();
    let mut store = AuditStore::open(other.path()).unwrap();
    for seq in 1..=ENTRIES {
        store.append(&[entry(seq + 10, 0)]).unwrap();
    }
    assert!(matches!(verify(other.path(), None).unwrap(), Verdict::Whole(_)));
    assert!(matches!(verify(other.path(), Some(head)).unwrap(), Verdict::Broken { n: ENTRIES, .. }));
}

#[test]
fn entries_are_copied_from_the_state_store_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = crate::state::tests::store_with(dir.path(), 3);
    let reader = StateReader::open(dir.path()).unwrap();
    let mut audit = AuditStore::open(dir.path()).unwrap();
    let change = audit.copy_from(&reader).unwrap().unwrap();
    // The copy is on disk, but the crash comes before state.db knows: it is copied again, once.
    let again = audit.copy_from(&reader).unwrap().unwrap();
    assert_eq!((audit.head().n, &again), (3, &change));
    state.deliver(&change).unwrap();
    assert_eq!(audit.copy_from(&reader).unwrap(), None);
    let head = reader.audit_head().unwrap();
    assert_eq!(head, Some(audit.head()));
    state.commit(&crate::state::tests::output(4)).unwrap();
    assert!(audit.copy_from(&reader).unwrap().is_some());
    assert_eq!(verify(dir.path(), head).unwrap(), Verdict::Whole(audit.head()));
    tamper(dir.path(), "DELETE FROM entry WHERE n >= 3");
    assert_eq!(
        verify(dir.path(), head).unwrap(),
        Verdict::Broken { n: 3, why: "it was there and is missing" }
    );
}
