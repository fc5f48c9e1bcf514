//! The board in a real browser: what it shows is what the simulated hospital sent.

mod orders;
mod worklist;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use orderly_tests::gateway::{Site, binary, client, signal};
use orderly_tests::{api, drained};

/// Ends a simulator or a browser when the test ends early.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/web")
}

/// The browser and what drives it, or a printed reason.
fn browser_is_here() -> bool {
    let chromium =
        std::env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    let missing = if !chromium.is_file() {
        "chromium is not installed (tests/scripts/install.sh does it)"
    } else if !web().join("node_modules/playwright-core").is_dir() {
        "the board's packages are not installed (make web)"
    } else if !web().join("dist/index.html").is_file() {
        "the board is not built (make web)"
    } else {
        return true;
    };
    println!("skipped: {missing}");
    false
}

#[tokio::test]
async fn the_board_shows_what_the_hospital_sent() -> anyhow::Result<()> {
    if !browser_is_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let ledger = dir.path().join("ledger.jsonl");
    let site = Site::new(dir.path(), "")?;
    let gateway = site.start()?;
    let mut simulator = Helper(
        Command::new(binary()?)
            .args(["simulate", "--scale", "0.02", "--pace", "30", "--incidents", "--seed", "7"])
            .args(["--mqtt", &format!("127.0.0.1:{}", site.mqtt)])
            .arg("--ledger")
            .arg(&ledger)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut status = serde_json::Value::Null;
    for _ in 0..1_200 {
        tick.tick().await;
        status = site.get("/api/v1/status").await?;
        if status["alerts"]["firing"].as_u64() >= Some(1)
            && status["counts"]["readings"].as_u64() >= Some(300)
        {
            break;
        }
    }
    signal(simulator.0.id(), "TERM")?;
    simulator.0.wait()?;
    drained::wait(&site, Duration::from_secs(30)).await?;
    println!("the hospital sent: {} alerts: {}", status["counts"], status["alerts"]);

    let output = Command::new("node")
        .arg("e2e/board.mjs")
        .current_dir(web())
        .env("BASE_URL", site.url(""))
        .env("LEDGER", &ledger)
        // Every class, and a page for one device of each.
        .env("DEVICES_PER_CLASS", "1")
        .output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(gateway.stop()?.success());
    Ok(())
}

#[tokio::test]
async fn the_board_says_that_the_gateway_is_away_and_comes_back_by_itself() -> anyhow::Result<()> {
    if !browser_is_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let site = Site::new(dir.path(), "")?;
    let mut gateway = site.start()?;
    let sent = client()?
        .post(site.url("/ingest/v1/main/bp_meter/bp-0001/reading"))
        .body(r#"{"sys":152,"dia":96,"pulse":74}"#)
        .send()
        .await?;
    assert!(sent.status().is_success(), "{}", sent.text().await?);
    api::wait_readings(&site, "bp-0001", 1).await?;

    let mut browser = Helper(
        Command::new("node")
            .arg("e2e/away.mjs")
            .current_dir(web())
            .env("BASE_URL", site.url(""))
            .env("DEVICE", "bp-0001")
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let mut told = BufReader::new(browser.0.stdout.take().context("it prints")?).lines();
    let mut next = move || told.next().context("the browser ended").and_then(|line| Ok(line?));
    assert_eq!(next()?, "open");
    gateway.kill()?;
    assert_eq!(next()?, "stale");
    let gateway = site.start()?;
    assert_eq!(next()?, "board: back by itself");
    assert!(browser.0.wait()?.success());
    assert!(gateway.stop()?.success());
    Ok(())
}
