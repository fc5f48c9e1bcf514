//! The first promise, as a newcomer would try it: one blood pressure from `mosquitto_pub` to every place it belongs.

use std::process::Command;
use std::time::Duration;

use orderly_tests::gateway::Site;
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::victoria::{self, Victoria};
use orderly_tests::{api, drained};
use serde_json::{Value, json};

const TOPIC: &str = "orderly/v1/main/bp_meter/bp-0001/up/reading";
const MORNING: &str = r#"{"sys":152,"dia":96,"pulse":74,"t":"2026-11-21T07:30:00+08:00"}"#;
const SAME_TIME: &str = r#"{"sys":149,"dia":94,"pulse":73,"t":"2026-11-21T07:30:00+08:00"}"#;

fn publish(port: u16, message: &str) {
    let status = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", TOPIC, "-m", message])
        .status()
        .expect("mosquitto_pub runs");
    assert!(status.success(), "mosquitto_pub ended with {status}");
}

fn tools_are_here() -> bool {
    let publisher = Command::new("mosquitto_pub").arg("--help").output().is_ok();
    if !publisher {
        println!("skipped: mosquitto_pub is not installed (tests/scripts/install.sh does it)");
    }
    publisher && mosquitto::find().is_some() && victoria::find().is_some()
}

#[tokio::test]
async fn a_reading_through_the_listener_is_everywhere_it_belongs() -> anyhow::Result<()> {
    if !tools_are_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let store = Victoria::start(&dir.path().join("victoria")).await?;
    let site = Site::new(dir.path(), &sink(&store))?;
    let gateway = site.start()?;
    follow_one_reading(&site, gateway, &store, site.mqtt).await
}

#[tokio::test]
async fn a_reading_through_mosquitto_is_everywhere_it_belongs() -> anyhow::Result<()> {
    if !tools_are_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let store = Victoria::start(&dir.path().join("victoria")).await?;
    let broker = Mosquitto::start(&dir.path().join("broker"))?;
    let client = format!(
        "[mqtt.ward]\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"orderly\"\nsubscribe = [\"orderly/v1/main/+/+/up/+\"]\n",
        broker.port
    );
    let site = Site::new(dir.path(), &(sink(&store) + &client))?;
    // Devices behind a broker do not register themselves; a person does it once.
    site.add_device("bp-0001", "bp_meter")?;
    let gateway = site.start()?;
    api::wait_sources(&site).await?;
    follow_one_reading(&site, gateway, &store, broker.port).await
}

fn sink(store: &Victoria) -> String {
    format!(
        "[sinks.store]\nkind = \"influx\"\nurl = \"{}\"\nbucket = \"orderly\"\norg = \"hospital\"\n\n",
        store.url("")
    )
}

async fn follow_one_reading(
    site: &Site,
    mut gateway: orderly_tests::gateway::Gateway,
    store: &Victoria,
    port: u16,
) -> anyhow::Result<()> {
    publish(port, MORNING);
    api::wait_readings(site, "bp-0001", 1).await?;
    gateway.kill()?;
    let gateway = site.start()?;
    let rows = api::readings(site, "bp-0001").await?;
    assert_eq!(rows.len(), 1, "after kill -9: {rows:?}");
    assert_eq!(rows[0]["device_time"], json!("2026-11-20T23:30:00.000Z"));
    assert_eq!(numbers(&rows[0]), [152.0, 96.0, 74.0]);

    publish(port, MORNING);
    publish(port, SAME_TIME);
    api::wait_readings(site, "bp-0001", 2).await?;
    let rows = api::readings(site, "bp-0001").await?;
    assert_eq!(rows.len(), 2, "the repeat is no row, the other values are: {rows:?}");
    let marked: Vec<bool> = rows.iter().map(|r| has_mark(r, "conflict")).collect();
    let first = rows.iter().position(|r| numbers(r)[0] > 150.0).expect("the first is kept");
    assert!(!marked[first] && marked[1 - first], "the later is marked, the earlier is not: {rows:?}");

    drained::wait(site, Duration::from_secs(30)).await?;
    let series = store.export("bp-0001").await?;
    let sys = series.iter().find(|s| s.metric["__name__"] == "bp_meter_sys").expect("sys is in the store");
    // The store keeps milliseconds: of two readings of one moment it may show either or both.
    assert!(
        !sys.values.is_empty() && sys.values.iter().all(|v| [149.0, 152.0].contains(v)),
        "{:?}",
        sys.values
    );
    assert!(sys.timestamps.iter().all(|t| *t == 1_795_217_400_000), "{:?}", sys.timestamps);
    assert!(gateway.stop()?.success());
    Ok(())
}

fn has_mark(reading: &Value, mark: &str) -> bool {
    reading["marks"].as_array().is_some_and(|marks| marks.iter().any(|m| m == mark))
}

fn numbers(reading: &Value) -> Vec<f64> {
    ["sys", "dia", "pulse"].iter().filter_map(|m| reading["values"][m]["value"].as_f64()).collect()
}
