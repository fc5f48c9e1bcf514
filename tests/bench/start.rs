//! T13: from start to serving, empty and with a backlog.

use orderly_tests::gateway::Site;

use crate::flood::{self, Flood};
use crate::measure::quantile;
use crate::store::CountingStore;
use crate::throughput::{first_device_time, sink_config};

/// Undelivered readings of the full start.
const BACKLOG: usize = 1_000_000;

pub fn run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let store = CountingStore::start()?;
    store.set_down(true);
    let site = Site::new(dir.path(), &sink_config(store.port))?;
    let mut empty = Vec::new();
    for _ in 0..5 {
        let started = flood::now();
        let gateway = site.start()?;
        empty.push(started.elapsed().as_secs_f64() * 1_000.0);
        gateway.stop()?;
    }
    let mut gateway = site.start()?;
    Flood {
        port: site.mqtt,
        connections: 4,
        messages: BACKLOG,
        window: 250,
        first_device_time: first_device_time(BACKLOG),
        qos: 1,
    }
    .run()?;
    gateway.kill()?;
    let mut full = Vec::new();
    for _ in 0..3 {
        let started = flood::now();
        let mut gateway = site.start()?;
        full.push(started.elapsed().as_secs_f64() * 1_000.0);
        gateway.kill()?;
    }
    println!(
        "T13 start to serving, empty / {BACKLOG} undelivered  {:.0} / {:.0} ms (floor 150 / 1000, aim 80 / 500); first start after kill {:.0} ms\n",
        quantile(&mut empty, 0.5),
        quantile(&mut full.clone(), 0.5),
        full.first().copied().unwrap_or(0.0),
    );
    Ok(())
}
