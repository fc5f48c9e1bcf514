//! Everybody of `orderly simulate`, models of makers too, against a gateway with its listener, a real broker and a
//! Modbus link: what the ledger says was meant is what the API shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use orderly_tests::gateway::{Site, binary, free_port, signal};
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::{api, drained};
use serde_json::Value;

/// Models of which half stands in the topic of a broker.
const OF_A_BROKER: [&str; 3] = ["ble-ibeacon", "bthome-th", "theengs-ibeacon"];

/// Ends the simulator when the test ends early.
struct Simulator(Child);

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where everything is.
struct Scene<'d> {
    dir: &'d Path,
    modbus: SocketAddr,
    broker: Option<u16>,
}

impl Scene<'_> {
    fn simulate(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(binary()?);
        command.args(["simulate", "--scale", "0.01", "--pace", "30", "--seed", "5", "--makers"]);
        command.arg("--modbus").arg(self.modbus.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(port) = self.broker {
            command.arg("--broker").arg(format!("127.0.0.1:{port}"));
        }
        Ok(command)
    }

    /// A gateway that knows all of them.
    fn site(&self) -> anyhow::Result<Site> {
        ensure!(self.simulate()?.arg("--describe").arg(self.dir).status()?.success(), "--describe");
        let settings = std::fs::read_to_string(self.dir.join("simulated.toml"))?;
        let site = Site::new(self.dir, &settings)?;
        let entered = Command::new(binary()?)
            .args(["device", "import"])
            .arg(self.dir.join("devices.csv"))
            .arg("--config")
            .arg(site.config_file())
            .output()?;
        ensure!(entered.status.success(), "{}", String::from_utf8_lossy(&entered.stdout));
        Ok(site)
    }
}

/// The devices that have a reading, by profile and by class.
async fn heard(site: &Site) -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
    let answer = site.get("/api/v1/devices?limit=5000").await?;
    let devices = answer["devices"].as_array().context("no `devices`")?;
    let told = devices.iter().filter(|d| d["latest"].as_array().is_some_and(|latest| !latest.is_empty()));
    let name = |device: &Value, key: &str| device[key].as_str().unwrap_or_default().to_owned();
    Ok(told.map(|device| (name(device, "profile"), name(device, "class"))).unzip())
}

/// Every shipped profile and class.
fn shipped() -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-profiles");
    let (mut profiles, mut classes) = (BTreeSet::new(), BTreeSet::new());
    for class in std::fs::read_dir(root)? {
        let class = class?.path();
        if !class.is_dir() {
            continue;
        }
        classes.insert(class.file_name().context("a name")?.to_string_lossy().into_owned());
        for file in std::fs::read_dir(&class)? {
            let file = file?.path();
            let name = file.file_stem().context("a name")?.to_string_lossy().into_owned();
            if file.extension().is_some_and(|end| end == "toml") && name != "rules" {
                profiles.insert(name);
            }
        }
    }
    Ok((profiles, classes))
}

/// Whether the API shows what was meant.
fn same(meant: &Value, shown: &Value) -> bool {
    match (meant.as_f64(), shown.as_f64()) {
        // A register of 32 bits holds no more than seven digits.
        (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-6,
        _ => meant == shown,
    }
}

fn milliseconds(time: &Value) -> Option<i64> {
    Some(time.as_str()?.parse::<jiff::Timestamp>().ok()?.as_millisecond())
}

/// A message of the ledger is a reading with the same values, all of them and no others.
fn is_reading(line: &Value, reading: &Value) -> bool {
    let (Some(meant), Some(shown)) = (line["values"].as_object(), reading["values"].as_object()) else {
        return false;
    };
    milliseconds(&reading["device_time"]) == line["device_time"].as_i64()
        && meant.len() == shown.len()
        && meant.iter().all(|(name, value)| shown.get(name).is_some_and(|one| same(value, &one["value"])))
}

#[tokio::test]
async fn what_all_simulated_devices_mean_is_what_the_gateway_shows() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let broker = mosquitto::find().map(|_| Mosquitto::start(&dir.path().join("broker"))).transpose()?;
    let modbus = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let scene = Scene { dir: dir.path(), modbus, broker: broker.as_ref().map(|broker| broker.port) };
    let site = scene.site()?;
    let gateway = site.start()?;
    if broker.is_some() {
        // A broker keeps for us only what comes after our subscription.
        api::wait_source(&site, "mqtt:simulated").await?;
    }
    let ledger = dir.path().join("ledger.jsonl");
    let mut simulator = Simulator(
        scene
            .simulate()?
            .args(["--mqtt", &format!("127.0.0.1:{}", site.mqtt)])
            .arg("--ledger")
            .arg(&ledger)
            .spawn()?,
    );
    let (mut profiles, classes) = shipped()?;
    if broker.is_none() {
        profiles.retain(|profile| !OF_A_BROKER.contains(&profile.as_str()));
    }
    let mut seen = (BTreeSet::new(), BTreeSet::new());
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    for _ in 0..600 {
        tick.tick().await;
        seen = heard(&site).await?;
        if seen.0.is_superset(&profiles) {
            break;
        }
    }
    assert_eq!(
        profiles.difference(&seen.0).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "profiles without a reading"
    );
    assert_eq!(
        classes.difference(&seen.1).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "classes without a reading"
    );
    signal(simulator.0.id(), "INT")?;
    assert!(simulator.0.wait()?.success());
    drained::wait(&site, Duration::from_secs(60)).await?;

    let quarantine = site.get("/api/v1/quarantine").await?;
    assert_eq!(quarantine["items"].as_array().map(Vec::len), Some(0), "{quarantine:#}");
    let mut by_device: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in std::fs::read_to_string(&ledger)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        by_device.entry(line["device"].as_str().context("no device")?.to_owned()).or_default().push(line);
    }
    let (mut messages, mut polls) = (0, 0);
    for (device, lines) in &by_device {
        let readings = api::readings(&site, device).await?;
        if lines[0]["unit"].is_number() {
            // A poll may see a change come: each value is one that the registers held.
            for (name, one) in readings.iter().flat_map(|r| r["values"].as_object().into_iter().flatten()) {
                let held = lines.iter().any(|line| same(&line["values"][name], &one["value"]));
                assert!(held, "{device}: {name} = {one} was never in its registers");
                polls += 1;
            }
            continue;
        }
        for line in lines.iter().filter(|line| !line["acked_at"].is_null()) {
            assert!(line["fault"].is_null(), "{line}");
            assert!(
                readings.iter().any(|reading| is_reading(line, reading)),
                "{line} is no reading of {readings:#?}"
            );
            messages += 1;
        }
    }
    println!(
        "{} profiles of {} classes; {messages} messages and {polls} polled values are what was meant",
        seen.0.len(),
        seen.1.len()
    );
    assert!(messages > 100 && polls > 100, "{messages} messages, {polls} polled values");
    assert!(gateway.stop()?.success());
    Ok(())
}
