//! Polls the devices of one link, one request at a time.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::codec::registers::{begin, push_raw, push_refused};
use orderly_core::record::{Entry, Flags, Found, Kind, LinkChange};
use tokio::sync::{mpsc, watch};

use super::bus::{Bus, Failure, pause};
use super::config::{LinkConfig, Polled};
use super::leave_out::Asks;
use super::report::{Reported, values};
use super::schedule::{Next, Schedule, seed};
use super::{Deps, LinkStatus, write};
use crate::retry::Backoff;
use crate::sources::intake::{Appended, Durable};
use crate::sources::outgoing::{Outcomes, ToUnit, seconds_left};

/// The longest pause between two tries to connect.
const LONGEST_RECONNECT: Duration = Duration::from_secs(10);

pub(super) struct Link {
    config: LinkConfig,
    deps: Deps,
    source: String,
    devices: Vec<Device>,
    /// The devices as they shall be.
    wanted: watch::Receiver<Vec<Polled>>,
    /// What the devices are told to do.
    orders: mpsc::Receiver<ToUnit>,
    outcomes: Outcomes,
    schedule: Schedule,
    durable: watch::Receiver<Durable>,
    bus: Bus,
    reconnect: Backoff,
    up: Option<bool>,
    /// The endpoint that was last in use.
    way: usize,
}

struct Device {
    polled: Polled,
    topic: String,
    asks: Asks,
    reported: Reported,
    /// What was handed over last and is not known to be durable yet.
    pending: Option<Appended>,
}

impl Device {
    fn new(polled: &Polled, deps: &Deps) -> Self {
        Self {
            polled: polled.clone(),
            topic: polled.topic(&deps.site),
            asks: Asks::new(Arc::clone(&polled.profile)),
            reported: Reported::default(),
            pending: None,
        }
    }
}

impl Link {
    pub(super) fn new(
        config: LinkConfig,
        wanted: watch::Receiver<Vec<Polled>>,
        orders: mpsc::Receiver<ToUnit>,
        deps: Deps,
    ) -> Self {
        let now = deps.clock.now();
        let mut seed = seed(&config.name, now);
        let every = config.devices.iter().map(|polled| polled.every);
        let schedule = Schedule::new(every, config.patience, now.steady_ms, &mut seed);
        let devices = config.devices.iter().map(|polled| Device::new(polled, &deps)).collect();
        Self {
            source: format!("modbus:{}", config.name),
            devices,
            wanted,
            orders,
            outcomes: Outcomes::new(Arc::clone(&deps.intake), Arc::clone(&deps.clock)),
            schedule,
            durable: deps.intake.durable(),
            bus: Bus::default(),
            reconnect: Backoff::new(Duration::from_millis(200), LONGEST_RECONNECT, seed),
            up: None,
            way: 0,
            config,
            deps,
        }
    }

    /// Polls for ever.
    pub(super) async fn run(mut self) {
        loop {
            let now = self.deps.clock.now().steady_ms;
            if self.wanted.has_changed().unwrap_or(false) {
                self.renew(now);
            }
            // People do not wait behind a poll that is due.
            while let Ok(order) = self.orders.try_recv() {
                self.carry_out(order).await;
            }
            match self.schedule.next(now) {
                Next::Never => tokio::select! {
                    () = changed(&mut self.wanted) => {}
                    order = next(&mut self.orders) => self.carry_out(order).await,
                },
                Next::Wait(until) => tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(until.saturating_sub(now))) => {}
                    () = changed(&mut self.wanted) => {}
                    order = next(&mut self.orders) => self.carry_out(order).await,
                },
                Next::Poll(n) => {
                    if self.connected().await {
                        let began = self.deps.clock.now().steady_ms;
                        let polled = self.poll(n).await;
                        self.settle(n, polled, began);
                    }
                }
            }
        }
    }

    /// Devices whose profile is another now begin anew, and new ones are added; the others go on as they were.
    fn renew(&mut self, now: u64) {
        let wanted = self.wanted.borrow_and_update().clone();
        let mut seed = seed(&self.config.name, self.deps.clock.now());
        for polled in &wanted {
            let known = self.devices.iter().position(|device| device.polled.id == polled.id);
            match known {
                Some(n) if self.devices[n].polled.profile.hash() == polled.profile.hash() => continue,
                Some(n) => {
                    self.devices[n] = Device::new(polled, &self.deps);
                    self.schedule.renew(n, polled.every, now);
                }
                None => {
                    self.devices.push(Device::new(polled, &self.deps));
                    self.schedule.push(polled.every, now, &mut seed);
                }
            }
            let (device, profile) = (&polled.id, polled.profile.id());
            tracing::info!(source = %self.source, device.id = %device, %profile, "is polled anew by its profile");
        }
    }

    /// Whether there is a connection; there is none after a failed try and its pause.
    async fn connected(&mut self) -> bool {
        if self.bus.is_open() {
            return true;
        }
        match self.bus.open(&self.config).await {
            Ok(()) => {
                if self.bus.endpoint() != self.way {
                    self.way = self.bus.endpoint();
                    let endpoint = self.config.endpoints[self.bus.endpoint()].to_string();
                    if self.written() {
                        tracing::warn!(source = %self.source, endpoint, "the link goes another way");
                    }
                }
                true
            }
            Err(why) => {
                self.tell(false, Some(why));
                self.tell_left_out();
                let wait = self.reconnect.pause();
                self.refuse_for(wait).await;
                false
            }
        }
    }

    /// Waits before the next try to connect; what comes meanwhile is told at once that nobody is there.
    async fn refuse_for(&mut self, wait: Duration) {
        let mut over = std::pin::pin!(tokio::time::sleep(wait));
        loop {
            tokio::select! {
                () = &mut over => return,
                order = next(&mut self.orders) => self.refuse(&order),
            }
        }
    }

    fn refuse(&self, order: &ToUnit) {
        let why = "the link is down".to_owned();
        self.outcomes.tell(&self.source, &order.id, Found::NotConnected { why });
    }

    /// Carries out an order, once.
    async fn carry_out(&mut self, order: ToUnit) {
        let Some(device) = self.devices.iter().find(|device| device.polled.id == order.device) else {
            return self.refuse(&order);
        };
        let (unit, profile) = (device.polled.unit, Arc::clone(&device.polled.profile));
        let open = self.bus.is_open() || self.bus.open(&self.config).await.is_ok();
        if !open {
            return self.refuse(&order);
        }
        let found = if seconds_left(order.expires_at, self.outcomes.now()).is_none() {
            Found::Void
        } else {
            let clock = Arc::clone(&self.deps.clock);
            let now = move || clock.now().steady_ms;
            write::carry_out(&mut self.bus, &self.config, unit, &profile, &order, now).await
        };
        self.outcomes.tell(&self.source, &order.id, found);
        pause(self.bus.gap(&self.config)).await;
    }

    async fn poll(&mut self, n: usize) -> Result<Vec<u8>, Failure> {
        let device = &mut self.devices[n];
        let (clock, unit) = (&self.deps.clock, device.polled.unit);
        let now = || clock.now().steady_ms;
        let mut body = begin();
        let all = device.asks.begin(now());
        while let Some(ask) = device.asks.next() {
            match self.bus.read(&self.config, unit, ask, &all, now).await? {
                Ok(data) => {
                    push_raw(&mut body, ask.table, ask.start, ask.count, &data);
                    device.asks.came(ask);
                }
                Err(code) => device.asks.refused(ask, code),
            }
            pause(self.bus.gap(&self.config)).await;
        }
        for (ask, code) in device.asks.end(now()) {
            let (id, source) = (&device.polled.id, &self.source);
            if self.deps.crowd.admits(now()) {
                tracing::warn!(%source, device.id = %id, %ask, code, "the unit refuses this; it is left out for a while");
            }
            self.deps.status.send_modify(|s| s.refused = s.refused.saturating_add(1));
        }
        for (ask, code) in device.asks.refusals() {
            push_refused(&mut body, ask.table, ask.start, ask.count, *code);
        }
        Ok(body)
    }

    fn settle(&mut self, n: usize, polled: Result<Vec<u8>, Failure>, began: u64) {
        match polled {
            Ok(body) => {
                self.reconnect.reset();
                self.tell(true, None);
                self.took(n, body);
                self.schedule.answered(n, self.deps.clock.now().steady_ms);
            }
            Err(Failure::Unit(why)) => {
                self.tell(true, None);
                self.failed(n, &why, began);
            }
            Err(Failure::Silent(why)) => self.failed(n, &why, began),
        }
        self.tell_left_out();
    }

    /// Whether a line of the log may be written.
    fn written(&self) -> bool {
        self.deps.crowd.admits(self.deps.clock.now().steady_ms)
    }

    /// What the links of the gateway had to say and did not.
    fn tell_left_out(&self) {
        if let Some(lines) = self.deps.crowd.left_out(self.deps.clock.now().steady_ms) {
            tracing::warn!(
                lines,
                "links and their devices had more to say; the status page tells how each is"
            );
        }
    }

    /// A device that does not answer is asked less often, so that it does not hold up the others.
    fn failed(&mut self, n: usize, why: &str, began: u64) {
        let now = self.deps.clock.now().steady_ms;
        let died = self.schedule.failed(n, now, now.saturating_sub(began).max(1));
        let id = self.devices[n].polled.id.clone();
        if died && self.deps.crowd.admits(now) {
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
            connection: self.bus.number,
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
                _ if !self.written() => {}
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

/// Waits until the devices shall be others; for ever when nobody is left who could say so.
async fn changed(wanted: &mut watch::Receiver<Vec<Polled>>) {
    match wanted.changed().await {
        Ok(()) => wanted.mark_changed(),
        Err(_) => std::future::pending().await,
    }
}

/// The next order; for ever when nobody is left who could give one.
async fn next(orders: &mut mpsc::Receiver<ToUnit>) -> ToUnit {
    match orders.recv().await {
        Some(order) => order,
        None => std::future::pending().await,
    }
}

/// Called with a device that answered without news.
pub type Heard = Arc<dyn Fn(&orderly_core::ids::DeviceId) + Send + Sync>;
