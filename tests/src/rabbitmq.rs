//! A real RabbitMQ with its MQTT plugin, alone on loopback with a name server (epmd) of its own.
//!
//! It acknowledges a QoS 1 message when the durable queue of each persistent session has it on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::broker::{self, Broker, Running};
use crate::gateway::free_port;

/// What every Erlang program that is started here is told: nobody but loopback reaches it.
const LOOPBACK: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

/// A server that can be killed and started again on the same port and data.
#[derive(Debug)]
pub struct RabbitMq {
    dir: PathBuf,
    port: u16,
    /// Ports of the name server and of the server's own distribution.
    erlang: [u16; 2],
    running: Option<Running>,
    /// Ends after the server.
    _names: Running,
}

/// The script that starts the server (not the wrapper, which changes the user), or `None` with a printed reason.
#[must_use]
pub fn find() -> Option<PathBuf> {
    broker::find("rabbitmq-server", &["/usr/lib/rabbitmq/bin/rabbitmq-server"])
}

fn name_server() -> Option<PathBuf> {
    broker::find("epmd", &["/usr/bin/epmd", "/usr/lib/erlang/bin/epmd"])
}

impl RabbitMq {
    /// Starts a server with its data below `dir`.
    ///
    /// # Errors
    /// When it is not installed or does not listen.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let [port, names, own] = [free_port()?, free_port()?, free_port()?];
        fs::write(dir.join("enabled_plugins"), "[rabbitmq_mqtt].\n")?;
        fs::write(dir.join("advanced.config"), "[].\n")?;
        fs::write(dir.join("environment"), "")?;
        let text = format!(
            "listeners.tcp = none\nmqtt.listeners.tcp.default = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n\
             mqtt.default_user = guest\nmqtt.default_pass = guest\n"
        );
        fs::write(dir.join("rabbitmq.conf"), text)?;
        let mut epmd = Command::new(name_server().context("epmd is not installed")?);
        epmd.args(["-address", "127.0.0.1", "-port", &names.to_string()]);
        let epmd = Running::start(&mut epmd, &dir.join("epmd.log"), names)?;
        let mut server =
            Self { dir: dir.to_owned(), port, erlang: [names, own], running: None, _names: epmd };
        server.restart()?;
        Ok(server)
    }
}

impl Broker for RabbitMq {
    fn name(&self) -> &'static str {
        "rabbitmq-server"
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().map_or(Ok(()), Running::kill)
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        let [names, own] = self.erlang.map(|port| port.to_string());
        let mut command = Command::new(find().context("rabbitmq-server is not installed")?);
        for (key, file) in [
            ("HOME", ""),
            ("RABBITMQ_CONF_ENV_FILE", "environment"),
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
            ("RABBITMQ_FEATURE_FLAGS_FILE", "feature_flags"),
            ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_PID_FILE", "pid"),
        ] {
            command.env(key, self.dir.join(file));
        }
        command
            .env("RABBITMQ_NODENAME", format!("orderly-{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", own)
            .env("ERL_EPMD_PORT", names)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_AFLAGS", LOOPBACK)
            .current_dir(&self.dir);
        self.running = Some(Running::start(&mut command, &self.dir.join("rabbitmq.log"), self.port)?);
        Ok(())
    }
}
