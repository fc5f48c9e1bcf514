//! The links that we open ourselves: MQTT brokers that we subscribe to, Modbus devices that we poll.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use orderly_core::ids::{ActorId, DeviceId, SiteId};
use orderly_core::output::DeviceRow;
use orderly_core::profile::Profile;
use orderly_core::record::{Action, LinkChange, Order};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::delivered::CommitterDelivery;
use super::doors::Ending;
use super::overview::SourceProbe;
use super::texts::Texts;
use crate::api::dto::SourceStatus;
use crate::config::{Credentials, ModbusSettings, MqttSettings, MqttVersion, Settings};
use crate::delivery::Delivery;
use crate::pipeline::{DeliveryChange, Heard, StateFile};
use crate::sources::links::Links;
use crate::sources::modbus::{self, LinkConfig, LinkStatus};
use crate::sources::mqtt::wire::Version;
use crate::sources::mqtt_client::{self, Address, Remembered, Status};
use crate::sources::mqtt_door::Troubles;

impl Links for Heard {
    fn changed(&self, change: LinkChange) {
        self.link(change);
    }
}

/// What brokers' sessions hold of ours, kept in the state store.
struct StateMemory {
    state: StateFile,
    delivery: CommitterDelivery,
}

impl Remembered for StateMemory {
    fn filters(&self, source: &str) -> BoxFuture<'_, Result<Vec<String>, String>> {
        let (state, source) = (self.state.clone(), source.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            state.reader()?.subscriptions(&source).map_err(|e| e.to_string())
        });
        async move { asked.await.map_err(|e| e.to_string())? }.boxed()
    }

    fn remember(&self, source: &str, filters: Vec<String>) -> BoxFuture<'_, Result<(), String>> {
        self.delivery.deliver(DeliveryChange::Subscribed { source: source.to_owned(), filters })
    }
}

impl Troubles for Heard {
    fn too_large(&self, device: &DeviceId) {
        Self::too_large(self, device);
    }
}

/// The actor of what the settings file orders.
const SETTINGS: &str = "settings";

/// The running links.
#[derive(Default)]
pub struct OpenLinks {
    tasks: Vec<Ending>,
    /// How each is, for the status page.
    pub probes: Vec<SourceProbe>,
}

impl std::fmt::Debug for OpenLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenLinks").field("links", &self.tasks.len()).finish()
    }
}

/// A device whose profile cannot be used is not polled; those beside it are.
fn keep_usable(name: &str, modbus: &mut ModbusSettings, profiles: &[Arc<Profile>]) {
    let all = modbus.clone();
    modbus.device.retain(|device| {
        let alone = ModbusSettings { device: vec![device.clone()], ..all.clone() };
        match LinkConfig::from_settings(name, &alone, profiles) {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(%error, "a device is not polled");
                false
            }
        }
    });
}

impl OpenLinks {
    /// Starts a task for each link of the settings. Whether the far side answers is not waited for.
    ///
    /// # Errors
    /// When an address or a secret cannot be used.
    pub async fn start(
        settings: &Settings,
        credentials: &Credentials,
        core: &Core,
        texts: &Texts,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut links = Self::default();
        for (name, mqtt) in &settings.mqtt {
            links.mqtt(client(settings, name, mqtt, credentials, core)?, core, stop);
        }
        let profiles = texts.all_profiles();
        let polled = settings.modbus.iter().map(|(name, modbus)| {
            let mut modbus = modbus.clone();
            if !texts.broken.is_empty() {
                keep_usable(name, &mut modbus, &profiles);
            }
            LinkConfig::from_settings(name, &modbus, &profiles)
        });
        let polled: Vec<LinkConfig> = polled.collect::<Result<_, _>>().map_err(|e| anyhow!(e))?;
        enter(core, &polled).await?;
        let site = SiteId::new(&settings.site)?;
        for link in polled {
            links.modbus(link, &site, core, stop);
        }
        Ok(links)
    }

    fn modbus(&mut self, config: LinkConfig, site: &SiteId, core: &Core, stop: &CancellationToken) {
        let (tell, told) = watch::channel(LinkStatus::default());
        let (name, devices) = (format!("modbus:{}", config.name), config.devices.len());
        self.probes.push(Box::new(move || {
            let status = told.borrow();
            SourceStatus {
                name: name.clone(),
                up: status.up,
                connections: if status.up { devices as u64 } else { 0 },
                detail: status.last_error.clone().filter(|_| !status.up),
            }
        }));
        let heard = core.heard.clone();
        let deps = modbus::Deps {
            intake: Arc::clone(&core.intake),
            clock: Arc::clone(&core.clock),
            site: site.clone(),
            heard: Arc::new(move |device| heard.device(device)),
            links: Arc::new(core.heard.clone()),
            status: tell,
        };
        self.tasks.push(("modbus", tokio::spawn(modbus::run(config, deps, stop.clone()))));
    }

    fn mqtt(&mut self, client: mqtt_client::Settings, core: &Core, stop: &CancellationToken) {
        let (tell, told) = watch::channel(Status::default());
        let name = client.source.clone();
        self.probes.push(Box::new(move || {
            let status = told.borrow();
            let refused =
                (!status.refused.is_empty()).then(|| format!("refused: {}", status.refused.join(", ")));
            SourceStatus {
                name: name.clone(),
                up: status.up,
                connections: u64::from(status.up),
                detail: refused.or_else(|| status.last_error.clone().filter(|_| !status.up)),
            }
        }));
        let deps = mqtt_client::Deps {
            intake: Arc::clone(&core.intake),
            clock: Arc::clone(&core.clock),
            links: Arc::new(core.heard.clone()),
            remembered: Arc::new(StateMemory {
                state: StateFile(core.dir.clone()),
                delivery: CommitterDelivery(core.committer.clone()),
            }),
            status: tell,
        };
        self.tasks.push(("mqtt", tokio::spawn(mqtt_client::run(client, deps, stop.clone()))));
    }

    /// The tasks that end with the links.
    #[must_use]
    pub fn ending(self) -> Vec<Ending> {
        self.tasks
    }
}

/// Brings the register up to date with the devices that the settings name. One that a person revoked stays so.
async fn enter(core: &Core, links: &[LinkConfig]) -> anyhow::Result<()> {
    let rows = &core.found.devices;
    let now = core.clock.now();
    let missing = links.iter().flat_map(LinkConfig::registrations).filter(|order| !stands(rows, order));
    let entered = missing.enumerate().map(async |(n, order)| {
        // A setting that is changed and changed back is a new order each time.
        let idempotency_key = format!("settings-{:x}-{n}", now.boot);
        let action = Action { actor: ActorId::new(SETTINGS)?, happened_at: now.wall, idempotency_key, order };
        let answer = core.orders.submit(&action).await?;
        answer.result.map_err(|why| anyhow!("a polled device cannot be registered: {why}"))
    });
    futures_util::future::try_join_all(entered).await?;
    Ok(())
}

/// Whether the register says already what the order asks for, or a person took the device off.
fn stands(rows: &[DeviceRow], order: &Order) -> bool {
    let Order::RegisterDevice { device, class, profile, zone, .. } = order else { return true };
    rows.iter().any(|row| {
        if row.device == *device && row.revoked {
            tracing::warn!(device.id = %device, "was revoked; its polls go to quarantine until it is entered again");
            return true;
        }
        row.device == *device && row.class == *class && Some(&row.profile) == profile.as_ref() && row.zone == *zone
    })
}

fn client(
    settings: &Settings,
    name: &str,
    mqtt: &MqttSettings,
    credentials: &Credentials,
    core: &Core,
) -> anyhow::Result<mqtt_client::Settings> {
    let address = Address::parse(&mqtt.url).with_context(|| format!("mqtt.{name}.url"))?;
    let password = mqtt.password_file.as_deref().map(|file| credentials.read(file)).transpose();
    let client_id = match mqtt.client_id.as_str() {
        "" => format!("orderly-{}-{name}", settings.site),
        chosen => chosen.to_owned(),
    };
    Ok(mqtt_client::Settings {
        ca_file: mqtt.ca_file.clone(),
        version: match mqtt.version {
            MqttVersion::V311 => Version::V4,
            MqttVersion::V5 => Version::V5,
        },
        qos: mqtt.qos,
        username: mqtt.username.clone(),
        password: password.map_err(|why| anyhow!("mqtt.{name}.password_file: {why}"))?,
        keep_alive: mqtt.keep_alive.0,
        session_expiry: mqtt.session_expiry.0,
        receive_maximum: mqtt.receive_maximum,
        max_kept: usize::try_from(mqtt.max_kept.0)?,
        resumed: core.found.resumed,
        ..mqtt_client::Settings::new(name, address, client_id, mqtt.subscribe.clone())
    })
}
