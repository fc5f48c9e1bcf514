//! `orderly demo` as a newcomer sees it: every kind of device, an alert by threshold, one by silence, a clean end.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use orderly_tests::gateway::{binary, client, signal};
use serde_json::Value;

/// Every shipped class.
fn shipped() -> anyhow::Result<BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-profiles");
    let mut classes = BTreeSet::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if entry.path().is_dir() {
            classes.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(classes)
}

/// Ends the demo when the test ends early.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Demo {
    /// Starts it; gives the address of its boards, which it prints.
    fn start() -> anyhow::Result<(Self, String)> {
        let mut demo = Self(
            Command::new(binary()?)
                .args(["demo", "--lang", "en", "--scale", "0.01"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()?,
        );
        let printed = BufReader::new(demo.0.stdout.take().context("it prints")?);
        let told = printed.lines().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("boards")?.trim();
            Some(address.to_owned())
        });
        Ok((demo, told.context("it ended without naming its boards")?))
    }
}

async fn ask(base: &str, path: &str) -> anyhow::Result<Value> {
    Ok(client()?.get(format!("{base}{path}")).send().await?.error_for_status()?.json().await?)
}

/// The classes that have a device with a reading.
async fn classes(base: &str) -> anyhow::Result<BTreeSet<String>> {
    let answer = ask(base, "/api/v1/devices?limit=5000").await?;
    let devices = answer["devices"].as_array().context("no `devices`")?;
    let told = devices.iter().filter(|d| d["latest"].as_array().is_some_and(|latest| !latest.is_empty()));
    Ok(told.filter_map(|d| d["class"].as_str().map(str::to_owned)).collect())
}

/// Rule and device of every alert that fires.
async fn firing(base: &str) -> anyhow::Result<BTreeSet<(String, String)>> {
    let answer = ask(base, "/api/v1/alerts?condition=firing").await?;
    let alerts = answer["alerts"].as_array().context("no `alerts`")?;
    let text = |alert: &Value, key: &str| alert[key].as_str().unwrap_or_default().to_owned();
    Ok(alerts.iter().map(|alert| (text(alert, "rule"), text(alert, "device"))).collect())
}

#[tokio::test]
async fn the_demo_shows_every_class_and_alerts_and_ends_with_ctrl_c() -> anyhow::Result<()> {
    let (mut demo, base) = Demo::start()?;
    assert_eq!(
        ask(&base, "/api/v1/status").await?["site"],
        "main",
        "the boards are there once they are named"
    );
    let all = shipped()?;
    // The fridge is polled over Modbus and left open; the last cabinet falls silent for two of its minutes.
    let due = BTreeSet::from(
        [("cold-hot-now", "fridge-01"), ("cabinet-silent", "cab-02")]
            .map(|(rule, device)| (rule.to_owned(), device.to_owned())),
    );
    let (mut seen, mut fired) = (BTreeSet::new(), BTreeSet::new());
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    for _ in 0..1_500 {
        tick.tick().await;
        seen = classes(&base).await?;
        fired = firing(&base).await?;
        if seen.is_superset(&all) && fired.is_superset(&due) {
            break;
        }
    }
    assert_eq!(seen, all);
    assert!(fired.is_superset(&due), "firing: {fired:?}");
    signal(demo.0.id(), "INT")?;
    assert!(demo.0.wait()?.success(), "Ctrl-C is an ordinary end");
    Ok(())
}

/// Orders a command and waits for its end.
async fn told(base: &str, device: &str, body: Value) -> anyhow::Result<Value> {
    let url = format!("{base}/api/v1/devices/{device}/commands");
    let key = format!("key-{device}-{}", body["command"]);
    let sent: Value =
        client()?.post(&url).header("Idempotency-Key", key).json(&body).send().await?.json().await?;
    let path = format!("/api/v1/devices/{device}/commands/{}", sent["id"].as_str().context("no id")?);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..600 {
        tick.tick().await;
        let now = ask(base, &path).await?;
        if now["state"] != "sent" {
            return Ok(now);
        }
    }
    anyhow::bail!("{device} has not answered")
}

#[tokio::test]
async fn the_simulated_devices_do_as_they_are_told() -> anyhow::Result<()> {
    let (_demo, base) = Demo::start()?;
    let wanted = BTreeSet::from(COMMANDED.map(|one| one.class.to_owned()));
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    for _ in 0..600 {
        tick.tick().await;
        if classes(&base).await?.is_superset(&wanted) {
            break;
        }
    }
    let devices = ask(&base, "/api/v1/devices?limit=5000").await?;
    let first = |class: &str, profile: &str| {
        let mut all = devices["devices"].as_array().into_iter().flatten();
        all.find(|device| device["class"] == class && device["profile"] == profile)
            .and_then(|device| device["id"].as_str())
            .map(str::to_owned)
    };
    for Commanded { class, profile, command, said, metric, value } in COMMANDED {
        let device = first(class, profile).with_context(|| format!("no {profile}"))?;
        let mut body = serde_json::json!({ "command": command, "reason": "a test" });
        if !said.is_empty() {
            body["value"] = said.into();
        }
        let ended = told(&base, &device, body).await?;
        assert_eq!(ended["state"], "done", "{class}: {ended}");
        shows(&base, &device, metric, value).await?;
    }
    Ok(())
}

/// A command, and what the device shows afterwards.
struct Commanded {
    class: &'static str,
    profile: &'static str,
    command: &'static str,
    said: &'static str,
    metric: &'static str,
    value: &'static str,
}

const COMMANDED: [Commanded; 7] = [
    Commanded {
        class: "charger",
        profile: "orderly-ch-1",
        command: "off",
        said: "",
        metric: "status",
        value: "unavailable",
    },
    Commanded {
        class: "drug_cabinet",
        profile: "orderly-dc-1",
        command: "unlock",
        said: "A-017",
        metric: "slot",
        value: "A-017",
    },
    Commanded {
        class: "escort_bed",
        profile: "orderly-eb-1",
        command: "unlock",
        said: "",
        metric: "dock",
        value: "out",
    },
    Commanded {
        class: "gate",
        profile: "orderly-ga-1",
        command: "open",
        said: "",
        metric: "barrier",
        value: "open",
    },
    Commanded {
        class: "guidance_sign",
        profile: "orderly-gs-1",
        command: "show",
        said: "12",
        metric: "shown",
        value: "12",
    },
    Commanded {
        class: "water_dispenser",
        profile: "orderly-wa-1",
        command: "close",
        said: "",
        metric: "valve",
        value: "closed",
    },
    Commanded {
        class: "wheelchair_dock",
        profile: "orderly-wd-1",
        command: "unlock",
        said: "",
        metric: "power",
        value: "mains",
    },
];

/// Waits until a reading of the device shows it.
async fn shows(base: &str, device: &str, metric: &str, value: &str) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..600 {
        tick.tick().await;
        let page = ask(base, &format!("/api/v1/devices/{device}/readings?limit=1000")).await?;
        let readings = page["readings"].as_array().context("no `readings`")?;
        let shown = |reading: &Value| match &reading["values"][metric]["value"] {
            Value::String(word) => word == value,
            Value::Number(number) => value.parse().ok() == number.as_f64(),
            _ => false,
        };
        if readings.iter().any(shown) {
            return Ok(());
        }
    }
    anyhow::bail!("{device} does not show {metric} = {value}")
}
