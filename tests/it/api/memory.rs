//! A committed state in memory, and a server over it on a free port.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use orderly::api::{
    self, AlertQuery, Bucket, Check, DeviceQuery, DeviceView, Feed, Health, OrderError, Orders, Overview,
    Parts, QuarantineQuery, ReadError, ReadingQuery, Reads, TwinRule, TwinStream, TwinView, Unreadable, dto,
};
use orderly::catalog::Catalog;
use orderly_core::alert::{Alert, Condition, Handling, Severity, Text, Transition};
use orderly_core::command::Command;
use orderly_core::ids::{ClassId, DeviceId, Id};
use orderly_core::output::{Answer, DeviceRow};
use orderly_core::profile::Profile;
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::record::{Action, Order};
use orderly_core::time::{Clock, Now, Timestamp};
use orderly_core::value::{Missing, Quality, Reason, Value};
use serde_json::Value as Json;
use tokio::sync::watch;

/// The profile in force.
const FRIDGE: &str = include_str!("../../../device-profiles/cold_store/orderly-cs-1.toml");

/// 2026-11-21T08:00:00+08:00.
pub(super) const T0: Timestamp = Timestamp(1_795_219_200_000);

pub(super) fn id<K>(text: &str) -> Id<K> {
    Id::new(text).expect("a name")
}

/// What the store would hold.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) devices: Vec<(DeviceId, ClassId)>,
    pub(super) readings: Vec<Reading>,
    pub(super) alerts: Vec<Alert>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) actions: Vec<Action>,
    pub(super) commands: Vec<Command>,
    /// What the next order comes to, when it is not to be done.
    pub(super) refuse: Option<Result<String, OrderError>>,
    /// The store cannot be read.
    pub(super) broken: bool,
    pub(super) alive: bool,
    pub(super) ready: bool,
}

pub(super) struct Shared(Mutex<Memory>);

impl Shared {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.0.lock().expect("no test panics inside"))
    }

    fn read<T>(&self, call: impl FnOnce(&Memory) -> T) -> Result<T, ReadError> {
        self.with(|m| {
            if m.broken { Err(ReadError("disk I/O error in /secret/state.db".into())) } else { Ok(call(m)) }
        })
    }
}

fn view(m: &Memory, device: &DeviceId, class: &ClassId) -> DeviceView {
    let latest: Vec<_> = m.readings.iter().filter(|r| r.device == *device).cloned().collect();
    DeviceView {
        row: DeviceRow {
            device: device.clone(),
            class: class.clone(),
            profile: id("json"),
            zone: Some(id("ward-3")),
            epoch: 0,
            credential: None,
            self_registered: true,
            revoked: false,
            commissioned_at: None,
            firmware: None,
        },
        online: Some(true),
        last_seen: latest.iter().map(|r| r.received_at).max(),
        expect_ms: Some(60_000),
        latest: latest.into_iter().max_by_key(|r| r.taken_at).into_iter().collect(),
    }
}

fn page(m: &Memory, query: &DeviceQuery) -> Vec<DeviceView> {
    let mut devices: Vec<_> = m
        .devices
        .iter()
        .filter(|(_, class)| query.class.as_ref().is_none_or(|wanted| wanted == class))
        .filter(|(device, _)| query.after.as_ref().is_none_or(|after| device > after))
        .collect();
    devices.sort();
    devices.into_iter().take(query.limit).map(|(device, class)| view(m, device, class)).collect()
}

impl Reads for Shared {
    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceView>, ReadError> {
        self.read(|m| page(m, query))
    }

    fn devices_named(&self, names: &[DeviceId]) -> Result<Vec<DeviceView>, ReadError> {
        self.read(|m| {
            m.devices.iter().filter(|(d, _)| names.contains(d)).map(|(d, c)| view(m, d, c)).collect()
        })
    }

    fn readings(&self, query: &ReadingQuery) -> Result<Vec<Reading>, ReadError> {
        self.read(|m| {
            let mut found: Vec<_> = m
                .readings
                .iter()
                .filter(|r| r.device == query.device && r.taken_at >= query.from && r.taken_at < query.to)
                .filter(|r| {
                    let place = (r.taken_at, r.origin);
                    query
                        .after
                        .is_none_or(|after| if query.newest_first { place < after } else { place > after })
                })
                .cloned()
                .collect();
            found.sort_by_key(|r| (r.taken_at, r.origin));
            if query.newest_first {
                found.reverse();
            }
            found.truncate(query.limit);
            found
        })
    }

    fn buckets(&self, query: &ReadingQuery, every_ms: i64) -> Result<Vec<Bucket>, ReadError> {
        let count = u64::try_from(self.readings(query)?.len()).expect("a few");
        let at = Timestamp(query.from.0 - query.from.0 % every_ms);
        Ok(vec![Bucket { at, metric: id("sys"), count, min: 1.0, max: 2.0, mean: 1.5 }])
    }

    fn twins(&self, query: &DeviceQuery) -> Result<Vec<TwinView>, ReadError> {
        self.read(|m| {
            let twin = |v: DeviceView| TwinView {
                device: v.row.device,
                online: v.online,
                last_seen: v.last_seen,
                streams: v
                    .latest
                    .into_iter()
                    .map(|r| TwinStream {
                        stream: r.stream.clone(),
                        watermark: Some(r.taken_at),
                        latest: Some(r),
                    })
                    .collect(),
                rules: vec![TwinRule { rule: id("bp.high"), condition: Condition::Pending, since: Some(T0) }],
            };
            page(m, query).into_iter().map(twin).collect()
        })
    }

    fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>, ReadError> {
        self.read(|m| {
            let fits = |a: &&Alert| {
                query.condition.is_none_or(|c| a.condition == c)
                    && query.handling.is_none_or(|h| a.handling == h)
                    && query.severity.is_none_or(|s| a.severity == s)
                    && query.class.as_ref().is_none_or(|c| a.class == *c)
                    && query.device.as_ref().is_none_or(|d| a.device == *d)
                    && (!query.live || a.handling != Handling::Closed)
            };
            m.alerts.iter().rev().filter(fits).take(query.limit).cloned().collect()
        })
    }

    fn alert(&self, wanted: &str) -> Result<Option<(Alert, Vec<Transition>)>, ReadError> {
        self.read(|m| {
            m.alerts.iter().find(|a| *a.id == *wanted).map(|a| {
                let step = Transition {
                    alert: Arc::clone(&a.id),
                    rule: a.rule.clone(),
                    device: a.device.clone(),
                    number: a.transition,
                    condition: a.condition,
                    handling: a.handling,
                    at: a.began_at,
                    decided_at: a.began_at,
                    seq: 4,
                };
                (a.clone(), vec![step])
            })
        })
    }

    fn commands(&self, device: &DeviceId, limit: usize) -> Result<Vec<Command>, ReadError> {
        self.read(|m| m.commands.iter().filter(|c| c.device == *device).take(limit).cloned().collect())
    }

    fn command(&self, id: &str) -> Result<Option<Command>, ReadError> {
        self.read(|m| m.commands.iter().find(|c| *c.id == *id).cloned())
    }

    fn quarantine(&self, query: &QuarantineQuery) -> Result<(Vec<Unreadable>, u64), ReadError> {
        self.read(|m| {
            let total = u64::try_from(m.unreadable.len()).expect("a few");
            let fits = |u: &&Unreadable| {
                query.code.as_ref().is_none_or(|c| u.code == *c)
                    && query.before.is_none_or(|before| (u.seq, u.index) < before)
            };
            (m.unreadable.iter().rev().filter(fits).take(query.limit).cloned().collect(), total)
        })
    }
}

impl Orders for Shared {
    fn allows(&self, _device: &str, _class: &str, command: &str) -> bool {
        command == "unlock"
    }

    fn submit<'a>(
        &'a self,
        action: Action,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, OrderError>> + Send + 'a>> {
        let result = self.with(|m| {
            let refused = m.refuse.take();
            if refused.is_none() {
                for alert in &mut m.alerts {
                    match &action.order {
                        Order::AcknowledgeAlert { alert: a } if **a == *alert.id => {
                            alert.handling = Handling::Acknowledged;
                        }
                        Order::CloseAlert { alert: a, outcome } if **a == *alert.id => {
                            alert.handling = Handling::Closed;
                            alert.outcome = Some(outcome.as_str().into());
                        }
                        _ => {}
                    }
                }
            }
            m.actions.push(action);
            refused
        });
        Box::pin(async move {
            match result {
                None => Ok(Answer { seq: 99, result: Ok("{}".into()) }),
                Some(Ok(reason)) => Ok(Answer { seq: 99, result: Err(reason) }),
                Some(Err(error)) => Err(error),
            }
        })
    }
}

impl Overview for Shared {
    fn status(&self) -> dto::Status {
        dto::Status {
            version: "0.1.0".into(),
            site: "main".into(),
            started_at: T0.into(),
            now: T0.plus_ms(60_000).into(),
            journal: dto::JournalStatus { durable: 12, ..Default::default() },
            engine: dto::EngineStatus { cursor: 12, lag: 0 },
            series: dto::SeriesStatus { applied: 12, lag: 0 },
            commit: 7,
            sinks: vec![dto::SinkStatus { name: "influx".into(), state: "ok".into(), ..Default::default() }],
            sources: vec![dto::SourceStatus { name: "listener".into(), up: true, ..Default::default() }],
            rates: dto::Rates { messages_per_s: 12.5, readings_per_s: 12.0 },
            counts: dto::Counts::default(),
            alerts: dto::AlertCounts { firing: 1, open: 1 },
            warnings: vec![dto::Warning {
                code: "sink_behind".into(),
                text: dto::Text { zh: "时序库落后".into(), en: "the sink is behind".into() },
            }],
        }
    }
}

impl Health for Shared {
    fn live(&self) -> bool {
        self.with(|m| m.alive)
    }

    fn checks(&self) -> Vec<Check> {
        vec![Check { name: "journal".into(), ok: self.with(|m| m.ready), detail: String::new() }]
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Now {
        Now { wall: T0.plus_ms(3_600_000), steady_ms: 0, boot: 1 }
    }
}

/// A server over a state in memory.
pub(super) struct Server {
    pub(super) memory: Arc<Shared>,
    pub(super) feed: Arc<Feed>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) base: String,
    pub(super) http: reqwest::Client,
    pub(super) task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves three devices, two alerts and some inputs that could not be read.
    pub(super) async fn start() -> Self {
        let memory = Arc::new(Shared(Mutex::new(sample())));
        let feed = Arc::new(Feed::new(7));
        let (stop, stopping) = watch::channel(false);
        let parts = Parts {
            reads: Arc::<Shared>::clone(&memory),
            profiles: Arc::new(Catalog::new(vec![Arc::new(
                Profile::parse(FRIDGE, "orderly-cs-1.toml").expect("a shipped profile"),
            )])),
            registry: Arc::default(),
            older: Arc::new(NoStore),
            orders: Arc::<Shared>::clone(&memory),
            overview: Arc::<Shared>::clone(&memory),
            health: Arc::<Shared>::clone(&memory),
            clock: Arc::new(Still),
            metrics: Arc::new(|| "orderly_readings_total 3\n".to_owned()),
            feed: Arc::clone(&feed),
            stop: stopping.clone(),
        };
        let listener = api::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let task = tokio::spawn(api::serve(listener, api::router(parts, axum::Router::new()), stopping));
        // Another test may have been first; either way there is a provider then.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { memory, feed, stop, base, http, task }
    }

    /// Status and JSON body of a GET.
    pub(super) async fn get(&self, path: &str) -> (u16, Json) {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }
}

fn number(metric: &str, value: f64, unit: &str) -> Measured {
    Measured {
        metric: id::<_>(metric),
        value: Value::Number(value),
        unit: unit.into(),
        quality: Quality::Good,
        reason: None,
        raw: None,
    }
}

/// A blood pressure reading.
pub(super) fn reading(device: &str, seq: u64, taken_at: Timestamp, sys: f64) -> Reading {
    Reading {
        origin: Origin { seq, index: 0 },
        device: id(device),
        class: id("bp_meter"),
        epoch: 0,
        stream: id::<_>("reading"),
        device_time: Some(taken_at),
        taken_at,
        received_at: taken_at.plus_ms(1_500),
        sequence: None,
        offset_ns: 0,
        profile: 0,
        marks: Marks::LATE,
        replaces: None,
        zone: None,
        values: [number("sys", sys, "mm[Hg]"), number("dia", 96.0, "mm[Hg]")].into_iter().collect(),
    }
}

/// An alert that fires and that nobody has seen.
pub(super) fn alert(name: &str, severity: Severity) -> Alert {
    Alert {
        id: name.into(),
        rule: id("bp.high"),
        device: id("bp-0001"),
        class: id("bp_meter"),
        zone: None,
        metric: Some(id("sys")),
        severity,
        team: "chronic_care".into(),
        text: Text { zh: "家庭血压 188/113".into(), en: "Home blood pressure 188/113".into() },
        condition: Condition::Firing,
        handling: Handling::Open,
        handled_by: None,
        outcome: None,
        began_at: T0,
        fired_at: Some(T0),
        cleared_at: None,
        cleared_reason: None,
        transition: 2,
    }
}

fn sample() -> Memory {
    let mut glucose = reading("gm-0001", 3, T0, 0.0);
    glucose.class = id("glucose_meter");
    glucose.values = std::iter::once(Measured {
        metric: id::<orderly_core::ids::Metric>("glucose"),
        value: Value::Missing(Missing::High),
        unit: "mmol/L".into(),
        quality: Quality::Bad,
        reason: Some(Reason::Missing),
        raw: Some("HI".into()),
    })
    .collect();
    let unreadable = |seq, code: &str| Unreadable {
        seq,
        index: 0,
        received_at: T0,
        source: "listener".into(),
        address: "orderly/v1/main/bp_meter/x/up/reading".into(),
        code: code.into(),
        reason: "sys at $.sys: nothing is there; expected a number in mm[Hg]".into(),
        excerpt: vec![0x17, b'{'],
    };
    Memory {
        devices: [("bp-0001", "bp_meter"), ("bp-0002", "bp_meter"), ("gm-0001", "glucose_meter")]
            .map(|(d, c)| (id(d), id(c)))
            .to_vec(),
        readings: vec![
            reading("bp-0001", 1, T0, 152.0),
            reading("bp-0001", 2, T0.plus_ms(60_000), 148.5),
            reading("bp-0001", 4, T0.plus_ms(60_000), 149.0),
            glucose,
        ],
        alerts: vec![alert("a1", Severity::P3), alert("a2", Severity::P2)],
        unreadable: vec![
            unreadable(5, "malformed"),
            unreadable(6, "unknown_device"),
            unreadable(7, "malformed"),
        ],
        alive: true,
        ready: true,
        ..Memory::default()
    }
}

/// No store outside.
struct NoStore;

impl orderly::api::OldHistory for NoStore {
    fn local_from(&self, _: &orderly_core::ids::ClassId) -> Timestamp {
        Timestamp(0)
    }

    fn ask(
        &self,
        _: orderly::api::OlderQuery,
    ) -> futures_util::future::BoxFuture<'_, Option<orderly::api::FromStore>> {
        Box::pin(std::future::ready(None))
    }
}
