//! Power cuts on a simulated disk: nothing acknowledged is lost, nothing is invented, order is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::disk::sim::{Call, EIO, ENOSPC, Fault, Rng, SimDisk};

const TRIMMED: u64 = 1 << 63;

/// When the wrapper that stands for a source acknowledges.
#[derive(Clone, Copy, PartialEq)]
enum Ack {
    WhenDurable,
    /// The mutant: at append.
    TooEarly,
}

/// What one run of the workload did to its disk, with a note in the disk's log at each acknowledgement.
struct Run {
    disk: SimDisk,
    appended: BTreeMap<Seq, Vec<u8>>,
    /// Generation and last number of each append.
    appends: Vec<Appended>,
}

fn dir() -> PathBuf {
    PathBuf::from("/data/journal")
}

fn note(durable: Durable) -> u64 {
    u64::from(durable.generation) << 40 | durable.seq
}

fn start(disk: &SimDisk, seed: u64, cap: u64) -> Result<(Journal, Recovered), JournalError> {
    let mut options = options(&dir());
    options.salts = salts(seed);
    options.segment_bytes = 6_000;
    options.hot_bytes = 3_000;
    options.keep_bytes = cap;
    options.keep_for = Duration::from_millis(Rng(seed).below(400));
    options.background = false;
    let marks = disk.clone();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    open_watched(options, &shared, Box::new(move |d| marks.mark(note(d))))
}

/// Appends, waits, trims and seals as the seed says; with a fault, some of it fails, the start included.
fn work(disk: SimDisk, seed: u64, steps: u64, ack: Ack, fault: Option<Fault>) -> Run {
    let mut rng = Rng(seed);
    let mut run = Run { disk: disk.clone(), appended: BTreeMap::new(), appends: Vec::new() };
    if let Some(fault) = fault {
        disk.fail(fault);
    }
    let Ok((journal, _)) = start(&disk, seed, 24_000) else { return run };
    for step in 0..steps {
        let bodies: Vec<_> =
            (0..=rng.below(6)).map(|i| body(seed << 20 | step << 8 | i, rng.below(700) as usize)).collect();
        let entries: Vec<_> = bodies.iter().map(|b| entry("t", b)).collect();
        if let Ok(appended) = journal.append(&entries) {
            run.appended.extend((appended.first..).zip(bodies));
            run.appends.push(appended);
            if ack == Ack::TooEarly {
                disk.mark(note(Durable { seq: appended.last, generation: appended.generation }));
            }
            if rng.below(3) != 0 {
                // A withdrawn append is one that the source must send again; here it is just gone.
                journal.wait_durable(appended.last).ok();
            }
        }
        if rng.below(8) == 0 {
            let consumed = journal.durable().seq.saturating_sub(rng.below(30));
            disk.mark(TRIMMED | consumed);
            journal.trim(consumed);
            journal.maintain().ok();
        }
    }
    if fault.is_none() {
        journal.close();
    }
    run
}

/// The watermarks that were told before this place of the log.
fn owed_marks(run: &Run, at: usize) -> impl Iterator<Item = Durable> {
    let marks = run.disk.marks(at).into_iter().filter(|m| m & TRIMMED == 0);
    marks.map(|m| Durable { seq: m & ((1 << 40) - 1), generation: (m >> 40) as u32 })
}

/// What must be there after a cut at this place of the log: acknowledged and not trimmed.
fn owed(run: &Run, at: usize) -> Vec<Seq> {
    let trimmed =
        run.disk.marks(at).iter().filter(|m| *m & TRIMMED != 0).map(|m| m & !TRIMMED).max().unwrap_or(0);
    let told: Vec<_> = owed_marks(run, at).collect();
    let acked = run.appends.iter().filter(|a| told.iter().any(|d| d.covers(a)));
    acked.flat_map(|a| a.first..=a.last).filter(|&s| s > trimmed).collect()
}

/// Opens the disk after a cut and says what is wrong, if anything.
fn judge(run: &Run, at: usize, seed: u64) -> Result<SimDisk, String> {
    let after = run.disk.cut(at, seed);
    let (journal, found) = start(&after, seed ^ 1, 1 << 20).unwrap();
    let got = drain(&mut journal.tail(0)).unwrap();
    let has = |seq: Seq| got.binary_search_by_key(&seq, |g| g.0).is_ok();
    for (seq, body) in &got {
        if run.appended.get(seq) != Some(body) {
            return Err(format!("record {seq} was never appended like this"));
        }
    }
    if !got.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("out of order".to_owned());
    }
    if let Some(lost) = owed(run, at).iter().find(|s| !has(**s)) {
        return Err(format!("record {lost} was acknowledged and is lost; {found:?}"));
    }
    let withdrawn = |a: &&Appended| {
        let covered = owed_marks(run, usize::MAX).any(|d| d.covers(a));
        let followed = run.appends.iter().any(|b| b.generation > a.generation && has(b.first));
        !covered && followed && (a.first..=a.last).any(has)
    };
    if let Some(back) = run.appends.iter().find(withdrawn) {
        return Err(format!("{back:?} was withdrawn and is back before what came after it"));
    }
    if let Some(damage) = found.damaged.iter().find(|d| !d.in_last_write) {
        return Err(format!("a power cut alone is no damage: {damage:?}"));
    }
    // Life goes on: new numbers, and what was recovered stays.
    let appended = journal.append(&[entry("t", b"after the cut")]).unwrap();
    journal.wait_durable(appended.last).unwrap();
    journal.maintain().unwrap();
    journal.close();
    if run.appended.contains_key(&appended.first) && got.iter().any(|g| g.0 >= appended.first) {
        return Err(format!("number {} was given out twice", appended.first));
    }
    let again = drain(&mut start(&after.settled(), seed ^ 2, 1 << 20).unwrap().0.tail(0)).unwrap();
    let mut expected = got;
    expected.push((appended.first, b"after the cut".to_vec()));
    if again != expected {
        return Err("the second start sees something else".to_owned());
    }
    Ok(after)
}

fn cuts() -> u64 {
    let usual = if setting("ORDERLY_LONG", 0) == 1 { 100_000 } else { 2_000 };
    setting("ORDERLY_CUTS", usual)
}

#[test]
fn no_acknowledged_record_is_lost_by_a_power_cut() {
    let (mut owed_in_all, mut sealed) = (0, 0);
    for seed in 0..cuts().div_ceil(25) {
        let run = work(SimDisk::new(), seed, 60, Ack::WhenDurable, None);
        let mut rng = Rng(seed);
        for cut in 0..25 {
            let at = rng.below(run.disk.log_len() as u64 + 1) as usize;
            let verdict = judge(&run, at, seed << 8 | cut);
            assert!(verdict.is_ok(), "run {seed}, cut {cut} at {at}: {}", verdict.err().unwrap_or_default());
            owed_in_all += owed(&run, at).len();
            let names = run.disk.cut(at, seed << 8 | cut).list(&dir()).unwrap();
            sealed += usize::from(names.iter().any(|n| n.ends_with(".zst")));
        }
    }
    println!(
        "{} cuts, {owed_in_all} acknowledged records checked, {sealed} of the disks held sealed segments",
        cuts()
    );
    assert!(owed_in_all as u64 > cuts() * 10 && sealed as u64 > cuts() / 10);
}

#[test]
fn a_source_that_acknowledges_too_early_is_caught() {
    let caught = (0..40_u64).find_map(|seed| {
        let run = work(SimDisk::new(), seed, 60, Ack::TooEarly, None);
        (0..25).find_map(|cut| {
            let at = Rng(seed << 8 | cut).below(run.disk.log_len() as u64 + 1) as usize;
            judge(&run, at, cut).err()
        })
    });
    let why = caught.expect("the check must see what the mutant loses");
    assert!(why.contains("was acknowledged and is lost"), "{why}");
}

#[test]
fn a_cut_after_a_failed_call_loses_nothing_acknowledged() {
    let calls = [Call::Write, Call::Sync, Call::SyncDir, Call::Create, Call::Rename, Call::Remove];
    let mut fired = 0;
    for seed in 0..cuts().div_ceil(10) {
        let mut rng = Rng(seed ^ 0xfa11);
        let fault = Fault {
            call: Some(calls[rng.below(6) as usize]),
            nth: 1 + rng.below(12),
            sticky: rng.below(4) == 0,
            errno: if rng.below(2) == 0 { EIO } else { ENOSPC },
        };
        let run = work(SimDisk::new(), seed, 60, Ack::WhenDurable, Some(fault));
        fired += run.disk.mend();
        for cut in 0..10 {
            let at = rng.below(run.disk.log_len() as u64 + 1) as usize;
            let verdict = judge(&run, at, seed << 8 | cut);
            assert!(
                verdict.is_ok(),
                "run {seed}, {fault:?}, cut {cut} at {at}: {}",
                verdict.err().unwrap_or_default()
            );
        }
    }
    assert!(fired > cuts() / 50, "{fired}");
}

/// Fails the first, second, ... call of a run until a run has fewer calls; what is owed must be there afterwards.
fn sweep(sticky: bool, errno: i32) -> u64 {
    let mut n = 0;
    loop {
        n += 1;
        let run =
            work(SimDisk::new(), 5, 40, Ack::WhenDurable, Some(Fault { call: None, nth: n, sticky, errno }));
        if run.disk.mend() == 0 {
            return n - 1;
        }
        let at = run.disk.log_len();
        // The process ends and starts again, then the power goes and comes back.
        let (journal, found) = start(&run.disk, 6, 1 << 20).unwrap();
        let got = drain(&mut journal.tail(0)).unwrap();
        let lost: Vec<Seq> = owed(&run, at).into_iter().filter(|s| !got.iter().any(|g| g.0 == *s)).collect();
        assert!(lost.is_empty(), "call {n}, sticky {sticky}: lost {lost:?}; {found:?}");
        assert!(got.iter().all(|g| run.appended.get(&g.0) == Some(&g.1)), "call {n}: invented");
        journal.close();
        let cut = run.disk.cut(run.disk.log_len(), n);
        let still = drain(&mut start(&cut, 7, 1 << 20).unwrap().0.tail(0)).unwrap();
        assert_eq!(still, got, "call {n}, sticky {sticky}: what a start has seen survives a power cut");
    }
}

#[test]
fn every_call_may_fail_once_or_for_good() {
    for errno in [EIO, ENOSPC] {
        let once = sweep(false, errno);
        let for_good = sweep(true, errno);
        println!("errno {errno}: {once} calls failed once, {for_good} for good");
        assert!(once > 60 && for_good > 60);
    }
}

#[test]
fn the_journal_goes_on_by_itself_after_a_failed_sync() {
    let disk = SimDisk::new();
    let (told, changes) = std::sync::mpsc::sync_channel(16);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let watch = Box::new(move |d: Durable| told.send(d).unwrap());
    let (journal, _) = open_watched(options(&dir()), &shared, watch).unwrap();
    let mut tail = journal.tail(0);
    let one = journal.append(&[entry("t", b"one")]).unwrap();
    assert!(changes.recv().unwrap().covers(&one));
    disk.fail(Fault { call: Some(Call::Sync), nth: 1, sticky: false, errno: EIO });
    let two = journal.append(&[entry("t", b"two")]).unwrap();
    assert_eq!(changes.recv().unwrap(), Durable { seq: 1, generation: 1 }, "told at once");
    assert_eq!(changes.recv().unwrap(), Durable { seq: 1, generation: 1 }, "a new segment is open");
    assert!(matches!(journal.wait_durable(two.last), Err(JournalError::Withdrawn(2))));
    let three = journal.append(&[entry("t", b"three")]).unwrap();
    let durable = changes.recv().unwrap();
    assert!(durable.covers(&three) && !durable.covers(&two) && durable.seq > two.last);
    let expected = [(1, b"one".to_vec()), (3, b"three".to_vec())];
    assert_eq!(drain(&mut tail).unwrap(), expected);
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), expected, "from the files");
    journal.close();
    let (journal, found) = open(options(&dir()), &shared).unwrap();
    assert_eq!((found.records, found.last, found.damaged.len()), (2, 3, 0));
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), expected);
}
