//! `orderly run`

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Context, Failure};
use crate::config::{Credentials, Loaded, Secret};
use crate::observe::log;
use crate::runtime::daemon::{Daemon, Start};

impl Context {
    /// The settings that hold for this command line.
    pub fn load(&self) -> Result<Loaded, Failure> {
        Ok(Loaded::read(self.args.config.as_deref(), &self.environment)?)
    }

    /// Where secrets are: the folder of systemd, and the environment.
    pub fn credentials(&self) -> Credentials {
        let set = self.environment.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
        let variable = |(name, text): &(String, String)| (name.clone(), Secret::new(text.clone()));
        Credentials {
            directory: set.map(|(_, directory)| directory.into()),
            variables: self.environment.iter().map(variable).collect(),
        }
    }
}

/// Runs the daemon until it is told to stop.
pub fn run(context: &Context) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    log::start(&settings.log).map_err(Failure::Other)?;
    let start = Start::new(settings, context.credentials());
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut asked = Asked::listen().map_err(Failure::because)?;
        let daemon = tokio::select! {
            started = Daemon::start(start) => started?,
            why = asked.signal() => return Err(Failure::Other(format!("{why} came before the gateway was ready"))),
        };
        wait_for_the_end(&daemon, &mut asked).await;
        end(daemon, asked).await
    });
    // After an end that somebody cut short, what still hangs is left to the operating system.
    runtime.shutdown_background();
    ended
}

/// What asks the daemon to end. Listened to before READY is said: whoever waits for that may say stop at once.
pub struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the operating system gives no way to listen.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns at the next SIGTERM or Ctrl-C.
    pub async fn signal(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}

/// Ends the daemon in order; a second Ctrl-C or SIGTERM cuts that short. What was acknowledged is on disk anyway.
pub async fn end(daemon: Daemon, mut asked: Asked) -> Result<(), Failure> {
    tokio::select! {
        stopped = daemon.stop() => Ok(stopped?),
        _ = asked.signal() => Err(Failure::Other("the end was cut short".to_owned())),
    }
}

/// The threads of the doors, the sinks and the API.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::because)
}

/// Returns at SIGTERM, Ctrl-C, or when somebody asks by the control socket.
pub async fn wait_for_the_end(daemon: &Daemon, asked: &mut Asked) {
    let why = tokio::select! {
        why = asked.signal() => why,
        () = daemon.asked_to_stop.cancelled() => "orderly stop",
    };
    tracing::info!(why, "stopping");
}
