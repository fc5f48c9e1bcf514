//! A log cut anywhere, a statement that fails, a reader in the way: what was applied comes again, once.

use super::super::*;
use crate::batch::tests::same_bits;

/// Four batches of 25 readings of many devices, numbered on.
fn batches() -> Vec<Vec<Reading>> {
    (0..4).map(|n| crate::state::tests::readings(25, 25 * n + 1)).collect()
}

fn apply_all(store: &mut SeriesStore) {
    for batch in batches() {
        let (first, last) = (batch[0].origin.seq, batch[24].origin.seq);
        store.apply(first, last, &batch).unwrap();
    }
}

fn all_in(dir: &Path) -> Vec<Reading> {
    SeriesReader::open(dir).unwrap().range_by_origin(0, u64::MAX, usize::MAX).unwrap().0
}

#[test]
fn a_log_cut_anywhere_is_filled_up_again() {
    const FRAME: usize = 4096 + 24;
    let dir = tempfile::tempdir().unwrap();
    let mut store = SeriesStore::open(dir.path()).unwrap();
    apply_all(&mut store);
    while store.seal(Timestamp(i64::MAX)).unwrap().more {}
    let file = std::fs::read(dir.path().join("series.db")).unwrap();
    let log = std::fs::read(dir.path().join("series.db-wal")).unwrap();
    drop(store);
    let wanted = batches().concat();
    let mut seen = std::collections::BTreeSet::new();
    for frame in (0..=(log.len() - 32) / FRAME).step_by(5) {
        for cut in [32 + frame * FRAME, 32 + frame * FRAME + 1000] {
            let crashed = tempfile::tempdir().unwrap();
            std::fs::write(crashed.path().join("series.db"), &file).unwrap();
            std::fs::write(crashed.path().join("series.db-wal"), &log[..cut.min(log.len())]).unwrap();
            let mut store = SeriesStore::open(crashed.path()).unwrap();
            let had = store.applied() as usize;
            assert!(same_bits(&all_in(crashed.path()), &wanted[..had]), "cut at {cut}");
            seen.insert(had);
            apply_all(&mut store);
            assert!(same_bits(&all_in(crashed.path()), &wanted), "cut at {cut}");
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 25, 50, 75, 100]);
}

#[test]
fn a_call_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for table in ["recent", "name", "stream", "applied", "latest", "chunk"] {
        let dir = dir.path().join(table);
        let at_sealing = ["latest", "chunk"].contains(&table);
        std::fs::create_dir(&dir).unwrap();
        let mut store = SeriesStore::open(&dir).unwrap();
        let other = Connection::open(dir.join("series.db")).unwrap();
        let verb = if table == "applied" { "UPDATE" } else { "INSERT" };
        let fault =
            format!("CREATE TRIGGER fault BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'x'); END");
        other.execute_batch(&fault).unwrap();
        let batch = &batches()[0];
        if at_sealing {
            store.apply(1, 25, batch).unwrap();
            assert!(matches!(store.seal(Timestamp(i64::MAX)), Err(SeriesError::Sqlite(_))));
        } else {
            assert!(matches!(store.apply(1, 25, batch), Err(SeriesError::Sqlite(_))), "{table}");
        }
        assert!(matches!(store.apply(26, 50, &[]), Err(SeriesError::Broken)), "{table}");
        drop(store);
        other.execute_batch("DROP TRIGGER fault").unwrap();
        let mut store = SeriesStore::open(&dir).unwrap();
        let kept = if at_sealing { 25 } else { 0 };
        assert_eq!((store.applied(), all_in(&dir).len()), (kept, kept as usize), "{table}");
        apply_all(&mut store);
        assert!(store.seal(Timestamp(i64::MAX)).unwrap().readings > 0);
        assert!(same_bits(&all_in(&dir), &batches().concat()), "{table}");
    }
}

#[test]
fn a_reader_in_the_way_does_not_stop_a_flush() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SeriesStore::open(dir.path()).unwrap();
    let batch = &batches()[0];
    store.apply(1, 25, batch).unwrap();
    let reader = Connection::open(dir.path().join("series.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM recent;").unwrap();
    store.apply(26, 30, &[]).unwrap();
    assert_eq!((store.flushed(), store.flush().unwrap(), store.flushed()), (0, 30, 30));
    let wal = sqlite::wal(&store.db).unwrap();
    assert!(wal.copied < wal.pages, "the reader must have been in the way: {wal:?}");
}

#[test]
fn a_batch_that_overlaps_what_is_in_adds_only_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SeriesStore::open(dir.path()).unwrap();
    let all = batches().concat();
    store.apply(1, 30, &all[..30]).unwrap();
    store.apply(11, 60, &all[10..60]).unwrap();
    store.apply(1, 30, &all[..30]).unwrap();
    assert!(same_bits(&all_in(dir.path()), &all[..60]));
    assert_eq!(store.applied(), 60);
}
