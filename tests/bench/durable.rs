//! How soon a person's administrative command is committed while bulk load comes in.

use std::process::Command;
use std::thread;

use orderly_tests::gateway::{Site, binary};

use crate::flood::{self, Flood};
use crate::measure::quantile;
use crate::throughput::first_device_time;

pub fn run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let site = Site::new(dir.path(), "")?;
    let gateway = site.start()?;
    let port = site.mqtt;
    let messages = 30_000;
    // Registers the devices; the commands take some of them off the register again. A command that makes a credential
    // would end the load: with the first one anonymous clients are shut out.
    Flood {
        port,
        connections: 4,
        messages: 4 * flood::DEVICES,
        window: 250,
        first_device_time: first_device_time(messages) - 14_400_000,
        qos: 1,
    }
    .run()?;
    // 5,000 messages a second for six seconds: a window of 5 on four connections would be slower, so it is paced.
    let load = thread::spawn(move || {
        let parts = 60;
        for part in 0..parts {
            let started = flood::now();
            Flood {
                port,
                connections: 4,
                messages: messages / parts,
                window: 250,
                first_device_time: first_device_time(messages) - 7_200_000
                    + i64::try_from(part).unwrap_or(0) * 10_000,
                qos: 1,
            }
            .run()?;
            if let Some(rest) = std::time::Duration::from_millis(100).checked_sub(started.elapsed()) {
                thread::sleep(rest);
            }
        }
        anyhow::Ok(())
    });
    let mut times = Vec::new();
    for n in 0..40 {
        let started = flood::now();
        let output = Command::new(binary()?)
            .args(["device", "revoke", &format!("bed-{:04}", flood::DEVICES - 1 - n), "--config"])
            .arg(site.config_file())
            .output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    load.join().map_err(|_| anyhow::anyhow!("the load died"))??;
    println!(
        "    administrative command at 5,000 msg/s, p50 / p99 {:.0} / {:.0} ms, starting the client included (bar 50)\n",
        quantile(&mut times, 0.5),
        quantile(&mut times, 0.99),
    );
    gateway.stop()?;
    Ok(())
}
