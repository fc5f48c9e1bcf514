//! Every call on state.db and its log fails, once or for good: nothing is half done, and the end is the same.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderly_tests::powercut::{FAULT, Shim};
use orderly_tests::powercut_judge::{decide_again, ended, take_up};
use orderly_tests::powercut_plan::Plan;
use orderly_tests::powercut_play::{Mutant, Player, Stores};
use orderly_tests::scratch::scratch;

use crate::powercut_stores::{environment, is_long};

const CHILD_DIR: &str = "ORDERLY_TEST_FAULTS_DIR";
const ERRNO: &str = "ORDERLY_TEST_FAULTS_ERRNO";
const COMMITS: usize = 10;
/// The first so many calls of a kind all fail in turn, even in a short run; behind them every so many-th.
const FIRST: u64 = 24;
const STRIDE: u64 = 13;

/// Not a test of its own: the child whose calls fail.
#[test]
#[ignore = "started by the test below"]
fn child_goes_on_after_failures() {
    let Some(root) = environment(CHILD_DIR).map(PathBuf::from) else { return };
    let errno = environment(ERRNO).unwrap();
    let plan = Plan::new(11, COMMITS).unwrap();
    let mut orders = Orders { file: std::fs::File::create(root.join(FAULT)).unwrap(), root };
    for kind in ["write", "sync", "truncate", "open", "unlink"] {
        for sticky in ["", ":sticky"] {
            let (mut runs, mut halted, mut n) = (0, 0, 1);
            loop {
                let order = format!("{kind}:{n}:{errno}{sticky}");
                let run = run(&plan, &mut orders, &order, !sticky.is_empty());
                let run = run.unwrap_or_else(|why| panic!("{order}: {why:#}"));
                if run.fired == 0 {
                    break;
                }
                runs += 1;
                halted += u64::from(run.failures > 0);
                n += if is_long() || n < FIRST { 1 } else { STRIDE };
            }
            println!(
                "errno {errno} {kind}{sticky}: of {n} calls {runs} failed, {halted} times a store was opened again"
            );
            assert!(runs > 0 || kind == "truncate" || kind == "unlink", "{kind}: no call failed");
        }
    }
}

struct Orders {
    root: PathBuf,
    file: std::fs::File,
}

impl Orders {
    fn give(&mut self, order: &str) {
        self.file.write_all(order.as_bytes()).unwrap();
    }

    /// No call fails any more; gives how many did.
    fn end(&mut self) -> u64 {
        self.give("off");
        std::fs::read_to_string(self.root.join(FAULT)).unwrap().parse().unwrap()
    }
}

struct Run {
    fired: u64,
    failures: u32,
}

/// The whole plan, with a call that fails; after a failure the stores are opened again and the rest follows.
fn run(plan: &Plan, orders: &mut Orders, order: &str, sticky: bool) -> anyhow::Result<Run> {
    let dir = orders.root.join("run");
    std::fs::create_dir(&dir)?;
    orders.give(order);
    let (mut fired, mut failures, mut told) = (0, 0, 0);
    loop {
        match attempt(plan, &dir, &mut told, failures > 0)? {
            Ok(()) => break,
            Err(why) if failures > 3 => return Err(why.context("it fails though the fault is gone")),
            Err(_) => failures += 1,
        }
        if sticky {
            fired += orders.end();
        }
    }
    fired += orders.end();
    let (stores, snapshot) = Stores::open(&dir, true)?;
    ended(plan, &dir, &snapshot)?;
    drop(stores);
    std::fs::remove_dir_all(&dir)?;
    Ok(Run { fired, failures })
}

/// One life: the outer error is a fault of ours, the inner one what the disk refused.
fn attempt(plan: &Plan, dir: &Path, told: &mut usize, again: bool) -> anyhow::Result<anyhow::Result<()>> {
    let (stores, snapshot, done) = match take_up(plan, dir, *told, true) {
        Ok(found) => found?,
        Err(refused) => return Ok(Err(refused)),
    };
    let from = plan.behind(done);
    *told = done;
    if again {
        decide_again(plan, snapshot, from, dir)?;
    }
    let mut note = |mark| {
        *told = mark as usize;
        Ok(())
    };
    let stores = Some(stores);
    let mut player =
        Player { plan, stores, transactions: done, alone: true, mutant: Mutant::None, note: &mut note };
    Ok(player.play(from))
}

#[test]
fn a_failed_call_on_the_state_leaves_a_prefix_and_the_same_end() {
    let work = scratch();
    let shim = Shim::build(work.path()).unwrap();
    // A worn-out disk, and a full one.
    let children = ["5", "28"].map(|errno| {
        let data = work.path().join(errno);
        std::fs::create_dir(&data).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "powercut_faults::child_goes_on_after_failures", "--ignored", "--nocapture"]);
        child.env(CHILD_DIR, &data).env(ERRNO, errno);
        shim.watch(&mut child, &data, Path::new("/dev/null"), None);
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    });
    for child in children {
        let done = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
        let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("errno")).collect();
        assert_eq!(lines.len(), 10, "{told}");
        println!("{}", lines.join("\n"));
    }
}
