//! Polls the devices of one link, one request at a time.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::codec::registers::begin;
use orderly_core::record::{Entry, Flags, Kind, LinkChange};
use tokio::sync::watch;

use super::ask::{Connection, Failure};
use super::config::{LinkConfig, Polled};
use super::plan::{Ask, plan};
use super::report::{Reported, values};
use super::{Deps, LinkStatus};
use crate::retry::{Backoff, draw};
use crate::sources::intake::{Appended, Durable};

/// The longest pause between two tries to connect.
const LONGEST_RECONNECT: Duration = Duration::from_secs(10);
/// The longest pause between two polls of a device that does not answer.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

pub(super) struct Link {
    config: LinkConfig,
    deps: Deps,
    source: String,
    devices: Vec<Device>,
    durable: watch::Receiver<Durable>,
    connection: Option<Connection>,
    /// Grows with each connection, so that the records of two can be told apart.
    number: u32,
    reconnect: Backoff,
    up: Option<bool>,
}

struct Device {
    polled: Polled,
    topic: String,
    asks: Vec<Ask>,
    /// Steady time of the next poll.
    due: u64,
    backoff: Backoff,
    reported: Reported,
    /// What was handed over last and is not known to be durable yet.
    pending: Option<Appended>,
}

impl Link {
    pub(super) fn new(config: LinkConfig, deps: Deps) -> Self {
        let now = deps.clock.now();
        let mut seed = now.wall.0.unsigned_abs();
        let devices = config.devices.iter().map(|polled| {
            let every = polled.every.max(Duration::from_millis(1));
            // Spread over the first period: devices that start together would be asked together for ever.
            let due = now.steady_ms + draw(&mut seed) % millis(every);
            let backoff = Backoff::new(every, LONGEST_SILENCE.max(every), draw(&mut seed));
            let (topic, asks) = (polled.topic(&deps.site), plan(&polled.profile));
            let polled = Polled { every, ..polled.clone() };
            Device { polled, topic, asks, due, backoff, reported: Reported::default(), pending: None }
        });
        let devices = devices.collect();
        Self {
            source: format!("modbus:{}", config.name),
            devices,
            durable: deps.intake.durable(),
            connection: None,
            number: 0,
            reconnect: Backoff::new(Duration::from_millis(200), LONGEST_RECONNECT, seed),
            up: None,
            config,
            deps,
        }
    }

    /// Polls for ever.
    pub(super) async fn run(mut self) {
        while let Some(next) = (0..self.devices.len()).min_by_key(|n| self.devices[*n].due) {
            let now = self.deps.clock.now().steady_ms;
            let due = self.devices[next].due;
            if due > now {
                tokio::time::sleep(Duration::from_millis(due - now)).await;
                continue;
            }
            let Some(mut connection) = self.connected().await else { continue };
            let polled = self.poll(&mut connection, next).await;
            // After an error the connection is dropped: what still comes on it is the answer to an old question.
            if !matches!(polled, Err(Failure::Link(_))) {
                self.connection = Some(connection);
            }
            self.settle(next, polled);
        }
        std::future::pending::<()>().await;
    }

    /// The connection, or a new one; `None` after a failed try and its pause.
    async fn connected(&mut self) -> Option<Connection> {
        if let Some(connection) = self.connection.take() {
            return Some(connection);
        }
        match Connection::open(&self.config.address, self.config.timeout).await {
            Ok(connection) => {
                self.number = self.number.wrapping_add(1);
                pause(self.config.connect_delay).await;
                Some(connection)
            }
            Err(why) => {
                self.tell(false, Some(why));
                tokio::time::sleep(self.reconnect.pause()).await;
                None
            }
        }
    }

    async fn poll(&mut self, connection: &mut Connection, n: usize) -> Result<Vec<u8>, Failure> {
        let device = &self.devices[n];
        let mut body = begin();
        for (i, ask) in device.asks.iter().enumerate() {
            if i > 0 {
                pause(self.config.gap).await;
            }
            connection.ask(device.polled.unit, *ask, &mut body).await?;
        }
        pause(self.config.gap).await;
        Ok(body)
    }

    fn settle(&mut self, n: usize, polled: Result<Vec<u8>, Failure>) {
        let now = self.deps.clock.now();
        match polled {
            Ok(body) => {
                self.reconnect.reset();
                self.tell(true, None);
                self.took(n, body);
                let device = &mut self.devices[n];
                device.backoff.reset();
                // Polls that were missed are not made up for.
                device.due = (device.due + millis(device.polled.every)).max(now.steady_ms);
            }
            Err(Failure::Unit(why)) => {
                self.tell(true, None);
                self.failed(n, &why);
            }
            Err(Failure::Link(why)) => self.failed(n, &why),
        }
    }

    /// A device that does not answer is asked less often, so that it does not hold up the others.
    fn failed(&mut self, n: usize, why: &str) {
        let now = self.deps.clock.now().steady_ms;
        let device = &mut self.devices[n];
        device.due = now + millis(device.backoff.pause());
        let (id, tries) = (device.polled.id.clone(), device.backoff.tries());
        if tries == 1 {
            tracing::warn!(source = %self.source, device.id = %id, why, "the device does not answer");
        }
        self.deps.status.send_modify(|s| {
            s.failed += 1;
            s.last_error = Some(format!("{id}: {why}"));
        });
    }

    /// Reports what a poll brought, or that the device is alive.
    fn took(&mut self, n: usize, body: Vec<u8>) {
        let now = self.deps.clock.now();
        let durable = *self.durable.borrow_and_update();
        let device = &mut self.devices[n];
        if let Some(appended) = device.pending {
            if durable.covers(&appended) {
                device.pending = None;
            } else if durable.generation > appended.generation {
                // It was lost before it was durable: the next poll must say it again.
                device.pending = None;
                device.reported.forget();
            }
        }
        let values = values(&device.polled.profile, &device.topic, &body, now);
        self.deps.status.send_modify(|s| s.polls += 1);
        if !device.reported.is_news(&device.polled.profile, &body, values.as_deref(), now) {
            (self.deps.heard)(&device.polled.id);
            return;
        }
        let entry = Entry {
            kind: Kind::Envelope,
            // Whoever may write the settings may add devices: like a client on loopback before any credential.
            flags: Flags::ANONYMOUS,
            source: &self.source,
            connection: self.number,
            address: &device.topic,
            body: &body,
        };
        match self.deps.intake.append(&[entry]) {
            Ok(appended) => {
                device.pending = Some(appended);
                device.reported.set(body, values, now);
                self.deps.status.send_modify(|s| s.reports += 1);
            }
            Err(error) => {
                // The device was heard all the same; its values are told by the next poll.
                (self.deps.heard)(&device.polled.id);
                self.deps.status.send_modify(|s| s.last_error = Some(error.to_string()));
            }
        }
    }

    fn tell(&mut self, up: bool, why: Option<String>) {
        if self.up != Some(up) {
            self.up = Some(up);
            match &why {
                Some(why) => tracing::warn!(source = %self.source, why, "the link is down"),
                None => tracing::info!(source = %self.source, "the link is up"),
            }
            self.deps.links.changed(LinkChange { source: self.source.clone(), up, session_lost: false });
        }
        self.deps.status.send_modify(|s: &mut LinkStatus| {
            s.up = up;
            if why.is_some() {
                s.last_error = why;
            }
        });
    }
}

/// Sleeps; not at all for nothing, since a timer has a grain of a millisecond.
async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Called with a device that answered without news.
pub type Heard = Arc<dyn Fn(&orderly_core::ids::DeviceId) + Send + Sync>;
