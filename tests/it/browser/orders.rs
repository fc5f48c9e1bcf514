//! What a person presses on the board: a command to a lock, and a device taken on from quarantine.

use std::process::{Command, Stdio};

use anyhow::Context;
use orderly_tests::api;
use orderly_tests::gateway::Site;
use orderly_tests::lock::{Lock, PROFILE};
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::mqtt_load::Publisher;

use super::{Helper, browser_is_here, web};

/// The gateway's answer to what the lock publishes.
const PUBACK: u8 = 0x40;

fn press(site: &Site, what: &str) -> anyhow::Result<Helper> {
    let browser = Command::new("node")
        .args(["e2e/orders.mjs", what])
        .current_dir(web())
        .env("BASE_URL", site.url(""))
        .stdout(Stdio::inherit())
        .spawn()?;
    Ok(Helper(browser))
}

/// The lock's profile, with a drawer to be named.
fn with_drawer() -> String {
    let argument = "argument = { label = { zh = \"抽屉号\", en = \"Drawer\" }, max_bytes = 4 }\nwrite = ";
    let payload = r#"{"id":"{id}","drawer":"{value}","expires_at":"{expires_at}","nonce":"{nonce}"}"#;
    let plain = r#"{"id":"{id}","command":"unlock","expires_at":"{expires_at}","nonce":"{nonce}"}"#;
    let profile =
        PROFILE.replace("expiry = \"2s\"\ntimeout = \"3s\"\n", "expiry = \"30s\"\ntimeout = \"40s\"\n");
    profile.replacen("write = ", argument, 1).replacen(plain, payload, 1)
}

#[tokio::test]
async fn a_drawer_is_named_and_opened_from_the_board() -> anyhow::Result<()> {
    if !browser_is_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let profiles = dir.path().join("profiles");
    std::fs::create_dir(&profiles)?;
    std::fs::write(profiles.join("test.toml"), with_drawer())?;
    let more = format!("[profiles]\ndir = {profiles:?}\n\n[commands]\nallow = [\"lock/unlock\"]\n");
    let site = Site::new(dir.path(), &more)?;
    let gateway = site.start()?;
    let mut lock = Lock::connect(site.mqtt, "l1", 5).await?;
    lock.say("shut", "closed").await?;
    api::wait_readings(&site, "l1", 1).await?;

    let mut browser = press(&site, "open")?;
    let came = lock.command().await?.context("no command came")?;
    assert_eq!(came.payload["drawer"], "A3");
    lock.carry_out(&came).await?;
    assert!(browser.0.wait()?.success());
    let waited = lock.what_waited().await?;
    assert!(waited.iter().all(|packet| packet[0] == PUBACK), "one press is one command: {waited:?}");
    assert!(gateway.stop()?.success());
    Ok(())
}

#[tokio::test]
async fn a_device_in_quarantine_is_taken_on_from_the_board() -> anyhow::Result<()> {
    if mosquitto::find().is_none() || !browser_is_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let broker = Mosquitto::start(&dir.path().join("mosquitto"))?;
    let more = format!(
        "[mqtt.ward]\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"orderly\"\nsubscribe = [\"orderly/v1/main/+/+/up/+\"]\n",
        broker.port
    );
    let site = Site::new(dir.path(), &more)?;
    let gateway = site.start()?;
    api::wait_sources(&site).await?;
    let mut meter = Publisher::connect(broker.port, "meter").await?;
    let topic = "orderly/v1/main/bp_meter/bp-7/up/reading";
    let bodies = [
        r#"{"sys":131,"dia":82,"pulse":70,"t":"2025-11-21T04:00:00Z"}"#,
        r#"{"sys":133,"dia":84,"pulse":71,"t":"2025-11-21T04:01:00Z"}"#,
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        meter.publish(&[(number, topic, body.as_bytes(), false)]).await?;
        meter.acked().await?;
    }
    let mut browser = press(&site, "adopt")?;
    assert!(browser.0.wait()?.success());
    let readings = api::readings(&site, "bp-7").await?;
    assert_eq!(readings.len(), 2, "what had waited in quarantine is read: {readings:?}");
    assert!(gateway.stop()?.success());
    Ok(())
}
