//! A real VictoriaMetrics on a free port: what a sink wrote is read back from the store itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use crate::gateway::{client, free_port};

/// A running store; dropped, it is killed.
#[derive(Debug)]
pub struct Victoria {
    /// Its port on loopback.
    pub port: u16,
    child: Child,
}

/// One series of an export.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct Series {
    /// Name and labels.
    pub metric: std::collections::BTreeMap<String, String>,
    /// The values.
    pub values: Vec<f64>,
    /// Their times in ms since 1970.
    pub timestamps: Vec<i64>,
}

/// The binary, or `None` with a printed reason.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let found = ["/usr/bin/victoria-metrics", "/usr/local/bin/victoria-metrics"]
        .iter()
        .map(PathBuf::from)
        .find(|p| p.is_file());
    if found.is_none() {
        eprintln!("skipped: victoria-metrics is not installed (tests/scripts/install.sh does it)");
    }
    found
}

impl Victoria {
    /// Starts a store with its data below `dir`.
    ///
    /// # Errors
    /// When it is not installed or does not answer.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let port = free_port()?;
        let log = File::create(dir.join("victoria.log"))?;
        let child = Command::new(find().context("victoria-metrics is not installed")?)
            .arg(format!("-storageDataPath={}", dir.join("data").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .args(["-retentionPeriod=100y", "-memory.allowedBytes=64MiB"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut store = Self { port, child };
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        for _ in 0..1_500 {
            tick.tick().await;
            if client()?.get(store.url("/health")).send().await.is_ok_and(|r| r.status().is_success()) {
                return Ok(store);
            }
            if let Some(status) = store.child.try_wait()? {
                bail!("victoria-metrics ended with {status}");
            }
        }
        bail!("victoria-metrics does not answer")
    }

    /// Address of a path of the store.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Every series whose `device` tag is this, with all its points.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn export(&self, device: &str) -> anyhow::Result<Vec<Series>> {
        let flush = client()?.get(self.url("/internal/force_flush")).send().await?;
        anyhow::ensure!(flush.status().is_success(), "flush: {}", flush.status());
        let selector = format!("{{device=%22{device}%22}}");
        let url = self.url(&format!("/api/v1/export?match%5B%5D={selector}"));
        let text = client()?.get(url).send().await?.error_for_status()?.text().await?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
