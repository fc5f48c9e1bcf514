//! The recording shim at work on a small SQLite database in a child process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderly_store::disk::sim::Rng;
use orderly_tests::powercut::{MARKS, Recording, Shim};
use rusqlite::Connection;

const CHILD_DIR: &str = "ORDERLY_TEST_CHILD_DIR";
const SYNCHRONOUS: &str = "ORDERLY_TEST_SYNCHRONOUS";

#[expect(clippy::disallowed_methods, reason = "the parent tells its child through the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Not a test of its own: the writing child, which notes each commit that it would acknowledge.
#[test]
#[ignore = "started by the tests beside it"]
fn child_writes_rows() {
    let Some(dir) = environment(CHILD_DIR).map(PathBuf::from) else { return };
    let mut marks = std::fs::File::create(dir.join(MARKS)).unwrap();
    let Ok(mut db) = Connection::open(dir.join("toy.db")) else { return };
    let level = environment(SYNCHRONOUS).unwrap();
    let setup = format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous={level}; PRAGMA wal_autocheckpoint=20; CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB);"
    );
    if db.execute_batch(&setup).is_err() {
        return;
    }
    for n in 1..=40_u64 {
        // A write that fails is not acknowledged, and ends the run as it would end a daemon's batch.
        let Ok(commit) = db.transaction() else { return };
        for part in 0..3_u64 {
            if commit
                .execute("INSERT INTO t VALUES (?1, randomblob(900))", [(n * 3 + part).cast_signed()])
                .is_err()
            {
                return;
            }
        }
        if commit.commit().is_err() {
            return;
        }
        marks.write_all(&n.to_le_bytes()).unwrap();
    }
}

fn record(work: &Path, level: &str, fail: Option<&str>) -> Recording {
    let shim = Shim::build(work).unwrap();
    let data = tempfile::tempdir_in(work).unwrap();
    let log = data.path().with_extension("recording");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "powercut::child_writes_rows", "--ignored", "--nocapture"]);
    child.env(CHILD_DIR, data.path()).env(SYNCHRONOUS, level);
    shim.watch(&mut child, data.path(), &log, fail);
    let done = child.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Recording::read(&log, data.path()).unwrap()
}

/// Opens what a cut left and says what is wrong, if anything.
fn judge(recording: &Recording, at: usize, seed: u64) -> Result<u64, String> {
    let dir = tempfile::tempdir().unwrap();
    recording.cut(at, seed, dir.path()).unwrap();
    let acked = recording.marks(at).last().copied().unwrap_or(0);
    let db = Connection::open(dir.path().join("toy.db")).map_err(|e| e.to_string())?;
    let sound: String =
        db.query_row("PRAGMA integrity_check", [], |r| r.get(0)).map_err(|e| e.to_string())?;
    if sound != "ok" {
        return Err(sound);
    }
    let rows =
        db.query_row("SELECT count(*), coalesce(max(n), 2) FROM t", [], |r| Ok((r.get(0)?, r.get(1)?)));
    let (count, highest): (i64, i64) = match rows {
        Ok(rows) => rows,
        // The cut came before the table.
        Err(e) if acked == 0 && e.to_string().contains("no such table") => (0, 2),
        Err(e) => return Err(e.to_string()),
    };
    match (count % 3, count.cast_unsigned() / 3, highest - 2) {
        (0, commits, high) if commits >= acked && high == count => Ok(commits),
        _ => Err(format!("{count} rows up to {highest} with {acked} commits acknowledged")),
    }
}

#[test]
fn sqlite_with_full_sync_loses_no_acknowledged_commit() {
    let work = tempfile::tempdir().unwrap();
    let recording = record(work.path(), "FULL", None);
    assert_eq!(recording.marks(recording.steps()).len(), 40);
    let mut rng = Rng(7);
    let mut kept = 0;
    for seed in 0..300 {
        let at = rng.below(recording.steps() as u64 + 1) as usize;
        let verdict = judge(&recording, at, seed);
        assert!(verdict.is_ok(), "cut {seed} at {at} of {}: {verdict:?}", recording.steps());
        kept += verdict.unwrap_or(0);
    }
    println!("300 cuts of a recording of {} steps, {kept} commits found again", recording.steps());
    assert!(kept > 1_000);
}

#[test]
fn the_shim_sees_that_normal_sync_is_not_durable() {
    let work = tempfile::tempdir().unwrap();
    let recording = record(work.path(), "NORMAL", None);
    let mut rng = Rng(8);
    let steps = recording.steps() as u64;
    let lost = (0..300).filter(|&seed| judge(&recording, rng.below(steps) as usize, seed).is_err()).count();
    assert!(lost > 0, "commits without a sync must be seen to get lost, or the cuts prove nothing");
}

#[test]
fn calls_fail_on_order() {
    let work = tempfile::tempdir().unwrap();
    for fail in ["write:30:28:sticky", "sync:9:5", "truncate:1:5:sticky", "open:3:5:sticky"] {
        let recording = record(work.path(), "FULL", Some(fail));
        let acked = recording.marks(recording.steps()).len();
        let mut rng = Rng(9);
        for seed in 0..40 {
            let at = rng.below(recording.steps() as u64 + 1) as usize;
            let verdict = judge(&recording, at, seed);
            assert!(verdict.is_ok(), "{fail}, cut {seed} at {at}, {acked} acknowledged: {verdict:?}");
        }
        if fail.starts_with("write") || fail.starts_with("sync") {
            assert!(acked < 40, "{fail} must stop the child");
        }
    }
}
