//! `orderly run`

use tokio::signal::unix::{SignalKind, signal};

use super::{Context, Failure};
use crate::config::{Credentials, Loaded};
use crate::observe::log;
use crate::runtime::daemon::{Daemon, Start};

impl Context {
    /// The settings that hold for this command line.
    pub fn load(&self) -> Result<Loaded, Failure> {
        Ok(Loaded::read(self.args.config.as_deref(), &self.environment)?)
    }

    /// Where systemd puts credentials.
    pub fn credentials(&self) -> Credentials {
        let set = self.environment.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
        Credentials { directory: set.map(|(_, directory)| directory.into()) }
    }
}

/// Runs the daemon until it is told to stop.
pub fn run(context: &Context) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    log::start(&settings.log).map_err(Failure::Other)?;
    let start = Start::new(settings, context.credentials());
    runtime()?.block_on(async {
        let daemon = Daemon::start(start).await?;
        wait_for_the_end(&daemon).await?;
        daemon.stop().await?;
        Ok(())
    })
}

/// The threads of the doors, the sinks and the API.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::because)
}

/// Returns at SIGTERM, Ctrl-C, or when somebody asks by the control socket.
pub async fn wait_for_the_end(daemon: &Daemon) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let why = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "Ctrl-C",
        () = daemon.asked_to_stop.cancelled() => "orderly stop",
    };
    tracing::info!(why, "stopping");
    Ok(())
}
