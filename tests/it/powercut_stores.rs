//! The power goes while state.db, series.db and audit.db work: what was acknowledged is there, whole, once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderly_store::disk::sim::Rng;
use orderly_tests::powercut::{MARKS, Recording, Shim};
use orderly_tests::powercut_judge::judge;
use orderly_tests::powercut_plan::Plan;
use orderly_tests::powercut_play::{Mutant, Player, Stores, Told};

const CHILD_DIR: &str = "ORDERLY_TEST_STORES_DIR";
const SEED: &str = "ORDERLY_TEST_STORES_SEED";
const MUTANT: &str = "ORDERLY_TEST_STORES_MUTANT";
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

/// A directory in memory where there is one: the cuts are many and nobody needs them afterwards.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(dir) = tempfile::tempdir_in(memory)
    {
        return dir;
    }
    tempfile::tempdir().unwrap()
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
    let mut marks = std::fs::File::create(dir.join(MARKS)).unwrap();
    let mut note = |mark: u64| marks.write_all(&mark.to_le_bytes());
    let stores = Some(Stores::open(&dir, false).unwrap().0);
    let mut player = Player { plan: &plan, stores, transactions: 0, alone: false, mutant, note: &mut note };
    player.play(0).unwrap();
}

fn record(work: &Path, seed: u64, mutant: &str) -> Recording {
    let shim = Shim::build(work).unwrap();
    let data = tempfile::tempdir_in(work).unwrap();
    let log = data.path().with_extension("recording");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "powercut_stores::child_works_on_the_stores", "--ignored", "--nocapture"]);
    child.env(CHILD_DIR, data.path()).env(SEED, seed.to_string()).env(MUTANT, mutant);
    shim.watch(&mut child, data.path(), &log, None);
    let done = child.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Recording::read(&log, data.path()).unwrap()
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
