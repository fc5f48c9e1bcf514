//! The broker aedes under Node.js, with everything in memory as it comes: what it acknowledged it has while it lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::broker::{Broker, Running};
use crate::gateway::free_port;

/// A broker that can be killed and started again on the same port.
#[derive(Debug)]
pub struct Aedes {
    log: PathBuf,
    port: u16,
    running: Option<Running>,
}

/// Where it is, or `None` with a printed reason.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/aedes");
    let found = dir.join("node_modules/aedes").is_dir();
    if !found {
        eprintln!("skipped: aedes is not installed (tests/scripts/install.sh does it)");
    }
    found.then_some(dir)
}

impl Aedes {
    /// Starts a broker with its log in `dir`.
    ///
    /// # Errors
    /// When it is not installed or does not listen.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut broker = Self { log: dir.join("aedes.log"), port: free_port()?, running: None };
        broker.restart()?;
        Ok(broker)
    }
}

impl Broker for Aedes {
    fn name(&self) -> &'static str {
        "aedes"
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().map_or(Ok(()), Running::kill)
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/aedes/server.mjs");
        let mut command = Command::new("node");
        command.arg(server).arg(self.port.to_string());
        self.running = Some(Running::start(&mut command, &self.log, self.port)?);
        Ok(())
    }
}
