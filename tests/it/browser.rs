//! The board in a real browser: what it shows is what the simulated hospital sent.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orderly_tests::drained;
use orderly_tests::gateway::{Site, binary, signal};

/// Ends the simulator when the test ends early.
struct Simulator(Child);

impl Drop for Simulator {
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
    let mut simulator = Simulator(
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
        .output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(gateway.stop()?.success());
    Ok(())
}
