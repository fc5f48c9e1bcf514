//! The kill test: `kill -9` at random instants under load, and the ledger decides (RELIABILITY, fault 1).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use orderly_core::record::Kind;
use orderly_store::disk::RealDisk;
use orderly_store::journal::dump;
use orderly_tests::fakestore::{FakeStore, Plan as StorePlan, Step};
use orderly_tests::gateway::Site;
use orderly_tests::generator::{Generator, Plan, Progress, twelve_hours_ago};
use orderly_tests::ledger::Verdict;
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::reference;
use orderly_tests::{aim, api, drained, wal};
use tokio::sync::watch;

/// Through which door the load comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Listener,
    Mosquitto,
}

/// How many kills: 40 in `make test`, 1,000 in `make test-long`.
fn kills() -> usize {
    if std::env::var_os("ORDERLY_LONG").is_some() { 1_000 } else { 40 }
}

/// Every so many kills one is aimed at a commit; chance alone meets one in a hundred.
const AIMED: usize = 4;

/// What the kills met.
#[derive(Debug, Default)]
struct Kills {
    in_flight: Vec<usize>,
    inside_a_commit: usize,
    /// Of the kills that were aimed at one.
    aimed_inside: usize,
    starting: Duration,
    slowest_start: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_killed_behind_the_listener() {
    kill_test(Door::Listener, 0x0de1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_killed_behind_mosquitto() {
    if mosquitto::find().is_some() {
        kill_test(Door::Mosquitto, 0x3105).await.unwrap();
    }
}

async fn kill_test(door: Door, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let store = FakeStore::start().await;
    store.plan(StorePlan::chaos(seed, 25));
    let broker = match door {
        Door::Mosquitto => Some(Mosquitto::start(&dir.path().join("mosquitto"))?),
        Door::Listener => None,
    };
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules)?;
    std::fs::write(rules.join("kill.toml"), reference::RULES)?;
    let site = Site::new(dir.path(), &more_config(&store.url(), &rules, broker.as_ref().map(|b| b.port)))?;
    let start = twelve_hours_ago();
    let plan = Plan {
        port: broker.as_ref().map_or(site.mqtt, |b| b.port),
        connections: 4,
        devices_each: 10,
        per_second: 2_000,
        window: 200,
        first_device_time: start,
        step_ms: 1_000,
        seed,
    };

    if door == Door::Mosquitto {
        // Behind a broker nobody registers himself: a person does it once for each device.
        for device in 0..plan.connections * plan.devices_each {
            site.add_device(&format!("bp-{device:04}"), "bp_meter")?;
        }
    }
    let mut gateway = site.start()?;
    api::wait_sources(&site).await?;
    let (up, is_up) = watch::channel(true);
    let mut load = Generator::start(&plan, &is_up);
    let mut met = Kills::default();
    let mut journal = JournalSeen::default();
    let mut draw = seed;
    let began = now();
    for kill in 0..kills() {
        // Counted in messages, not in time: most kills come just after something left, so that it is in flight.
        let Progress { sent, acked, .. } = load.progress();
        let more = 20 + draw_below(&mut draw, 1_200);
        if kill % 4 == 0 {
            load.wait(|p| p.acked >= acked + more).await;
        } else {
            load.wait(|p| p.sent >= sent + more).await;
        }
        let log = site.data_dir().join("state.db-wal");
        let aimed = kill % AIMED == 2
            && tokio::task::block_in_place(|| aim::stop_inside_a_commit(gateway.pid(), &log))?;
        gateway.kill()?;
        let at_the_kill = load.progress();
        if door == Door::Listener {
            up.send_replace(false);
        }
        met.in_flight.push(match door {
            Door::Listener => at_the_kill.sent - at_the_kill.acked,
            // mosquitto acknowledges at once; in flight is what it has and the journal has not.
            Door::Mosquitto => at_the_kill.sent - journal.catch_up(&site)?,
        });
        if wal::frames_after_last_commit(&log)? > 0 {
            met.inside_a_commit += 1;
            met.aimed_inside += usize::from(aimed);
        }
        let start = now();
        gateway = site.start().map_err(|e| e.context(format!("start after kill {kill}")))?;
        met.starting += start.elapsed();
        met.slowest_start = met.slowest_start.max(start.elapsed());
        up.send_replace(true);
    }
    let each = |all: Duration| all.as_millis() / kills() as u128;
    println!(
        "{door:?}: {} ms a kill, {} ms of it the start, the slowest {} ms",
        each(began.elapsed()),
        each(met.starting),
        met.slowest_start.as_millis()
    );
    let ledger = load.finish().await;
    store.plan(StorePlan::default());
    drained::wait(&site, Duration::from_secs(120)).await?;

    let verdict = ledger.judge(&api::rows(&site, &ledger).await?);
    let in_store = ledger.judge(&rows_of_the_store(&store));
    met.in_flight.sort_unstable();
    let median = met.in_flight[met.in_flight.len() / 2];
    let resent = store.ask(|seen| seen.resent);
    // The plan kept these and dropped the answer: they go again whether anybody is killed or not.
    let unanswered: usize = store
        .ask(|seen| seen.requests.iter().filter(|r| r.step == Step::KeepThenClose).map(|r| r.lines).sum());
    println!(
        "{door:?}: {} kills, {} sent, {} acked, in flight at the kill: median {median}, inside a commit: {} ({} of {} aimed), \
         lost {}, double {}, sink lost {}, sink double {}, lines re-sent {resent} \
         ({unanswered} of them had no answer)",
        kills(),
        ledger.messages.len(),
        verdict.acked,
        met.inside_a_commit,
        met.aimed_inside,
        kills() / AIMED,
        verdict.lost.len(),
        verdict.double.len(),
        in_store.lost.len(),
        in_store.double.len(),
    );
    assert_clean("series.db", &verdict);
    assert_clean("sink", &in_store);
    assert!(median > 0, "the kills met no message in flight: the test shows nothing");
    assert!(met.aimed_inside * 2 > kills() / AIMED, "most aimed kills must meet a commit half written");
    assert!(gateway.stop()?.success());
    let (met_steps, calm) =
        (reference::transitions_of_the_store(&site)?, reference::transitions_of_a_calm_run(&ledger)?);
    println!("{door:?}: {} alert transitions, {} in a calm run", met_steps.len(), calm.len());
    assert!(!calm.is_empty());
    let missing: Vec<_> = calm.difference(&met_steps).take(5).collect();
    let extra: Vec<_> = met_steps.difference(&calm).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, extra {extra:?}");
    Ok(())
}

/// The different messages that the journal of a dead daemon holds, read on from kill to kill.
#[derive(Debug, Default)]
struct JournalSeen {
    next: u64,
    messages: BTreeSet<String>,
}

impl JournalSeen {
    fn catch_up(&mut self, site: &Site) -> anyhow::Result<usize> {
        let (mut last, messages) = (self.next, &mut self.messages);
        dump(&RealDisk, &site.data_dir().join("journal"), self.next, u64::MAX, |record| {
            if record.entry.kind == Kind::Envelope && record.entry.address.contains("/up/") {
                messages.insert(format!(
                    "{} {}",
                    record.entry.address,
                    String::from_utf8_lossy(record.entry.body)
                ));
            }
            last = record.seq + 1;
        })?;
        self.next = last;
        Ok(self.messages.len())
    }
}

fn assert_clean(what: &str, verdict: &Verdict) {
    assert!(verdict.acked > 0);
    assert_eq!(verdict.lost, Vec::<String>::new(), "{what}: acknowledged and lost");
    assert_eq!(verdict.double, Vec::<String>::new(), "{what}: double");
    assert_eq!(verdict.invented, Vec::<String>::new(), "{what}: never sent");
}

/// For what is printed only.
#[expect(clippy::disallowed_methods, reason = "the figure is printed, nothing depends on it")]
fn now() -> Instant {
    Instant::now()
}

fn draw_below(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap_or(0) % bound
}

/// The sink, and the broker where the load comes through one.
fn more_config(store: &str, rules: &Path, broker: Option<u16>) -> String {
    let mut text = format!(
        "[rules]\ndefaults = false\ndir = {rules:?}\n\n\
         [sinks.store]\nkind = \"influx\"\nurl = \"{store}\"\nbucket = \"orderly\"\norg = \"hospital\"\n\
         timeout = \"2s\"\n"
    );
    if let Some(port) = broker {
        text += &format!(
            "\n[mqtt.ward]\nurl = \"mqtt://127.0.0.1:{port}\"\nclient_id = \"orderly\"\n\
             subscribe = [\"orderly/v1/main/+/+/up/+\"]\n"
        );
    }
    text
}

/// (device, device time) -> points, as the fake store kept them.
fn rows_of_the_store(store: &FakeStore) -> BTreeMap<(String, i64), usize> {
    let mut rows = BTreeMap::new();
    store.ask(|seen| {
        for key in seen.rows.keys() {
            let device = key.tags.get("device").cloned().unwrap_or_default();
            *rows.entry((device, key.ns / 1_000_000)).or_insert(0) += 1;
        }
    });
    rows
}
