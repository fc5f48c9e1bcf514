//! What the brokers of others have in common here: each runs on loopback with its data in a folder of the test, is
//! killed on the spot and started again.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a start may take before a test gives up; a bound against hanging, not a figure.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two tries to connect: nothing announces that a program listens.
const PAUSE: Duration = Duration::from_millis(10);

/// A broker that a test kills and starts again.
pub trait Broker: Send {
    /// Its name, for what is printed.
    fn name(&self) -> &'static str;

    /// Its MQTT port on loopback.
    fn port(&self) -> u16;

    /// Kills it on the spot, as `kill -9` does.
    ///
    /// # Errors
    /// When it cannot be killed.
    fn kill(&mut self) -> anyhow::Result<()>;

    /// Starts it again on the same port and data; returns when it takes connections.
    ///
    /// # Errors
    /// When it does not.
    fn restart(&mut self) -> anyhow::Result<()>;
}

/// The first of these files that is there, or `None` with a printed reason.
#[must_use]
pub fn find(name: &str, places: &[&str]) -> Option<PathBuf> {
    let found = places.iter().map(PathBuf::from).find(|place| place.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed (tests/scripts/install.sh does it)");
    }
    found
}

/// A program that serves somebody, with whatever it started itself: they are ended together, by their process group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    port: Option<u16>,
}

impl Running {
    /// Starts a program in a group of its own and waits until it takes connections on this port.
    ///
    /// # Errors
    /// When it ends before, or does not listen; the end of its log is in the error.
    pub fn start(command: &mut Command, log: &Path, port: u16) -> anyhow::Result<Self> {
        Self::start_until(command, log, Some(port), || listens(port))
    }

    /// Starts a program in a group of its own and waits until its log has a line that says so.
    ///
    /// # Errors
    /// When it ends before, or does not say so.
    pub fn start_saying(command: &mut Command, log: &Path, word: &str) -> anyhow::Result<Self> {
        let said = || fs::read_to_string(log).is_ok_and(|log| log.lines().any(|line| line == word));
        Self::start_until(command, log, None, said)
    }

    fn start_until(
        command: &mut Command,
        log: &Path,
        port: Option<u16>,
        ready: impl Fn() -> bool,
    ) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let name = command.get_program().display().to_string();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let mut running = Self { child, port };
        let said = || {
            let log = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(30)..].join("\n")
        };
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if ready() {
                return Ok(running);
            }
            if let Some(status) = running.child.try_wait()? {
                bail!("{name} ended with {status}:\n{}", said());
            }
            std::thread::park_timeout(PAUSE);
        }
        bail!("{name} is not ready:\n{}", said())
    }

    /// Kills all of it, and returns when it has let go of its port.
    ///
    /// # Errors
    /// When it holds the port for ever.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.end()?;
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if !self.port.is_some_and(listens) {
                return Ok(());
            }
            std::thread::park_timeout(PAUSE);
        }
        bail!("port {:?} is still held", self.port)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process_group(Pid::from_child(&self.child), Signal::KILL)?;
            self.child.wait()?;
        }
        Ok(())
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end());
    }
}
