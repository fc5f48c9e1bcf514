//! What a reader meets on a worn disk: damage is told once and counted, and nothing stops for good.

use std::ops::Range;
use std::path::PathBuf;

use super::*;
use crate::disk::sim::SimDisk;
use crate::journal::format::ZONE;
use crate::journal::tail::TRIES;
use crate::journal::{Damage, Form, segment};

fn dir() -> PathBuf {
    PathBuf::from("/data/journal")
}

const COUNT: u64 = 400;

/// A closed journal of one segment in the given form, and one more that the next run began.
fn written(form: Form) -> SimDisk {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let small = || {
        let mut options = options(&dir());
        options.background = false;
        options.frame_bytes = 3_000;
        options
    };
    let (journal, _) = open(small(), &shared).unwrap();
    for n in 1..=COUNT {
        journal.append(&[entry("orderly/v1/main/bp_meter/bp-0001/up/reading", &body(n, 90))]).unwrap();
    }
    journal.close();
    let (journal, _) = open(small(), &shared).unwrap();
    if form == Form::Sealed {
        journal.maintain().unwrap();
    }
    journal.append(&[entry("a", &body(COUNT + 1, 10))]).unwrap();
    journal.close();
    disk.settled()
}

/// The journal of a next run; nothing of the first segment is in memory.
fn next_run(disk: &SimDisk) -> Journal {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut options = options(&dir());
    options.background = false;
    open(options, &shared).unwrap().0
}

fn place(disk: &SimDisk, form: Form) -> (PathBuf, u64) {
    let path = segment::path(&dir(), 1, form);
    let size = disk.open(&path).unwrap().size().unwrap();
    (path, size)
}

/// Reads as the engine does: after a failure with a new tail from its cursor. Gives what came, and the failures.
fn read_through(journal: &Journal) -> (Vec<Seq>, u32) {
    let (mut got, mut failures, mut cursor) = (Vec::new(), 0, 0);
    loop {
        let mut tail = journal.tail(cursor);
        loop {
            match tail.next(Duration::ZERO) {
                Ok(Some(group)) => {
                    got.extend(group.iter().map(|r| r.seq));
                    cursor = tail.position();
                }
                Ok(None) => return (got, failures),
                Err(_) => break,
            }
        }
        failures += 1;
        assert!(failures < 100, "it never goes on");
    }
}

fn missing(got: &[Seq]) -> Vec<Seq> {
    (1..=COUNT + 1).filter(|seq| !got.contains(seq)).collect()
}

/// What was told accounts exactly for what is missing.
fn accounts(told: &[Damage], missing: &[Seq]) {
    let counted: Vec<Seq> = told.iter().flat_map(|d| d.after + 1..=d.after + d.records_lost).collect();
    assert_eq!(counted, missing, "{told:?}");
    assert!(told.iter().all(|d| d.segment == 1), "{told:?}");
}

#[test]
fn damage_in_an_older_segment_is_told_once_when_it_is_read() {
    for form in [Form::Raw, Form::Sealed] {
        let disk = written(form);
        let (path, size) = place(&disk, form);
        disk.corrupt(&path, |bytes| bytes[(size / 2) as usize] ^= 0x40);
        let journal = next_run(&disk);
        assert_eq!(journal.take_damage(), [], "older segments are not read at the start");
        let (got, failures) = read_through(&journal);
        let told = journal.take_damage();
        assert_eq!((failures, told.len()), (0, 1), "{form:?}");
        assert!(!missing(&got).is_empty());
        accounts(&told, &missing(&got));
        assert_eq!(read_through(&journal).0, got);
        assert_eq!(journal.take_damage(), [], "told already");
    }
}

#[test]
fn the_end_of_an_older_segment_that_is_gone_is_told_too() {
    let disk = written(Form::Raw);
    let (path, size) = place(&disk, Form::Raw);
    disk.corrupt(&path, |bytes| bytes.truncate((size / 2) as usize));
    let journal = next_run(&disk);
    let (got, _) = read_through(&journal);
    assert_eq!(missing(&got).last(), Some(&COUNT));
    accounts(&journal.take_damage(), &missing(&got));
}

fn wear(form: Form, bad: impl Fn(u64) -> Range<u64>) {
    let disk = written(form);
    let (path, size) = place(&disk, form);
    let journal = next_run(&disk);
    disk.wear(&path, bad(size));
    let (got, failures) = read_through(&journal);
    assert_eq!(failures, TRIES, "{form:?}: it is tried so often, and then passed over");
    let told = journal.take_damage();
    assert!(!missing(&got).is_empty() && got.contains(&(COUNT + 1)));
    accounts(&told, &missing(&got));
}

#[test]
fn a_block_that_cannot_be_read_is_passed_over_and_counted() {
    for form in [Form::Raw, Form::Sealed] {
        wear(form, |size| size / 2..size / 2 + 1);
    }
}

#[test]
fn the_last_block_that_cannot_be_read_is_passed_over_and_counted() {
    wear(Form::Raw, |size| size - 200..size);
    // The last frame and the index behind it.
    wear(Form::Sealed, |size| size - 2_000..size);
}

#[test]
fn a_segment_that_cannot_be_read_at_all_is_passed_over_and_counted() {
    for form in [Form::Raw, Form::Sealed] {
        wear(form, |size| ZONE as u64..size);
    }
}

#[test]
fn a_disk_that_comes_back_in_time_has_lost_nothing() {
    let disk = written(Form::Raw);
    let (path, size) = place(&disk, Form::Raw);
    let journal = next_run(&disk);
    for _ in 0..3 {
        disk.wear(&path, size / 2..size / 2 + 1);
        for _ in 1..TRIES {
            let mut tail = journal.tail(0);
            assert!(drain(&mut tail).is_err());
        }
        disk.heal();
        assert!(missing(&read_through(&journal).0).is_empty());
        assert_eq!(journal.take_damage(), []);
    }
}

/// Reads as the engine does when nothing is committed before all of it was read.
fn read_as_one_batch(journal: &Journal) -> (Vec<Seq>, u32) {
    for failures in 0..100 {
        if let Ok(got) = drain(&mut journal.tail(0)) {
            return (got.into_iter().map(|(seq, _)| seq).collect(), failures);
        }
    }
    panic!("it never goes on");
}

#[test]
fn two_worn_segments_in_one_batch_are_both_passed_over() {
    let disk = written(Form::Raw);
    let journal = next_run(&disk);
    for n in 1..=COUNT {
        journal.append(&[entry("orderly/v1/main/bp_meter/bp-0001/up/reading", &body(n, 90))]).unwrap();
    }
    journal.close();
    let disk = disk.settled();
    let journal = next_run(&disk);
    let (first, size) = place(&disk, Form::Raw);
    let third = segment::path(&dir(), 3, Form::Raw);
    for path in [&first, &third] {
        disk.wear(path, size / 2..size / 2 + 1);
    }
    let (got, failures) = read_as_one_batch(&journal);
    assert_eq!(failures, 2 * TRIES, "each is tried so often, and then passed over");
    let told = journal.take_damage();
    assert_eq!(told.iter().map(|d| d.segment).collect::<Vec<_>>(), [1, 3]);
    let lost: u64 = told.iter().map(|d| d.records_lost).sum();
    assert_eq!(got.len() as u64 + lost, 2 * COUNT + 1);
    assert_eq!(read_as_one_batch(&journal), (got.clone(), 0), "what is given up holds up nobody again");

    // Another place of a segment that was passed over has the same time to come back.
    disk.wear(&first, size / 4..size / 4 + 1);
    for _ in 1..TRIES {
        assert!(drain(&mut journal.tail(0)).is_err());
    }
    disk.heal();
    assert!(read_as_one_batch(&journal).0.len() >= got.len());
    assert_eq!(journal.take_damage(), []);
}

#[test]
fn a_last_segment_with_a_bad_block_does_not_stop_the_start() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) = open(options(&dir()), &shared).unwrap();
    for n in 1..=COUNT {
        journal.append(&[entry("orderly/v1/main/bp_meter/bp-0001/up/reading", &body(n, 90))]).unwrap();
        journal.wait_durable(n).unwrap();
    }
    journal.close();
    let whole = disk.settled();
    let (path, size) = place(&whole, Form::Raw);
    let strict = |disk: &SimDisk| {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        open(JournalOptions { read_over: false, background: false, ..options(&dir()) }, &shared)
    };
    for bad in [ZONE as u64 + 5_000..ZONE as u64 + 5_001, size - 100..size] {
        let disk = whole.settled();
        disk.wear(&path, bad.clone());
        let before = disk.log_len();
        assert!(strict(&disk).err().is_some_and(|error| error.is_of_the_disk()));
        assert_eq!(disk.log_len(), before, "nothing was changed");
        let journal = next_run(&disk);
        let told = journal.take_damage();
        assert_eq!(told.len(), 1, "{told:?}");
        let (got, _) = read_through(&journal);
        let missing: Vec<Seq> = (1..=COUNT).filter(|seq| !got.contains(seq)).collect();
        assert_eq!(told[0].after + 1, missing[0], "{bad:?}");
        if !missing.contains(&COUNT) {
            assert_eq!(told[0].records_lost, missing.len() as u64);
        }
        let next = journal.append(&[entry("a", b"x")]).unwrap().first;
        assert!(next > COUNT, "{next} may have been given out before");
    }
    // With time the disk gives it after all.
    let disk = whole.settled();
    disk.wear(&path, 0..size);
    assert!(strict(&disk).is_err());
    disk.heal();
    let (journal, recovered) = strict(&disk).unwrap();
    assert_eq!((recovered.damaged, recovered.last), (Vec::new(), COUNT));
    assert_eq!(read_through(&journal).0, (1..=COUNT).collect::<Vec<_>>());
}

#[test]
fn a_bad_block_within_the_last_group_does_not_stop_the_start() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) = open(options(&dir()), &shared).unwrap();
    let bodies: Vec<Vec<u8>> = (1..=COUNT).map(|n| body(n, 90)).collect();
    let entries: Vec<Entry<'_>> = bodies.iter().map(|body| entry("a", body)).collect();
    journal.append(&entries).unwrap();
    journal.close();
    let disk = disk.settled();
    let (path, size) = place(&disk, Form::Raw);
    disk.wear(&path, size / 2..size / 2 + 1);
    let journal = next_run(&disk);
    let told = journal.take_damage();
    assert_eq!(told.len(), 1, "{told:?}");
    let (got, _) = read_through(&journal);
    assert_eq!(got.len() as u64 + told[0].records_lost, COUNT);
    assert!(told[0].records_lost > 0 && got.contains(&COUNT));
}
