//! T13: from start to serving, empty and with a backlog.

use std::process::Command;

use orderly_tests::gateway::{Site, binary};

use crate::flood::{self, Flood, Load};
use crate::measure::{self, quantile};
use crate::report::{Figure, Goal, Report};
use crate::store::{CountingStore, Mood};
use crate::throughput::sink_config;

/// Undelivered readings of the full start.
const BACKLOG: usize = 1_000_000;
/// Open alerts of the full start.
const ALERTS: usize = 10_000;
/// Starts of each kind.
const STARTS: usize = 5;

pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let dir = measure::folder()?;
    let store = CountingStore::start()?;
    store.set(Mood::Refuses);
    let site = Site::new(dir.path(), &sink_config(store.port))?;
    let first = ms(|| site.start()?.stop())?;
    let (mut bare, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        bare.push(ms(|| Ok(Command::new(binary()?).arg("--version").output()?))?);
        let started = flood::now();
        let gateway = site.start()?;
        empty.push(started.elapsed().as_secs_f64() * 1_000.0);
        gateway.stop()?;
    }
    let mut gateway = site.start()?;
    for (messages, load) in [(ALERTS, Load::LowPressures), (BACKLOG, Load::Vitals)] {
        let first_device_time = flood::first_device_time(messages);
        Flood { port: site.mqtt, connections: 4, messages, window: 250, first_device_time, load }
            .begin()?
            .run()?;
    }
    let status: serde_json::Value = serde_json::from_str(&measure::get(site.http, "/api/v1/status")?)?;
    let open = status["alerts"]["open"].as_u64().unwrap_or(0);
    anyhow::ensure!(open == ALERTS as u64, "{open} of {ALERTS} alerts are open");
    let of = |cursor: &serde_json::Value| cursor.as_u64().unwrap_or(0);
    let waiting = of(&status["engine"]["cursor"]) - of(&status["sinks"][0]["cursor"]);
    // A few thousand are still before the engine; the next start handles them first.
    anyhow::ensure!(waiting > BACKLOG as u64 * 9 / 10, "only {waiting} readings wait for the store");
    gateway.kill()?;
    let mut full = Vec::new();
    for _ in 0..STARTS {
        let started = flood::now();
        let mut gateway = site.start()?;
        full.push(started.elapsed().as_secs_f64() * 1_000.0);
        gateway.kill()?;
    }
    let after_kill = full.first().copied().unwrap_or(0.0);
    let limit = (quantile(&mut bare, 0.5), "the binary says its version");
    let mut add = |what: String, times: &mut [f64], goal| {
        report.add(Figure { what, value: quantile(times, 0.5), unit: "ms", limit, goal });
    };
    add("T13 start to serving, empty".to_owned(), &mut empty, Goal::at_most(150.0, 80.0));
    add("T13 the same, 1 M undelivered, 10,000 alerts".to_owned(), &mut full, Goal::at_most(1_000.0, 500.0));
    println!(
        "      the very first start with its end {first:.0} ms; the start after a kill under load {after_kill:.0} ms"
    );
    Ok(())
}

fn ms<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let started = flood::now();
    work()?;
    Ok(started.elapsed().as_secs_f64() * 1_000.0)
}
