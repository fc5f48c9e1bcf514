//! The sink against a real VictoriaMetrics, if it is installed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use orderly::sinks::SinkState;
use orderly::sinks::influx::{Engine, InfluxConfig};
use orderly_core::value::Value;

use super::double::{Rig, config, reading};

const PROGRAM: &str = "/usr/bin/victoria-metrics";

struct Victoria {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Victoria {
    /// `None` and a sentence when it is not installed.
    async fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            println!("skipped: {PROGRAM} is not there (apt-get install victoria-metrics)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(PROGRAM)
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg(format!("-storageDataPath={}", dir.path().display()))
            .args(["-retentionPeriod=100y", "-search.latencyOffset=0s"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let started = Self { child, url, _dir: dir };
        // Asking is the only way to learn that it listens; the test's own limit ends this.
        while started.get("/health").await.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Some(started)
    }

    async fn get(&self, path: &str) -> Option<String> {
        let url = orderly::outbound::base(&self.url).unwrap();
        let client = orderly::outbound::client(&url, None, std::time::Duration::from_secs(5)).unwrap();
        let answer = client.get(format!("{}{path}", self.url)).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn a_real_victoria_metrics_holds_every_reading() {
    let Some(victoria) = Victoria::start().await else { return };
    let mut rig =
        Rig::start(InfluxConfig { engine: Engine::VictoriaMetrics, ..config(victoria.url.clone()) });
    let mut readings: Vec<_> = (1..=500).map(|seq| reading("bp-1", seq)).collect();
    readings[7].values[0].value = Value::Number(-2.5e-7);
    readings[499].taken_at = readings[498].taken_at;
    let last = rig.commit_these(readings);
    let state = rig.until_cursor(last).await;
    assert_eq!((state.state, state.accepted), (SinkState::Ok, 499));
    assert_eq!(state.collisions, 1, "one row for two readings is said, not hidden");
    let wanted = "/api/v1/export?match[]=bp_meter_sys&start=1600000000&end=1800000000";
    let mut page = String::new();
    while page.matches("\"timestamps\"").count() == 0 || page.matches(',').count() < 900 {
        victoria.get("/internal/force_flush").await;
        page = victoria.get(wanted).await.unwrap();
    }
    assert!(page.contains("\"device\":\"bp-1\"") && page.contains("\"site\":\"main\""), "{page}");
    assert!(page.contains("-2.5e-7") || page.contains("-0.00000025"), "{page}");
}
