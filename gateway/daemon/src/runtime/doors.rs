//! Opens the doors and the ways out, and closes them again in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use axum::Router;
use axum::http::HeaderName;
use orderly_core::ids::SiteId;
use orderly_core::time::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::ports;
use super::register::Register;
use crate::api::dto::SourceStatus;
use crate::catalog::Catalog;
use crate::config::{Credentials, HookEncoding, HookSigned, Settings};
use crate::sources::http;
use crate::sources::http::hooks::Hooks;
use crate::sources::http::signature::{self, Signature};
use crate::sources::intake::Intake;
use crate::sources::mqtt_door::{self, Door};

/// An open MQTT listener.
pub struct OpenListener {
    /// Where it listens.
    pub address: SocketAddr,
    /// The door itself.
    pub door: Arc<Door>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for OpenListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenListener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl OpenListener {
    /// Opens the listener of the settings.
    ///
    /// # Errors
    /// When the port cannot be opened, or lies off loopback while devices without a credential exist.
    pub fn open(
        settings: &Settings,
        core: &Core,
        register: &Arc<Register>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let wanted: SocketAddr = settings.listener.bind.parse().context("listener.bind")?;
        may_leave_loopback(wanted, "listener.bind", register)?;
        let listener = ports::open(wanted, "listener.bind")?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let door_settings = mqtt_door::Settings {
            max_connections: settings.listener.max_connections,
            resumed: core.found.resumed,
            ..mqtt_door::Settings::new(SiteId::new(&settings.site)?)
        };
        let intake = Arc::clone(&core.intake);
        let door = Door::new(
            door_settings,
            intake,
            Arc::clone(register) as _,
            Arc::clone(&core.clock),
            Arc::new(core.heard.clone()),
        );
        let task = tokio::spawn(mqtt_door::serve(Arc::clone(&door), listener, stop));
        Ok(Self { address, door, task })
    }

    /// How it is, for the status page.
    #[must_use]
    pub fn probe(&self) -> super::overview::SourceProbe {
        let (door, address) = (Arc::clone(&self.door), self.address);
        Box::new(move || SourceStatus {
            name: format!("listener {address}"),
            up: true,
            connections: door.open_connections() as u64,
            detail: None,
        })
    }

    /// The task that ends with its connections.
    #[must_use]
    pub fn ending(self) -> Ending {
        ("listener", self.task)
    }
}

/// The HTTP doors for readings, on the port of the API and, if one is set, on a port of their own.
pub struct IngestDoors {
    site: SiteId,
    intake: Arc<dyn Intake>,
    register: Arc<Register>,
    owner: http::Owner,
    hooks: Arc<Hooks>,
}

impl IngestDoors {
    /// Doors for devices whose lines these profiles read, and for these clouds.
    #[must_use]
    pub fn new(
        site: SiteId,
        core: &Core,
        register: &Arc<Register>,
        catalog: Arc<Catalog>,
        hooks: Hooks,
    ) -> Self {
        Self {
            hooks: Arc::new(hooks),
            site,
            intake: Arc::clone(&core.intake),
            register: Arc::clone(register),
            owner: http::owner_by(catalog),
        }
    }

    fn deps(&self, peer: Option<SocketAddr>) -> http::Deps {
        http::Deps {
            intake: Arc::clone(&self.intake),
            logins: Arc::clone(&self.register) as _,
            site: self.site.clone(),
            owner: Arc::clone(&self.owner),
            hooks: Arc::clone(&self.hooks),
            peer,
        }
    }

    /// How each cloud is, for the status page.
    #[must_use]
    pub fn probes(&self) -> Vec<super::overview::SourceProbe> {
        let probe = |at: usize| {
            let hooks = Arc::clone(&self.hooks);
            let probe: super::overview::SourceProbe = Box::new(move || hook_status(&hooks, at));
            probe
        };
        (0..self.hooks.counts().len()).map(probe).collect()
    }

    /// The routes on a port that only loopback reaches.
    pub fn on_loopback(&self, port: SocketAddr) -> Router {
        http::router(self.deps(Some(port)))
    }

    /// Opens the port of their own, if the settings name one.
    ///
    /// # Errors
    /// When it cannot be opened, or lies off loopback while devices without a credential exist.
    pub fn open(&self, bind: &str, stop: CancellationToken) -> anyhow::Result<Option<JoinHandle<()>>> {
        if bind.is_empty() {
            return Ok(None);
        }
        let wanted: SocketAddr = bind.parse().context("http.ingest_bind")?;
        may_leave_loopback(wanted, "http.ingest_bind", &self.register)?;
        let listener = TcpListener::from_std(ports::open(wanted, "http.ingest_bind")?)?;
        let deps = self.deps(None);
        Ok(Some(tokio::spawn(async move {
            if let Err(error) = http::run(listener, deps, stop).await {
                tracing::error!(%error, "the ingest port failed");
            }
        })))
    }
}

fn hook_status(hooks: &Hooks, at: usize) -> SourceStatus {
    let count = hooks.counts().swap_remove(at);
    let refused = count.last.map(|last| format!("; {} refused, the last because {last}", count.refused));
    SourceStatus {
        name: format!("hook {}", count.name),
        up: true,
        connections: 0,
        detail: Some(format!("{} requests taken{}", count.taken, refused.unwrap_or_default())),
    }
}

/// The clouds of the settings, with their secrets.
///
/// # Errors
/// When a secret cannot be read; the sentence says which.
pub fn open_hooks(
    settings: &Settings,
    credentials: &Credentials,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Hooks> {
    let mut all = Vec::new();
    for (name, hook) in &settings.http.hooks {
        let secret = match (&hook.secret_file, &hook.secret_env) {
            (Some(file), _) => credentials.read(file).map_err(|why| anyhow!(why)),
            (None, Some(name)) => credentials.variable(name).map_err(|why| anyhow!(why)),
            (None, None) => Err(anyhow!("there is no secret_file and no secret_env")),
        };
        let secret = secret.with_context(|| format!("http.hooks.{name}"))?;
        let header = |text: &str| HeaderName::from_bytes(text.as_bytes());
        let timestamp = hook.timestamp_header.as_deref().filter(|_| hook.signed == HookSigned::TimestampBody);
        let signature = Signature {
            header: header(&hook.header)?,
            prefix: hook.prefix.clone(),
            base64: hook.encoding == HookEncoding::Base64,
            timestamp: timestamp.map(header).transpose()?.map(|name| (name, hook.tolerance.as_ms())),
            key: signature::key(secret.reveal().as_bytes()),
        };
        all.push((name.clone(), signature));
    }
    Ok(if all.is_empty() { Hooks::none() } else { Hooks::new(all, Arc::clone(clock)) })
}

/// A door may lie off loopback only when every device that is not revoked has a credential.
///
/// # Errors
/// With the sentence that says what to do.
pub fn may_leave_loopback(address: SocketAddr, key: &str, register: &Register) -> anyhow::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let without = register.without_credential();
    if without > 0 {
        bail!(
            "{key} = \"{address}\" can be reached from other machines, but {without} device(s) have no credential; \
             make them with `orderly device add`, take unused ones off with `orderly device revoke`, or bind 127.0.0.1"
        );
    }
    if !register.has_credentials() {
        bail!(
            "{key} = \"{address}\" can be reached from other machines, but no device has a credential yet; \
             make the first with `orderly device add`, or bind 127.0.0.1"
        );
    }
    Ok(())
}

/// A task that was told to stop, by the name under which people know it.
pub type Ending = (&'static str, JoinHandle<()>);

/// Waits for tasks that were told to stop, all together; one that hangs is left behind.
pub async fn ended(tasks: Vec<Ending>) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let each = tasks.into_iter().map(async |(name, task)| {
        let abort = task.abort_handle();
        match tokio::time::timeout(PATIENCE, task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(task = name, %error, "a task ended badly"),
            Err(_) => {
                tracing::warn!(task = name, "did not end in time and is left behind");
                abort.abort();
            }
        }
    });
    futures_util::future::join_all(each).await;
}

/// A `true` that live connections wait for, when the token is cancelled.
#[must_use]
pub fn stop_flag(stop: CancellationToken) -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        stop.cancelled().await;
        tell.send_replace(true);
    });
    told
}
