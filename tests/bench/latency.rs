//! T5 to T7: how long a message takes to the store, to its PUBACK, and a crossed threshold to its webhook.

use std::thread;
use std::time::Duration;

use orderly_tests::gateway::Site;

use crate::hook::Hook;
use crate::measure::{self, Spread};
use crate::paced::{Paced, Senders, Sent};
use crate::report::{Figure, Goal, Report};
use crate::store::{CountingStore, Mood};
use crate::throughput::{ROUNDS, sink_config};

/// Seconds of each load.
const SECONDS: usize = 5;
/// Crossed thresholds in each load, spread over most of it.
const CROSSINGS: usize = 100;
/// The loads of T7: messages a second, and whether the store stalls.
const LOADS: [(usize, bool); 4] = [(100, false), (100, true), (5_000, false), (5_000, true)];

/// Measures all, each round beside the disk's own time.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let dir = measure::folder()?;
    let store = CountingStore::start()?;
    let hook = Hook::start()?;
    let site = Site::new(dir.path(), &(sink_config(store.port) + &hook.config()))?;
    let gateway = site.start()?;
    store.note_arrivals();
    let load = |per_second| Paced {
        port: site.mqtt,
        per_second,
        seconds: SECONDS,
        senders: Senders::Anonymous(if per_second > 100 { 4 } else { 1 }),
    };
    // The devices are registered and everything is warm.
    let mut lines = load(2_000).run()?.messages.len();

    let (mut one, mut two) = (Vec::new(), Vec::new());
    let (mut to_store, mut puback) = (Vec::new(), Vec::new());
    let mut notices = [const { Vec::new() }; LOADS.len()];
    for round in 0..ROUNDS {
        one.push(measure::sync_ms(dir.path(), 1)?);
        two.push(measure::sync_ms(dir.path(), 2)?);
        let slow = load(100).run()?;
        lines += slow.messages.len();
        arrived(&store, lines)?;
        to_store.push(Spread::of(&mut arrivals(&store, &slow)));

        let mut fast = load(5_000).run()?;
        lines += fast.messages.len();
        puback.push(Spread::of(&mut fast.puback_ms));

        for (case, (per_second, stalls)) in LOADS.into_iter().enumerate() {
            arrived(&store, lines)?;
            store.set(if stalls { Mood::Stalls } else { Mood::Up });
            let background = load(per_second);
            let background = thread::spawn(move || background.run());
            let pause = Duration::from_millis(40);
            let names = format!("bp-{round}-{case}");
            let mut times = hook.crossings(site.mqtt, &names, CROSSINGS, pause)?;
            lines += CROSSINGS;
            notices[case].push(Spread::of(&mut times));
            let sent = background.join().map_err(|_| anyhow::anyhow!("the load died"))??;
            lines += sent.messages.len();
            store.set(Mood::Up);
        }
    }
    arrived(&store, lines)?;
    gateway.stop()?;

    let (one, two) = (Spread::median(&one), Spread::median(&two));
    let mut add = |what: &str, value, limit, goal| {
        report.add(Figure { what: what.to_owned(), value, unit: "ms", limit, goal });
    };
    let t5 = Spread::median(&to_store);
    add("T5 message to store, 100 msg/s, p50", t5.p50, (two.p50, TWO), Goal::at_most(10.0, 5.0));
    add("T5 message to store, 100 msg/s, p99", t5.p99, (two.p99, TWO), Goal::at_most(24.0, 12.0));
    let t6 = Spread::median(&puback);
    add("T6 PUBACK, 5,000 msg/s, p99", t6.p99, (one.p99, ONE), Goal::at_most(25.0, 12.0));
    for (case, (per_second, stalls)) in LOADS.into_iter().enumerate() {
        let what = format!(
            "T7 threshold to webhook, {per_second} msg/s, p99{}",
            if stalls { ", store stalled" } else { "" }
        );
        let goal = if per_second == 100 { Goal::at_most(50.0, 15.0) } else { Goal::at_most(250.0, 100.0) };
        add(&what, Spread::median(&notices[case]).p99, (two.p99, TWO), goal);
    }
    Ok(())
}

/// One sync: no PUBACK without it.
const ONE: &str = "fdatasync";
/// Journal and state: nothing leaves before both.
const TWO: &str = "two fdatasync one by one";

fn arrived(store: &CountingStore, lines: usize) -> anyhow::Result<()> {
    anyhow::ensure!(store.wait_lines(lines), "{} of {lines} lines arrived", store.ask(|s| s.lines));
    Ok(())
}

fn arrivals(store: &CountingStore, sent: &Sent) -> Vec<f64> {
    store.ask(|seen| {
        let Some(arrivals) = &seen.arrivals else { return Vec::new() };
        let took = |(key, at): &((u64, i64), std::time::Instant)| {
            Some((*arrivals.get(key)? - *at).as_secs_f64() * 1_000.0)
        };
        sent.messages.iter().filter_map(took).collect()
    })
}
