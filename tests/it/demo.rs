//! `orderly demo` as a newcomer sees it: every kind of device, an alert by threshold, one by silence, a clean end.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use orderly_tests::gateway::{binary, client, signal};
use serde_json::Value;

const CLASSES: [&str; 11] = [
    "bedside_monitor",
    "bp_meter",
    "charger",
    "cold_store",
    "drug_cabinet",
    "glucose_meter",
    "guidance_sign",
    "parking_sensor",
    "powerbank_cabinet",
    "wheelchair",
    "wheelchair_dock",
];

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
    let all = BTreeSet::from(CLASSES.map(str::to_owned));
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
