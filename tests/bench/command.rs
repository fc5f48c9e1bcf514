//! How soon a person's administrative command is committed while bulk load comes in. It is answered only after its
//! record, its commit and its entry in the audit chain are on disk.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use orderly::control::{Asked, Request, ask};
use orderly_tests::gateway::{Site, binary};

use crate::flood::{self, Flood, Load};
use crate::measure::{self, Spread};
use crate::paced::{Paced, Senders};
use crate::report::{Figure, Goal, Report};
use crate::store::CountingStore;
use crate::throughput::sink_config;

/// Commands of each kind, a tenth of a second between them.
const COMMANDS: usize = 60;
/// The steady load.
const PER_SECOND: usize = 5_000;
/// What is promised.
const BAR: Goal = Goal::at_most(50.0, 50.0);

pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let dir = measure::folder()?;
    let store = CountingStore::start()?;
    let site = Site::new(dir.path(), &sink_config(store.port))?;
    let gateway = site.start()?;
    let sync = measure::sync_ms(dir.path(), 3)?;
    let load = |seconds, senders| Paced { port: site.mqtt, per_second: PER_SECOND, seconds, senders };
    let seconds = COMMANDS / 10 + 1;
    load(2, Senders::Anonymous(4)).run()?;

    // The devices that are revoked are on the register and take no part in the load's check of identity.
    let mut last = flood::DEVICES;
    let mut revoke = || {
        last -= 1;
        let device = flood::device(last).parse()?;
        let key = format!("bench-{last}");
        order(&site.data_dir(), &Request::DeviceRevoke { device, key }).map(drop)
    };
    let steady = load(seconds, Senders::Anonymous(4));
    let revoked = under(move || steady.run().map(drop), COMMANDS, &mut revoke)?;

    let (port, lag) = (site.mqtt, Lag::watch(&site));
    let full = move || {
        let messages = 400_000;
        let first_device_time = flood::first_device_time(messages);
        Flood { port, connections: 4, messages, window: 250, first_device_time, load: Load::Vitals }
            .begin()?
            .run()
    };
    let at_full = under(full, COMMANDS, &mut revoke)?;
    let lag = lag.end()?;

    let mut client = Vec::new();
    let steady = load(3, Senders::Anonymous(4));
    let config = site.config_file();
    let by_client = under(move || steady.run().map(drop), 20, &mut || {
        let output = Command::new(binary()?).args(["device", "list", "--config"]).arg(&config).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        client.push(output.stdout.len());
        Ok(())
    })?;

    // The first credential shuts anonymous clients out, so the load now comes from four devices that have one.
    let senders = (0..4)
        .map(|n| Ok((n, add(&site, &flood::device(n), "bedside_monitor")?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let steady = load(seconds, Senders::Devices(senders));
    let mut number = 0;
    let added = under(move || steady.run().map(drop), COMMANDS, &mut || {
        number += 1;
        add(&site, &format!("bp-{number:04}"), "bp_meter").map(drop)
    })?;
    gateway.stop()?;

    let limit = (sync.p99, "three fdatasync one by one");
    let mut figure = |what: &str, spread: Spread| {
        report.add(Figure {
            what: format!("   {what}, p99"),
            value: spread.p99,
            unit: "ms",
            limit,
            goal: BAR,
        });
    };
    figure("device revoke at 5,000 msg/s", revoked);
    figure("device add at 5,000 msg/s", added);
    figure("device revoke, listener flooded", at_full);
    for (what, spread) in [
        ("revoke", revoked),
        ("add", added),
        ("revoke, flooded", at_full),
        ("list, client's start included", by_client),
    ] {
        println!(
            "      device {what}: p50 {:.1}, p99 {:.1}, slowest {:.1} ms",
            spread.p50, spread.p99, spread.max
        );
    }
    println!(
        "      before the engine in the flood (bulk waits at 20 ms): p99 {:.1}, most {:.1} ms",
        lag.p99, lag.max
    );
    Ok(())
}

/// Runs a load and, as long as it lasts, a command every tenth of a second; at most so many.
fn under(
    load: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    most: usize,
    command: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Spread> {
    let load = thread::spawn(load);
    let mut times = Vec::new();
    // The load is under way when the first command comes.
    thread::sleep(Duration::from_millis(500));
    while times.len() < most && !load.is_finished() {
        let started = flood::now();
        command()?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        if let Some(rest) = Duration::from_millis(100).checked_sub(started.elapsed()) {
            thread::sleep(rest);
        }
    }
    load.join().map_err(|_| anyhow::anyhow!("the load died"))??;
    Ok(Spread::of(&mut times))
}

fn order(dir: &Path, request: &Request) -> anyhow::Result<serde_json::Value> {
    match ask(dir, request).map_err(anyhow::Error::msg)? {
        Asked::Answered(reply) => reply.into_result().map_err(anyhow::Error::msg),
        Asked::NobodyThere => anyhow::bail!("the daemon is gone"),
    }
}

/// Puts a device on the register and gives its secret.
fn add(site: &Site, device: &str, class: &str) -> anyhow::Result<String> {
    let request = Request::DeviceAdd {
        device: device.parse()?,
        class: class.parse()?,
        profile: None,
        zone: None,
        firmware: None,
        key: format!("bench-add-{device}"),
    };
    let reply = order(&site.data_dir(), &request)?;
    Ok(reply["secret"].as_str().unwrap_or_default().to_owned())
}

/// Looks again and again how long the engine would take for what waits before it.
struct Lag {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<f64>>>,
    thread: thread::JoinHandle<anyhow::Result<()>>,
}

impl Lag {
    fn watch(site: &Site) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (ended, noted, http) = (Arc::clone(&stop), Arc::clone(&seen), site.http);
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Acquire) {
                let page = measure::get(http, "/metrics")?;
                let waits = page
                    .lines()
                    .find_map(|l| l.strip_prefix("orderly_engine_lag_seconds ")?.parse::<f64>().ok());
                noted.lock().unwrap_or_else(PoisonError::into_inner).extend(waits.map(|s| s * 1_000.0));
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        });
        Self { stop, seen, thread }
    }

    fn end(self) -> anyhow::Result<Spread> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow::anyhow!("the watcher died"))??;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(!seen.is_empty(), "orderly_engine_lag_seconds is not on the page of figures");
        Ok(Spread::of(&mut seen))
    }
}
