//! The power goes while state.db, series.db and audit.db work: what was acknowledged is there, whole, once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderly_store::disk::sim::Rng;
use orderly_tests::powercut::{MARKS, Recording, Shim};
use orderly_tests::powercut_judge::{judge, take_up};
use orderly_tests::powercut_plan::Plan;
use orderly_tests::powercut_play::{Mutant, Player, Told};
use orderly_tests::scratch::scratch;

const CHILD_DIR: &str = "ORDERLY_TEST_STORES_DIR";
const SEED: &str = "ORDERLY_TEST_STORES_SEED";
const MUTANT: &str = "ORDERLY_TEST_STORES_MUTANT";
/// What an earlier child had acknowledged when it fell down; the next one goes on from there.
const TOLD: &str = "ORDERLY_TEST_STORES_TOLD";
/// Commits of one recording, and cuts of it.
const COMMITS: usize = 40;
const CUTS_EACH: u64 = 250;
/// Every so many cuts the gateway lives on to the end of the plan.
const LIVE_ON: u64 = 25;

#[expect(
    clippy::disallowed_methods,
    reason = "parent and child, and who runs the tests, talk by environment"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the full numbers are asked for.
pub fn is_long() -> bool {
    environment("ORDERLY_LONG").is_some_and(|v| v == "1")
}

/// How many cuts are made in all.
fn cuts() -> u64 {
    let usual = if is_long() { 100_000 } else { 2_000 };
    environment("ORDERLY_CUTS").and_then(|v| v.parse().ok()).unwrap_or(usual)
}

/// Not a test of its own: the child that works until its plan ends.
#[test]
#[ignore = "started by the tests beside it"]
fn child_works_on_the_stores() {
    let Some(dir) = environment(CHILD_DIR).map(PathBuf::from) else { return };
    let mutant = match environment(MUTANT).as_deref() {
        Some("ack") => Mutant::AckEarly,
        Some("trim") => Mutant::TrimEarly,
        _ => Mutant::None,
    };
    let plan = Plan::new(environment(SEED).unwrap().parse().unwrap(), COMMITS).unwrap();
    let told = environment(TOLD).map_or(0, |told| told.parse().unwrap());
    let mut marks = std::fs::File::create(dir.join(MARKS)).unwrap();
    let mut note = |mark: u64| marks.write_all(&mark.to_le_bytes());
    let done = take_up(&plan, &dir, told, false).and_then(|found| {
        let (mut stores, _, transactions) = found?;
        // What was under way may have come through; from here on it is relied on.
        note(transactions as u64)?;
        stores.apply()?;
        let mut player =
            Player { plan: &plan, stores: Some(stores), transactions, mutant, note: &mut note, alone: false };
        let done = player.play(plan.behind(transactions));
        if done.is_err() {
            // It falls down as it is: nothing is closed in order.
            eprintln!("{done:?}");
            std::process::abort();
        }
        done
    });
    done.unwrap();
}

/// A directory in which children work one after the other, recorded as one run.
struct Scene<'a> {
    shim: Shim,
    data: tempfile::TempDir,
    seed: u64,
    mutant: &'a str,
}

impl<'a> Scene<'a> {
    fn new(work: &Path, seed: u64, mutant: &'a str) -> Self {
        let (shim, data) = (Shim::build(work).unwrap(), tempfile::tempdir_in(work).unwrap());
        Self { shim, data, seed, mutant }
    }

    /// Lets a child go on from what is acknowledged; gives whether it came to the end of the plan.
    fn work(&self, told: Told, fail: Option<&str>) -> bool {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "powercut_stores::child_works_on_the_stores", "--ignored", "--nocapture"]);
        child.env(CHILD_DIR, self.data.path()).env(SEED, self.seed.to_string());
        child.env(MUTANT, self.mutant).env(TOLD, told.transactions.to_string());
        self.shim.watch(&mut child, self.data.path(), &self.log(), fail);
        let done = child.output().unwrap();
        let well = done.status.success();
        assert!(well || fail.is_some(), "{}", String::from_utf8_lossy(&done.stderr));
        well
    }

    fn log(&self) -> PathBuf {
        self.data.path().with_extension("recording")
    }

    fn recording(&self) -> Recording {
        Recording::read(&self.log(), self.data.path()).unwrap()
    }
}

fn record(work: &Path, seed: u64, mutant: &str) -> Recording {
    let scene = Scene::new(work, seed, mutant);
    assert!(scene.work(Told::default(), None));
    scene.recording()
}

/// A place to cut at: half of them anywhere, half right behind a step on `series.db`.
fn place(recording: &Recording, series: &[usize], rng: &mut Rng) -> usize {
    match rng.below(2) {
        0 => rng.below(recording.steps() as u64 + 1) as usize,
        _ => series[rng.below(series.len() as u64) as usize],
    }
}

#[derive(Default)]
struct Tally {
    transactions: usize,
    readings: usize,
    applied_again: usize,
    late_success: usize,
}

#[test]
fn a_power_cut_loses_and_halves_nothing_in_the_stores() {
    let work = scratch();
    let mut tally = Tally::default();
    for seed in 0..cuts().div_ceil(CUTS_EACH) {
        let plan = Plan::new(seed, COMMITS).unwrap();
        let recording = record(work.path(), seed, "none");
        let told = Told::of(&recording.marks(recording.steps()));
        assert_eq!(told.transactions + 1, plan.models.len(), "seed {seed}: the child did its whole plan");
        let series = recording.steps_on("series.db");
        let mut rng = Rng(seed);
        for cut in 0..CUTS_EACH.min(cuts()) {
            let at = place(&recording, &series, &mut rng);
            let told = Told::of(&recording.marks(at));
            let dir = tempfile::tempdir_in(work.path()).unwrap();
            recording.cut(at, seed << 32 | cut, dir.path()).unwrap();
            match judge(&plan, dir.path(), told, cut % LIVE_ON == 0) {
                Ok(found) => {
                    tally.transactions += told.transactions;
                    tally.readings += found.readings;
                    tally.applied_again += found.applied_again;
                    tally.late_success += found.transactions - told.transactions;
                }
                Err(why) => panic!("seed {seed}, cut {cut} at {at} of {}: {why:#}", recording.steps()),
            }
        }
    }
    println!(
        "{} cuts: {} acknowledged transactions found again, {} under way that were whole; {} readings once each, {} of them applied again",
        cuts(),
        tally.transactions,
        tally.late_success,
        tally.readings,
        tally.applied_again
    );
    assert!(tally.transactions as u64 > cuts() * 5 && tally.applied_again as u64 > cuts());
}

/// Whether the checks see what a mutant does wrong within so many cuts, and what they say.
fn caught(mutant: &str) -> Option<String> {
    let work = scratch();
    (0..4_u64).find_map(|seed| {
        let plan = Plan::new(seed, COMMITS).unwrap();
        let recording = record(work.path(), seed, mutant);
        let mut rng = Rng(seed);
        (0..100_u64).find_map(|cut| {
            let at = rng.below(recording.steps() as u64 + 1) as usize;
            let dir = tempfile::tempdir_in(work.path()).unwrap();
            recording.cut(at, seed << 32 | cut, dir.path()).unwrap();
            let told = Told::of(&recording.marks(at));
            judge(&plan, dir.path(), told, false).err().map(|why| format!("{why:#}"))
        })
    })
}

#[test]
fn a_store_that_acknowledges_too_early_is_caught() {
    let why = caught("ack").expect("the check must see what the mutant loses");
    assert!(why.contains("acknowledged") && why.contains("lost"), "{why}");
}

#[test]
fn batches_that_are_trimmed_too_early_are_caught() {
    let why = caught("trim").expect("the check must see what the mutant loses");
    assert!(why.contains("series.db has"), "{why}");
}

/// A sync fails. Either the process falls down, and the next one finds in the cache what never reached the disk, or
/// the store tries again by itself. It goes on and acknowledges; then the power goes.
#[test]
fn a_power_cut_after_a_failed_sync_loses_nothing() {
    let work = scratch();
    let (mut fell, mut stayed, mut cuts) = (0, 0, 0);
    let step = if is_long() { 1 } else { 4 };
    // The fourteenth sync is the one before a log is copied for the first time: closing after it once broke the file.
    for n in (2..if is_long() { 400 } else { 180 }).step_by(step) {
        let seed = 1_000 + n;
        let plan = Plan::new(seed, COMMITS).unwrap();
        let scene = Scene::new(work.path(), seed, "none");
        let fault = format!("{}:{n}:5", if n % 3 == 0 { "write" } else { "sync" });
        let well = scene.work(Told::default(), Some(&fault));
        if !well {
            let before = scene.recording();
            let told = Told::of(&before.marks(before.steps()));
            assert!(scene.work(told, None));
        }
        let recording = scene.recording();
        // The plan ended before that call: nothing failed.
        let Some(&from) = recording.failed().first() else { continue };
        if well {
            stayed += 1;
        } else {
            fell += 1;
        }
        let behind = (recording.steps() - from) as u64;
        let mut rng = Rng(n);
        for cut in 0..40_u64 {
            let at = from + rng.below(1 + if cut % 2 == 0 { behind } else { behind.min(60) }) as usize;
            let dir = tempfile::tempdir_in(work.path()).unwrap();
            recording.cut(at, n << 32 | cut, dir.path()).unwrap();
            let told = Told::of(&recording.marks(at));
            cuts += 1;
            if let Err(why) = judge(&plan, dir.path(), told, cut == 0) {
                panic!("{fault}, cut {cut} at {at} of {from} to {}: {why:#}", recording.steps());
            }
        }
    }
    println!("{cuts} cuts after a failed call; {fell} times the process fell down, {stayed} times it stayed");
    assert!(fell > 5 && stayed > 1, "both ways must be met: {fell} fell, {stayed} stayed");
}
