//! The links that we open ourselves: MQTT brokers that we subscribe to, Modbus devices that we poll.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use orderly_core::ids::DeviceId;
use orderly_core::profile::Profile;
use orderly_core::record::LinkChange;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::commands::{MOST_WAITING, Ways};
use super::core::Core;
use super::delivered::CommitterDelivery;
use super::doors::Ending;
use super::overview::SourceProbe;
use super::polls::Polls;
use crate::api::dto::SourceStatus;
use crate::config::{Credentials, MqttSettings, MqttVersion, Settings};
use crate::delivery::Delivery;
use crate::pipeline::{DeliveryChange, Heard, StateFile};
use crate::sources::links::Links;
use crate::sources::mqtt::wire::Version;
use crate::sources::mqtt_client::{self, Address, Remembered, Status};
use crate::sources::mqtt_door::Troubles;
use crate::sources::outgoing::Outcomes;

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

/// The running links.
#[derive(Default)]
pub struct OpenLinks {
    tasks: Vec<Ending>,
    /// How each is, for the status page.
    pub probes: Vec<SourceProbe>,
    /// The units that are polled; whoever changes their profiles takes them.
    pub polls: Option<Polls>,
    /// The ways to devices, for commands.
    pub ways: Ways,
}

impl std::fmt::Debug for OpenLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenLinks").field("links", &self.tasks.len()).finish()
    }
}

impl OpenLinks {
    /// Starts a task for each link of the settings. Whether the far side answers is not waited for. `lenient`: a polled
    /// device whose profile cannot be used is left out and does not stop the start.
    ///
    /// # Errors
    /// When an address or a secret cannot be used.
    pub async fn start(
        settings: &Settings,
        credentials: &Credentials,
        core: &Core,
        profiles: &[Arc<Profile>],
        lenient: bool,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut links = Self::default();
        for (name, mqtt) in &settings.mqtt {
            links.mqtt(client(settings, name, mqtt, credentials, core)?, core, stop);
        }
        let (polls, (tasks, probes)) =
            Polls::start(settings, credentials, core, profiles, lenient, stop).await?;
        links.tasks.extend(tasks);
        links.probes.extend(probes);
        links.ways.links = polls.ways();
        links.polls = Some(polls);
        Ok(links)
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
                detail: refused
                    .or_else(|| status.last_error.clone().filter(|_| !status.up))
                    .or_else(|| status.gap.map(|gap| gap.to_string())),
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
        let (send, inbox) = mpsc::channel(MOST_WAITING);
        self.ways.brokers.insert(client.source.clone(), send);
        let outcomes = Outcomes::new(Arc::clone(&core.intake), Arc::clone(&core.clock));
        let sending = mqtt_client::send_all(client.clone(), outcomes, inbox, stop.clone());
        self.tasks.push(("mqtt commands", tokio::spawn(sending)));
        self.tasks.push(("mqtt", tokio::spawn(mqtt_client::run(client, deps, stop.clone()))));
    }

    /// The tasks that end with the links.
    #[must_use]
    pub fn ending(self) -> Vec<Ending> {
        self.tasks
    }
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
