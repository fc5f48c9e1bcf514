//! A real mosquitto on a free port of loopback, with its data in a folder of the test.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::broker::Broker;
use crate::gateway::free_port;

/// A broker that can be killed and started again on the same port and data.
#[derive(Debug)]
pub struct Mosquitto {
    dir: PathBuf,
    /// Its port on loopback.
    pub port: u16,
    child: Option<Child>,
}

/// The mosquitto binary, or `None` with a printed reason.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let found = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"]
        .iter()
        .map(PathBuf::from)
        .find(|p| p.is_file());
    if found.is_none() {
        eprintln!("skipped: mosquitto is not installed (tests/scripts/install.sh does it)");
    }
    found
}

impl Mosquitto {
    /// Starts a broker that keeps sessions and does not drop what it queues.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(dir, "persistence true\nautosave_on_changes false\nautosave_interval 1\n")
    }

    /// Starts a broker with these lines about persistence in its configuration.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with(dir: &Path, persistence: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let port = free_port()?;
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n\
             max_queued_bytes 0\nset_tcp_nodelay true\n{persistence}persistence_location {}/\nuser root\n",
            dir.display()
        );
        fs::write(dir.join("mosquitto.conf"), text)?;
        let mut broker = Self { dir: dir.to_owned(), port, child: None };
        broker.restart()?;
        Ok(broker)
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// When it does not take connections.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let binary = find().context("mosquitto is not installed")?;
        let log = File::options().create(true).append(true).open(self.dir.join("mosquitto.log"))?;
        let mut child = Command::new(binary)
            .arg("-c")
            .arg(self.dir.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                self.child = Some(child);
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                bail!(
                    "mosquitto ended with {status}: {}",
                    fs::read_to_string(self.dir.join("mosquitto.log"))?
                );
            }
            // Nothing announces that it listens; this is the pause between two tries to connect.
            std::thread::park_timeout(Duration::from_millis(10));
        }
        bail!("mosquitto takes no connection")
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it on the spot.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Broker for Mosquitto {
    fn name(&self) -> &'static str {
        "mosquitto"
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        Self::kill(self)
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        Self::restart(self)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.kill());
    }
}
