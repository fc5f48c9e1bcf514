//! The whole daemon: the durable part, then the doors; and the way back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use orderly_core::ids::SiteId;
use orderly_core::time::Clock;
use tokio_util::sync::CancellationToken;

use super::clock::SystemClock;
use super::commands::{Dispatcher, Ways};
use super::core::{Core, Parts};
use super::doors::{Ending, IngestDoors, OpenListener, ended, open_hooks, stop_flag};
use super::keys::{self, Keeper};
use super::links::OpenLinks;
use super::older::OldStores;
use super::outlets::Outlets;
use super::overview::{Last, Overseer};
use super::reads::StoreReads;
use super::registry::Follower;
use super::reload::{Reloader, Troubles};
use super::service::Service;
use super::texts::Force;
use super::told::Told;
use super::{damage, ports, texts, watchdog};
use crate::api::{self, Overview};
use crate::catalog::Catalog;
use crate::config::{Credentials, Settings};
use crate::control;
use crate::observe::metrics;
use crate::pipeline::{Event, Observer, OpenState, StateFile};
use crate::sources::outgoing::Outcomes;

/// Answers in progress may take so long when the daemon stops.
const PARTING: Duration = Duration::from_millis(500);

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    core: Core,
    /// Where REST and the boards answer.
    pub http: SocketAddr,
    /// Where our own MQTT listener answers.
    pub mqtt: Option<SocketAddr>,
    /// Cancelled when somebody asks for the end.
    pub asked_to_stop: CancellationToken,
    listener: Option<OpenListener>,
    links: OpenLinks,
    outlets: Outlets,
    tasks: Vec<Ending>,
    doors: CancellationToken,
    outward: CancellationToken,
    pages: CancellationToken,
}

/// How a daemon is started.
pub struct Start {
    /// What holds.
    pub settings: Settings,
    /// Where secrets are.
    pub credentials: Credentials,
    /// The clocks; `None`: those of the machine.
    pub clock: Option<Arc<dyn Clock>>,
    /// Opens the state store; `None`: `state.db` of the data directory.
    pub state: Option<Box<dyn OpenState>>,
    /// Renders the figures of this process; `None`: they are recorded from now on.
    pub figures: Option<PrometheusHandle>,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Start {
    /// The ordinary start.
    #[must_use]
    pub const fn new(settings: Settings, credentials: Credentials) -> Self {
        Self { settings, credentials, clock: None, state: None, figures: None }
    }
}

impl Daemon {
    /// Starts everything, in order, and says READY when the doors are open.
    ///
    /// # Errors
    /// When a part cannot be started; what was started before is ended in order.
    pub async fn start(start: Start) -> anyhow::Result<Self> {
        let Start { settings, credentials, clock, state, figures } = start;
        let figures = figures.unwrap_or_else(metrics::start);
        let clock = match clock {
            Some(clock) => clock,
            None => Arc::new(SystemClock::start()?),
        };
        let looked = texts::Look::at(&settings);
        let wanted = texts::gather_usable(&settings);
        let told = Arc::new(Told::default());
        let observer = Arc::clone(&told);
        let observe = move |found: &super::core::Found| {
            observer.begin(found);
            let told = Arc::clone(&observer);
            vec![Box::new(move |event: Event<'_>| told.hear(event)) as Observer]
        };
        let register = Arc::clone(&told.register);
        let parts = Parts { clock, register, observe: Box::new(observe), state };
        let behind = settings.clone();
        let core = tokio::task::spawn_blocking(move || Core::start(&behind, parts)).await??;
        let mut opening = Opening { core, settings, credentials, told, figures, looked };
        match opening.open(wanted).await {
            Ok(open) => Ok(open.with(opening.core)),
            Err(error) => {
                let stopped = tokio::task::spawn_blocking(move || opening.core.stop()).await;
                stopped.context("the pipeline did not stop")?;
                Err(error)
            }
        }
    }

    /// The durable part.
    #[cfg(test)]
    pub(super) const fn core(&self) -> &Core {
        &self.core
    }

    /// Ends in order: doors, journal, engine, sinks, pages. Takes less than two seconds unless the disk hangs.
    ///
    /// # Errors
    /// When a thread of the pipeline panicked.
    pub async fn stop(self) -> anyhow::Result<()> {
        Service.stopping();
        let Self { mut core, listener, links, outlets, tasks, doors, outward, pages, .. } = self;
        core.health.set_ready(false);
        doors.cancel();
        ended(links.ending().into_iter().chain(listener.map(OpenListener::ending)).collect()).await;
        let core = tokio::task::spawn_blocking(move || {
            core.drain();
            core
        })
        .await?;
        outward.cancel();
        ended(outlets.ending()).await;
        pages.cancel();
        ended(tasks).await;
        tokio::task::spawn_blocking(move || core.stop()).await?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Between the durable part and the open doors.
struct Opening {
    core: Core,
    settings: Settings,
    credentials: Credentials,
    told: Arc<Told>,
    figures: PrometheusHandle,
    /// The files of profiles and rules, before they were read.
    looked: texts::Look,
}

/// What was opened.
struct Open {
    http: SocketAddr,
    listener: Option<OpenListener>,
    links: OpenLinks,
    outlets: Outlets,
    tasks: Vec<Ending>,
    asked_to_stop: CancellationToken,
    doors: CancellationToken,
    outward: CancellationToken,
    pages: CancellationToken,
}

impl Open {
    fn with(self, core: Core) -> Daemon {
        let Self { http, listener, links, outlets, tasks, asked_to_stop, doors, outward, pages } = self;
        let mqtt = listener.as_ref().map(|l| l.address);
        Daemon { core, http, mqtt, asked_to_stop, listener, links, outlets, tasks, doors, outward, pages }
    }
}

impl Opening {
    async fn open(&mut self, mut wanted: texts::Texts) -> anyhow::Result<Open> {
        let (core, settings) = (&self.core, &self.settings);
        if core.found.texts.is_empty() && !wanted.broken.is_empty() {
            // Nothing is in force yet that could go on: somebody is setting this up and should see what is wrong.
            return Err(texts::BrokenTexts(std::mem::take(&mut wanted.broken)).into());
        }
        wanted.keep(&core.found.texts);
        let wanted = &wanted;
        let broken = Arc::new(Troubles::default());
        broken.set(wanted.troubles());
        core.caught_up().await?;
        texts::bring_into_force(core, wanted).await?;
        let (doors, outward, pages) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let asked_to_stop = CancellationToken::new();
        // When a later part fails, the guards end what was opened before.
        let guards = [&doors, &outward, &pages].map(|token| token.clone().drop_guard());

        let wanted_http: SocketAddr = settings.http.bind.parse().context("http.bind")?;
        if !wanted_http.ip().is_loopback() {
            bail!("{}", api::BindError::NotLoopback(wanted_http));
        }
        let http = tokio::net::TcpListener::from_std(ports::open(wanted_http, "http.bind")?)?;
        let http_address = http.local_addr()?;
        let outlets = Outlets::start(settings, &self.credentials, core, &outward).await?;
        let listener = match settings.listener.enabled {
            true => Some(OpenListener::open(settings, core, &self.told.register, doors.clone())?),
            false => None,
        };
        if let Some(listener) = &listener {
            self.told.listen_with(&listener.door);
        }

        let catalog = Arc::new(Catalog::new(wanted.all_profiles()));
        let (profiles, lenient) = (&catalog.now().profiles, !wanted.broken.is_empty());
        let mut links =
            OpenLinks::start(settings, &self.credentials, core, profiles, lenient, &doors).await?;
        let mut sources = std::mem::take(&mut links.probes);
        let outcomes = Outcomes::new(Arc::clone(&core.intake), Arc::clone(&core.clock));
        let dispatcher = Arc::new(Dispatcher::new(core.clock.now().boot, outcomes));
        let door = listener.as_ref().map(|listener| Arc::clone(&listener.door));
        dispatcher.open(Ways { door, ..std::mem::take(&mut links.ways) });
        self.told.dispatch_with(&dispatcher);
        sources.extend(listener.iter().map(OpenListener::probe));
        let hooks = open_hooks(settings, &self.credentials, &core.clock)?;
        let (site, register) = (SiteId::new(&settings.site)?, &self.told.register);
        let ingest = IngestDoors::new(site, core, register, Arc::clone(&catalog), hooks);
        sources.extend(ingest.probes());
        let own_port = ingest.open(&settings.http.ingest_bind, doors.clone())?;

        let misfits = Arc::new(Troubles::default());
        let overseer = Arc::new(Overseer {
            site: settings.site.clone(),
            started: core.clock.now(),
            clock: Arc::clone(&core.clock),
            journal: core.journal.clone(),
            signals: Arc::clone(&core.signals),
            lane: Arc::clone(&core.lane),
            health: Arc::clone(&core.health),
            tallies: Arc::clone(&self.told.tallies),
            census: Arc::clone(&core.census),
            dir: core.dir.clone(),
            sinks: outlets.status.clone(),
            notices: outlets.notices.clone(),
            refusals: Arc::clone(&core.refusals),
            broken: Arc::clone(&broken),
            misfits: Arc::clone(&misfits),
            sources,
            last: Mutex::new(Last::default()),
        });
        let claims = Arc::default();
        let reads = Arc::new(StoreReads::new(
            core.dir.clone(),
            Arc::clone(&core.clock),
            Arc::clone(&catalog),
            Arc::clone(&core.keys),
            Arc::clone(&claims),
            Arc::clone(&self.told.book),
        ));
        let figures = self.figures.clone();
        let parts = api::Parts {
            reads,
            profiles: Arc::clone(&catalog),
            registry: Arc::clone(&self.told.book),
            older: Arc::new(OldStores::new(
                settings,
                SiteId::new(&settings.site)?,
                self.credentials.clone(),
                Arc::clone(&core.clock),
            )),
            orders: Arc::new(core.orders.clone()),
            overview: Arc::clone(&overseer) as _,
            health: Arc::clone(&overseer) as _,
            clock: Arc::clone(&core.clock),
            metrics: Arc::new(move || figures.render()),
            feed: self.told.feed(),
            stop: stop_flag(pages.clone()),
        };
        let stop = parts.stop.clone();
        let router = api::router(parts, ingest.on_loopback(http_address));
        let serving = pages.clone();
        let mut tasks = vec![(
            "http",
            tokio::spawn(async move {
                tokio::select! {
                    served = api::serve(http, router, stop) => if let Err(error) = served {
                        tracing::error!(%error, "the HTTP port failed");
                    },
                    () = async { serving.cancelled().await; tokio::time::sleep(PARTING).await } => {}
                }
            }),
        )];

        tasks.extend(own_port.map(|task| ("ingest", task)));

        let desk = control::Desk {
            orders: core.orders.clone(),
            state: StateFile(core.dir.clone()),
            catalog: Arc::clone(&catalog),
            keys: Arc::clone(&core.keys),
            claims,
            clock: Arc::clone(&core.clock),
            status: Arc::new(move || serde_json::to_value(overseer.status()).unwrap_or_default()),
            stop: asked_to_stop.clone(),
        };
        let socket = control::listen(&core.dir, desk, pages.clone()).context("the control socket")?;
        tasks.push(("control", tokio::spawn(socket)));
        let (health, journal, committer) =
            (Arc::clone(&core.health), core.journal.clone(), core.committer.clone());
        tasks.push(("watchdog", tokio::spawn(watchdog::watch(health, journal, committer, pages.clone()))));

        if let Some(polls) = links.polls.take() {
            let reloader = Reloader {
                settings: settings.clone(),
                catalog: Arc::clone(&catalog),
                force: Force::of(core),
                state: StateFile(core.dir.clone()),
                troubles: broken,
                polls,
            };
            tasks.push(("reload", tokio::spawn(reloader.follow(self.looked.clone(), doors.clone()))));
        }

        if let Some(folder) = settings.registry_folder() {
            let follower = Follower {
                folder,
                every: settings.profiles.watch.0,
                book: Arc::clone(&self.told.book),
                orders: core.orders.clone(),
                clock: Arc::clone(&core.clock),
                troubles: Arc::clone(&misfits),
            };
            tasks.push(("registry", tokio::spawn(follower.follow(doors.clone()))));
        }

        let (journal, committer, clock) =
            (core.journal.clone(), core.committer.clone(), Arc::clone(&core.clock));
        tasks.push(("damage", tokio::spawn(damage::tell(journal, committer, clock, pages.clone()))));

        let keeper = Keeper {
            keys: Arc::clone(&core.keys),
            clock: Arc::clone(&core.clock),
            journal: core.journal.clone(),
            committed: core.committed.clone(),
            keep: keys::days(settings.privacy.keep.as_ms()),
        };
        tasks.push(("keys", tokio::spawn(keeper.follow(doors.clone()))));

        core.health.set_ready(true);
        for guard in guards {
            drop(guard.disarm());
        }
        let mqtt = listener.as_ref().map(|l| l.address.to_string()).unwrap_or_else(|| "off".to_owned());
        Service.ready(&format!("http {http_address}, mqtt {mqtt}"));
        tracing::info!(http = %http_address, mqtt, "ready");
        Ok(Open { http: http_address, listener, links, outlets, tasks, asked_to_stop, doors, outward, pages })
    }
}
