//! Sealing, deleting, the cap, and the figures.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::disk::RealDisk;
use crate::disk::sim::SimDisk;
use crate::journal::{Form, check, segment};

fn dir() -> PathBuf {
    PathBuf::from("/data/journal")
}

/// Fills `segments` segments with one record each.
fn fill(journal: &Journal, segments: u64) {
    for n in 0..segments {
        let appended = journal.append(&[entry("t", &body(n, 6_000))]).unwrap();
        journal.wait_durable(appended.last).unwrap();
    }
}

fn small(keep_for: Duration, keep_bytes: u64) -> JournalOptions {
    let mut options = options(&dir());
    options.segment_bytes = 10_000;
    options.keep_for = keep_for;
    options.keep_bytes = keep_bytes;
    options.background = false;
    options
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[test]
fn only_what_is_consumed_and_old_goes() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (journal, _) = open(small(Duration::ZERO, 1 << 30), &disk).unwrap();
    fill(&journal, 6);
    journal.maintain().unwrap();
    assert_eq!(journal.stats().first, 1, "nothing is consumed");
    journal.trim(4);
    journal.maintain().unwrap();
    assert_eq!(journal.stats().first, 5);
    let left: Vec<Seq> = drain(&mut journal.tail(0)).unwrap().into_iter().map(|r| r.0).collect();
    assert_eq!(left, [5, 6]);
    journal.close();
    let (journal, found) = open(small(YEAR, 1 << 30), &disk).unwrap();
    assert_eq!((found.first, found.last, found.records, found.damaged.len()), (5, 6, 2, 0));
    journal.trim(6);
    journal.maintain().unwrap();
    assert_eq!(journal.stats().first, 5, "consumed, but not old");
}

#[test]
fn at_the_cap_the_oldest_consumed_goes_and_then_appends_are_refused() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (journal, _) = open(small(YEAR, 50_000), &disk).unwrap();
    let body = body(1, 9_000);
    let refused = loop {
        match journal.append(&[entry("t", &body)]) {
            Ok(appended) => journal.wait_durable(appended.last).unwrap(),
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().ends_with("its cap is 50000, and nothing in it is consumed"), "{refused}");
    let durable = journal.durable().seq;
    assert!(journal.append(&[]).is_err(), "asking whether records are taken is answered honestly");
    // Sealing makes room first; when that is used up too, deleting does.
    journal.trim(durable - 1);
    journal.maintain().unwrap();
    assert!(journal.stats().bytes <= 50_000);
    let next = journal.append(&[entry("t", &body)]).unwrap();
    assert_eq!(next.first, durable + 1);
}

#[test]
fn sealing_makes_files_smaller_and_changes_no_record() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) = open(small(YEAR, 1 << 30), &shared).unwrap();
    fill(&journal, 8);
    let before = drain(&mut journal.tail(0)).unwrap();
    let raw = journal.stats();
    // A tail that has the raw file open goes on, one that starts later reads the sealed one.
    let mut early = journal.tail(0);
    let first = early.next(Duration::ZERO).unwrap().unwrap();
    journal.maintain().unwrap();
    assert!(journal.stats().bytes * 2 < raw.bytes, "{} to {}", raw.bytes, journal.stats().bytes);
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), before);
    assert_eq!(drain(&mut journal.tail(5)).unwrap(), before[5..]);
    let mut whole: Vec<_> = first.iter().map(|r| (r.seq, r.entry.body.to_vec())).collect();
    whole.extend(drain(&mut early).unwrap());
    assert_eq!(whole, before);
    let report = check(&disk, &dir()).unwrap();
    assert_eq!((report.records, report.records_lost, report.damaged.len()), (8, 0, 0));
    // The last record's segment may not have been completed yet when it became durable.
    let forms: Vec<_> =
        report.segments.iter().filter(|s| s.records > 0 && s.last < 8).map(|s| s.form).collect();
    assert!(forms.len() == 7 && forms.iter().all(|f| *f == Form::Sealed), "{forms:?}");
}

#[test]
fn a_damaged_segment_is_kept_raw_as_evidence() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) =
        open(JournalOptions { segment_bytes: 1 << 20, ..small(YEAR, 1 << 30) }, &shared).unwrap();
    let bodies: Vec<_> = (0..3).map(|n| body(n, 5_000)).collect();
    let entries: Vec<_> = bodies.iter().map(|b| entry("t", b)).collect();
    journal.append(&entries).unwrap();
    journal.close();
    let path = segment::path(&dir(), 1, Form::Raw);
    disk.corrupt(&path, |file| file[11_000] ^= 4);
    let (journal, found) = open(small(YEAR, 1 << 30), &shared).unwrap();
    assert_eq!((found.records, found.damaged.len(), found.damaged[0].records_lost), (2, 1, 1));
    journal.maintain().unwrap();
    assert_eq!(journal.stats().damaged_segments, 1);
    assert!(disk.open(&path).is_ok());
    let seqs: Vec<Seq> = drain(&mut journal.tail(0)).unwrap().into_iter().map(|r| r.0).collect();
    assert_eq!(seqs, [1, 3]);
}

#[test]
fn a_newer_format_is_refused_with_a_sentence() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) = open(small(YEAR, 1 << 30), &shared).unwrap();
    fill(&journal, 1);
    journal.close();
    disk.corrupt(&segment::path(&dir(), 1, Form::Raw), |file| {
        file[8] = 9;
        let crc = crc32c::crc32c(&file[..124]);
        file[124..128].copy_from_slice(&crc.to_le_bytes());
    });
    let refused = open(small(YEAR, 1 << 30), &shared).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("has journal format 9; this version reads up to 1"), "{refused}");
}

#[test]
fn numbers_start_above_the_cursor_of_the_state() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (journal, _) = open(JournalOptions { after: 41, ..small(YEAR, 1 << 30) }, &disk).unwrap();
    let mut tail = journal.tail(41);
    assert_eq!(journal.append(&[entry("t", b"x")]).unwrap().first, 42);
    journal.wait_durable(42).unwrap();
    assert_eq!(drain(&mut tail).unwrap(), [(42, b"x".to_vec())]);
}

#[test]
fn the_keeper_seals_and_deletes_while_a_tail_reads() {
    const RECORDS: u64 = 400;
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut options = options(dir.path());
    options.segment_bytes = 20_000;
    options.hot_bytes = 0;
    options.keep_for = Duration::ZERO;
    let (journal, _) = open(options, &disk).unwrap();
    let appender = {
        let journal = journal.clone();
        std::thread::spawn(move || {
            for n in 1..=RECORDS {
                journal.append(&[entry("t", &body(n, 900))]).unwrap();
                if n % 10 == 0 {
                    journal.wait_durable(n).unwrap();
                }
            }
        })
    };
    let mut tail = journal.tail(0);
    let mut next = 1;
    while next <= RECORDS {
        let group = tail.next(Duration::from_secs(60)).unwrap().expect("records arrive");
        for record in group.iter() {
            assert_eq!((record.seq, record.entry.body), (next, &body(next, 900)[..]));
            next += 1;
        }
        journal.trim(tail.position().saturating_sub(5));
    }
    appender.join().unwrap();
    journal.maintain().unwrap();
    assert!(journal.stats().first > RECORDS / 2, "{:?}", journal.stats());
}

#[test]
fn a_prepared_file_is_taken_and_its_unused_end_is_no_damage() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let large = || JournalOptions { segment_bytes: 300_000, ..small(YEAR, 1 << 30) };
    let (journal, _) = open(large(), &shared).unwrap();
    fill(&journal, 2);
    journal.maintain().unwrap();
    // With the third record the growing first file is given up; the fourth goes into the prepared one.
    fill(&journal, 2);
    let second = segment::path(&dir(), 2, Form::Raw);
    let size = |disk: &SimDisk| disk.open(&second).unwrap().size().unwrap();
    assert_eq!(size(&disk), 300_000);
    let before = drain(&mut journal.tail(0)).unwrap();
    assert_eq!(before.len(), 4);
    let report = check(&disk, &dir()).unwrap();
    assert_eq!((report.records, report.torn_bytes, report.damaged.len()), (4, 0, 0));
    journal.close();
    let (journal, found) = open(large(), &shared).unwrap();
    assert_eq!((found.records, found.torn_bytes, found.damaged.len()), (4, 0, 0));
    assert!(size(&disk) < 20_000, "the unused end is given back");
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), before);
    assert_eq!(journal.append(&[entry("t", b"next")]).unwrap().first, 5, "no number is skipped");
}
