//! A real nats-server with JetStream, which speaks MQTT 3.1.1.
//!
//! It acknowledges a QoS 1 message when it has written it into the file of its stream; it syncs that file every two
//! minutes. A message therefore outlives a killed process, and not a power cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::broker::{self, Broker, Running};
use crate::gateway::free_port;

/// A server that can be killed and started again on the same port and data.
#[derive(Debug)]
pub struct Nats {
    dir: PathBuf,
    port: u16,
    running: Option<Running>,
}

/// The binary, or `None` with a printed reason.
#[must_use]
pub fn find() -> Option<PathBuf> {
    broker::find(
        "nats-server",
        &["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"],
    )
}

impl Nats {
    /// Starts a server with its data below `dir`.
    ///
    /// # Errors
    /// When it is not installed or does not listen.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let (port, own) = (free_port()?, free_port()?);
        // What a killed server had handed out is handed out again after `ack_wait`.
        let text = format!(
            "server_name: orderly-test\nlisten: \"127.0.0.1:{own}\"\n\
             jetstream {{ store_dir: {:?}, max_memory_store: 64MB, max_file_store: 1GB }}\n\
             mqtt {{ listen: \"127.0.0.1:{port}\", ack_wait: \"1s\" }}\n",
            dir.join("data")
        );
        fs::write(dir.join("nats.conf"), text)?;
        let mut server = Self { dir: dir.to_owned(), port, running: None };
        server.restart()?;
        Ok(server)
    }
}

impl Broker for Nats {
    fn name(&self) -> &'static str {
        "nats-server"
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().map_or(Ok(()), Running::kill)
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(find().context("nats-server is not installed")?);
        command.arg("--config").arg(self.dir.join("nats.conf"));
        self.running = Some(Running::start(&mut command, &self.dir.join("nats.log"), self.port)?);
        Ok(())
    }
}
