//! The Modbus devices that we poll: which there are, by which profile each is read, and what a reload changes of it.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::anyhow;
use orderly_core::ids::{ActorId, DeviceId, SiteId};
use orderly_core::output::DeviceRow;
use orderly_core::profile::Profile;
use orderly_core::record::{Action, Order};
use orderly_core::time::Clock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::commands::{MOST_WAITING, UnitLink};
use super::core::Core;
use super::doors::Ending;
use super::orders::OrderDesk;
use super::overview::SourceProbe;
use crate::api::dto::SourceStatus;
use crate::config::{Credentials, ModbusSettings, Settings};
use crate::pipeline::StateFile;
use crate::sources::modbus::wire::Names;
use crate::sources::modbus::{self, Crowd, LinkConfig, LinkStatus, Polled};
use crate::sources::outgoing::ToUnit;

/// The actor of what the settings file orders.
const SETTINGS: &str = "settings";

/// The links of the settings.
pub struct Polls {
    links: Vec<Link>,
    orders: OrderDesk,
    clock: Arc<dyn Clock>,
    state: StateFile,
    names: Names,
}

struct Link {
    name: String,
    settings: ModbusSettings,
    devices: watch::Sender<Vec<Polled>>,
    orders: mpsc::Sender<ToUnit>,
}

/// The tasks of the links, and how each is.
pub type Running = (Vec<Ending>, Vec<SourceProbe>);

impl std::fmt::Debug for Polls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Polls").field("links", &self.links.len()).finish_non_exhaustive()
    }
}

impl Polls {
    /// Enters the devices of the settings into the register and starts a task for each link. `lenient`: a device whose
    /// profile cannot be used is left out and does not stop the start.
    ///
    /// # Errors
    /// When a device has no profile, or cannot be registered.
    pub async fn start(
        settings: &Settings,
        credentials: &Credentials,
        core: &Core,
        profiles: &[Arc<Profile>],
        lenient: bool,
        stop: &CancellationToken,
    ) -> anyhow::Result<(Self, Running)> {
        let mut polls = Self {
            links: Vec::new(),
            orders: core.orders.clone(),
            clock: Arc::clone(&core.clock),
            state: StateFile(core.dir.clone()),
            names: Names::default(),
        };
        let crowd = Arc::<Crowd>::default();
        let links: Vec<(&String, ModbusSettings)> =
            settings.modbus.iter().map(|(name, modbus)| (name, modbus.with(credentials))).collect();
        let configs = links.iter().map(|(name, modbus)| {
            if lenient {
                Ok(LinkConfig::usable(name, modbus, profiles, &polls.names))
            } else {
                LinkConfig::from_settings(name, modbus, profiles, &polls.names)
            }
        });
        let configs: Vec<LinkConfig> = configs.collect::<Result<_, _>>().map_err(|e| anyhow!(e))?;
        polls.enter(&configs).await?;
        let site = SiteId::new(&settings.site)?;
        let (mut tasks, mut probes) = (Vec::new(), Vec::new());
        for (config, (_, settings)) in configs.into_iter().zip(links) {
            let (tell, told) = watch::channel(config.devices.clone());
            let (orders, ordered) = mpsc::channel(MOST_WAITING);
            let (task, probe) = run(&config, told, ordered, &site, core, &crowd, stop);
            tasks.push(task);
            probes.push(probe);
            polls.links.push(Link { name: config.name, settings, devices: tell, orders });
        }
        Ok((polls, (tasks, probes)))
    }

    /// The ways to the units, for commands.
    #[must_use]
    pub fn ways(&self) -> Vec<UnitLink> {
        let way = |link: &Link| UnitLink { devices: link.devices.subscribe(), orders: link.orders.clone() };
        self.links.iter().map(way).collect()
    }

    /// Other profiles are in force: units that are read by one of them begin anew, the others do not notice.
    ///
    /// # Errors
    /// When a device cannot be registered.
    pub async fn renew(&self, profiles: &[Arc<Profile>]) -> anyhow::Result<()> {
        let usable = |link: &Link| LinkConfig::usable(&link.name, &link.settings, profiles, &self.names);
        let configs: Vec<LinkConfig> = self.links.iter().map(usable).collect();
        self.enter(&configs).await?;
        for (link, config) in self.links.iter().zip(configs) {
            link.devices.send_if_modified(|devices| {
                let read = |devices: &[Polled]| -> Vec<_> {
                    devices.iter().map(|polled| (polled.id.clone(), polled.profile.hash())).collect()
                };
                let changed = read(devices) != read(&config.devices);
                if changed {
                    *devices = config.devices;
                }
                changed
            });
        }
        Ok(())
    }

    /// Brings the register up to date with the devices that the settings name. One that a person revoked stays so.
    async fn enter(&self, links: &[LinkConfig]) -> anyhow::Result<()> {
        if links.is_empty() {
            return Ok(());
        }
        let state = self.state.clone();
        let rows = tokio::task::spawn_blocking(move || state.reader()?.devices().map_err(|e| e.to_string()));
        let rows = rows.await?.map_err(|e| anyhow!(e))?;
        let rows: HashMap<&DeviceId, &DeviceRow> = rows.iter().map(|row| (&row.device, row)).collect();
        let now = self.clock.now();
        let missing = links.iter().flat_map(LinkConfig::registrations).filter(|order| !stands(&rows, order));
        let entered = missing.enumerate().map(async |(n, order)| {
            // A setting that is changed and changed back is a new order each time.
            let idempotency_key = format!("settings-{:x}-{}-{n}", now.boot, now.steady_ms);
            let action =
                Action { actor: ActorId::new(SETTINGS)?, happened_at: now.wall, idempotency_key, order };
            let answer = self.orders.submit(&action).await?;
            answer.result.map_err(|why| anyhow!("a polled device cannot be registered: {why}"))
        });
        futures_util::future::try_join_all(entered).await?;
        Ok(())
    }
}

fn run(
    config: &LinkConfig,
    devices: watch::Receiver<Vec<Polled>>,
    orders: mpsc::Receiver<ToUnit>,
    site: &SiteId,
    core: &Core,
    crowd: &Arc<Crowd>,
    stop: &CancellationToken,
) -> (Ending, SourceProbe) {
    let (tell, told) = watch::channel(LinkStatus::default());
    let (name, polled) = (format!("modbus:{}", config.name), devices.clone());
    let probe: SourceProbe = Box::new(move || {
        let status = told.borrow();
        SourceStatus {
            name: name.clone(),
            up: status.up,
            connections: if status.up { polled.borrow().len() as u64 } else { 0 },
            detail: status.last_error.clone().filter(|_| !status.up),
        }
    });
    let heard = core.heard.clone();
    let deps = modbus::Deps {
        intake: Arc::clone(&core.intake),
        clock: Arc::clone(&core.clock),
        site: site.clone(),
        heard: Arc::new(move |device| heard.device(device)),
        links: Arc::new(core.heard.clone()),
        crowd: Arc::clone(crowd),
        status: tell,
    };
    let task = tokio::spawn(modbus::run_following(config.clone(), devices, orders, deps, stop.clone()));
    (("modbus", task), probe)
}

/// Whether the register says already what the order asks for, or a person took the device off.
fn stands(rows: &HashMap<&DeviceId, &DeviceRow>, order: &Order) -> bool {
    let Order::RegisterDevice { device, class, profile, zone, .. } = order else { return true };
    let Some(row) = rows.get(device) else { return false };
    if row.revoked {
        tracing::warn!(device.id = %device, "was revoked; its polls go to quarantine until it is entered again");
        return true;
    }
    let placed = zone.is_none() || row.zone == *zone;
    row.class == *class && Some(&row.profile) == profile.as_ref() && placed
}
