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
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let daemon = Daemon::start(start).await?;
        wait_for_the_end(&daemon).await?;
        end(daemon).await
    });
    // After an end that somebody cut short, what still hangs is left to the operating system.
    runtime.shutdown_background();
    ended
}

/// Ends the daemon in order; a second Ctrl-C or SIGTERM cuts that short. What was acknowledged is on disk anyway.
pub async fn end(daemon: Daemon) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::because)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::because)?;
    tokio::select! {
        stopped = daemon.stop() => Ok(stopped?),
        _ = terminate.recv() => Err(Failure::Other("the end was cut short".to_owned())),
        _ = interrupt.recv() => Err(Failure::Other("the end was cut short".to_owned())),
    }
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
