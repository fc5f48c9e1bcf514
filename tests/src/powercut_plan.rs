//! What the stores are made to do before the power goes: a seeded stream of inputs, decided by a real engine, and
//! the steps in which its decisions are committed, applied, copied, delivered and trimmed.

use std::sync::Arc;

use anyhow::{Context, bail};
use orderly_core::alert::{Condition, Handling};
use orderly_core::dedupe::{Seen, matches};
use orderly_core::engine::{Engine, EngineSettings};
use orderly_core::ids::{ActorId, SiteId};
use orderly_core::output::{Output, Snapshot};
use orderly_core::reading::Reading;
use orderly_core::record::{
    Action, ConfigKind, ConfigText, Entry, Flags, Kind, Order, Record, Seq, TimerRun,
};
use orderly_core::time::{Now, Timestamp};
use orderly_store::disk::sim::Rng;
use orderly_store::state::DeliveryChange;

use crate::powercut_model::Model;

/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000;
const BP: &str = include_str!("../../device-profiles/bp_meter/orderly-bp-1.toml");
const BAY: &str = include_str!("../../device-profiles/parking_sensor/orderly-ps-1.toml");
const RULES: &str = r#"
[[rule]]
id = "bp-crisis"
class = "bp_meter"
when = "sys >= 180"
severity = "P1"
team = "clinic"
source = "D"
text.zh = "{device} 收缩压 {sys}"
text.en = "{device} systolic {sys}"
[[rule.test]]
given = [{ at = "0s", values = { sys = 190 } }, { at = "1s", values = { sys = 120 } }]
expect = ["fired 0s", "cleared 1s"]

[[rule]]
id = "bay-battery"
class = "parking_sensor"
when = "battery < 3"
for = "10s"
severity = "P3"
team = "facilities"
source = "D"
text.zh = "{device} 电量低"
text.en = "{device} battery low"
[[rule.test]]
given = [{ at = "0s", values = { battery = 2.9 } }]
until = "10s"
expect = ["fired 10s"]
"#;

/// A journal record that owns its bytes.
#[derive(Debug, Clone)]
pub struct Input {
    seq: Seq,
    now: Now,
    kind: Kind,
    flags: Flags,
    source: &'static str,
    address: String,
    body: Vec<u8>,
}

impl Input {
    fn record(&self) -> Record<'_> {
        let entry = Entry {
            kind: self.kind,
            flags: self.flags,
            source: self.source,
            connection: 1,
            address: &self.address,
            body: &self.body,
        };
        Record { seq: self.seq, now: self.now, entry }
    }

    /// Lets an engine decide on it; earlier readings come from `past`.
    ///
    /// # Errors
    /// Those of `past`.
    pub fn decide(
        &self,
        engine: &mut Engine,
        past: &mut dyn FnMut(&orderly_core::dedupe::Lookup) -> anyhow::Result<Vec<Reading>>,
    ) -> anyhow::Result<()> {
        let record = self.record();
        let prepared = engine.prepare(&record);
        let seen = prepared.lookups().iter().map(|lookup| Ok(Seen { readings: past(lookup)? }));
        let seen = seen.collect::<anyhow::Result<Vec<_>>>()?;
        engine.handle(prepared, &seen);
        Ok(())
    }
}

/// One step of the stores' work. Those of the first three kinds are transactions of `state.db`.
#[derive(Debug, Clone)]
pub enum Step {
    /// The engine's decisions.
    Commit(Arc<Output>),
    /// Delivery changes, in one transaction.
    Deliver(Vec<DeliveryChange>),
    /// Audit entries go to `audit.db`, then the cursor moves.
    CopyAudit,
    /// Batches go from `state.db` to `series.db`.
    Apply,
    /// `series.db` goes to the disk.
    Flush,
    /// Recent rows of `series.db` become chunks.
    Seal(Timestamp),
    /// The log of `state.db` is copied.
    Tidy,
    /// Everything is closed and opened again.
    Reopen,
}

impl Step {
    /// Whether it is a transaction of `state.db`, which is acknowledged when it returned.
    #[must_use]
    pub const fn is_transaction(&self) -> bool {
        matches!(self, Self::Commit(_) | Self::Deliver(_) | Self::CopyAudit)
    }
}

/// Inputs, what was decided on them, and what `state.db` holds after each transaction.
#[derive(Debug)]
pub struct Plan {
    /// Every input, in order; the first has number 1.
    pub inputs: Vec<Input>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What `state.db` holds after so many transactions.
    pub models: Vec<Model>,
    /// Every reading that was decided, in order of origin.
    pub readings: Vec<Reading>,
}

/// The settings of the engine of every plan.
///
/// # Errors
/// Never; the site's name is good.
pub fn settings() -> anyhow::Result<EngineSettings> {
    Ok(EngineSettings { site: SiteId::new("main")? })
}

impl Plan {
    /// The plan of a seed, with so many commits.
    ///
    /// # Errors
    /// When the engine refuses what it must take.
    pub fn new(seed: u64, commits: usize) -> anyhow::Result<Self> {
        let mut maker = Maker {
            rng: Rng(seed),
            engine: Engine::new(settings()?, Snapshot::default())?,
            plan: Self {
                inputs: Vec::new(),
                steps: Vec::new(),
                models: vec![Model::default()],
                readings: Vec::new(),
            },
            model: Model::default(),
            now: Now { wall: Timestamp(START), steady_ms: 1_000, boot: 1 },
            sent: Vec::new(),
            applied: 0,
            flushed: 0,
        };
        maker.begin()?;
        for _ in 0..commits {
            maker.commit()?;
            maker.between();
        }
        maker.end();
        Ok(maker.plan)
    }

    /// The place behind the n-th transaction.
    #[must_use]
    pub fn behind(&self, transactions: usize) -> usize {
        let places = self.steps.iter().enumerate().filter(|(_, step)| step.is_transaction());
        transactions.checked_sub(1).and_then(|n| places.map(|(at, _)| at + 1).nth(n)).unwrap_or(0)
    }
}

struct Maker {
    rng: Rng,
    engine: Engine,
    plan: Plan,
    model: Model,
    now: Now,
    /// Addresses and bodies, to be sent again.
    sent: Vec<(String, Vec<u8>)>,
    applied: Seq,
    flushed: Seq,
}

impl Maker {
    fn begin(&mut self) -> anyhow::Result<()> {
        let texts = [
            (ConfigKind::Profile("orderly-bp-1".parse()?), BP),
            (ConfigKind::Profile("orderly-ps-1".parse()?), BAY),
            (ConfigKind::Rule("all".parse()?), RULES),
        ];
        for (what, text) in texts {
            let body = rmp_serde::to_vec(&ConfigText { what, text: Some(text.to_owned()) })?;
            self.input(Kind::Config, Flags::default(), "control", String::new(), body)?;
        }
        for n in 0..3 {
            let order = Order::RegisterDevice {
                device: format!("bp-{n}").parse()?,
                class: "bp_meter".parse()?,
                profile: None,
                zone: None,
                credential: None,
                commissioned_at: None,
                firmware: None,
            };
            self.act(order)?;
        }
        self.drain()?;
        if self.model.devices.len() != 3 || !self.model.quarantine.is_empty() {
            bail!(
                "the engine must take the profiles, the rules and the devices: {:?}",
                self.model.quarantine
            );
        }
        let consumer = "sink:a".to_owned();
        self.step(Step::Deliver(vec![DeliveryChange::ConsumerAdded { consumer, seq: 0 }]));
        Ok(())
    }

    fn input(
        &mut self,
        kind: Kind,
        flags: Flags,
        source: &'static str,
        address: String,
        body: Vec<u8>,
    ) -> anyhow::Result<()> {
        let seq = self.plan.inputs.len() as u64 + 1;
        let input = Input { seq, now: self.now, kind, flags, source, address, body };
        let readings = &self.plan.readings;
        // What this batch has decided so far is not in the answers: the engine knows it itself.
        let mut past = |lookup: &orderly_core::dedupe::Lookup| {
            Ok(readings.iter().filter(|r| matches(lookup, r)).cloned().collect())
        };
        input.decide(&mut self.engine, &mut past)?;
        self.plan.inputs.push(input);
        Ok(())
    }

    fn act(&mut self, order: Order) -> anyhow::Result<()> {
        let key = format!("key-{}", self.plan.inputs.len());
        let actor = ActorId::new("local-admin")?;
        let action = Action { actor, happened_at: self.now.wall, idempotency_key: key, order };
        self.input(Kind::Action, Flags::default(), "control", String::new(), rmp_serde::to_vec(&action)?)
    }

    fn pass(&mut self, ms: u64) -> anyhow::Result<()> {
        self.now.wall = self.now.wall.plus_ms(ms.cast_signed());
        self.now.steady_ms += ms;
        if self.engine.next_timeout().is_some_and(|due| due <= self.now.steady_ms) {
            let body = rmp_serde::to_vec(&TimerRun::default())?;
            self.input(Kind::TimerRun, Flags::default(), "engine", String::new(), body)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let records = if self.rng.below(12) == 0 { 40 } else { 1 + self.rng.below(6) };
        for _ in 0..records {
            let ms = [0, 300, 2_000, 12_000][self.rng.below(4) as usize];
            self.pass(ms)?;
            self.event()?;
        }
        self.drain()
    }

    fn event(&mut self) -> anyhow::Result<()> {
        let device = self.rng.below(4);
        match self.rng.below(20) {
            0..=9 => {
                // In time, late, or history of long ago.
                let age = [0, 0, 1_000, 5_000, 3_600_000, 40_000_000_000][self.rng.below(6) as usize];
                let sys = [118, 131, 152, 185, 190][self.rng.below(5) as usize];
                let taken = self.now.wall.plus_ms(-age);
                let body = format!(r#"{{"sys":{sys},"dia":79,"pulse":{},"t":"{taken}"}}"#, 60 + device);
                self.send(format!("orderly/v1/main/bp_meter/bp-{device}/up/reading"), body.into_bytes())
            }
            10..=14 => {
                let (taken, full) = (self.now.wall.0 / 1000, self.rng.below(3) > 0);
                let millivolts = if full { 3_600 } else { 2_900 };
                let body = format!(
                    r#"{{"occupied":{},"kind":"change","battery_mv":{millivolts},"t":{taken}}}"#,
                    self.rng.below(2) == 0
                );
                self.send(
                    format!("orderly/v1/main/parking_sensor/bay-{device}/up/reading"),
                    body.into_bytes(),
                )
            }
            15 | 16 => {
                let again = self.sent.len() as u64;
                if again == 0 {
                    return Ok(());
                }
                let (address, body) = self.sent[self.rng.below(again) as usize].clone();
                let flags = Flags::ANONYMOUS.with(Flags::DUP);
                self.input(Kind::Envelope, flags, "listener", address, body)
            }
            17 => self.send("orderly/v1/main/bp_meter/bp-1/up/reading".to_owned(), b"{\"sys\":".to_vec()),
            18 => {
                let open = self.model.alerts.values().find(|a| a.handling != Handling::Closed);
                let Some(alert) = open.map(|a| (a.id.to_string(), a.condition)) else { return Ok(()) };
                self.act(match alert {
                    (alert, Condition::Cleared) => {
                        Order::CloseAlert { alert, outcome: "repaired".to_owned() }
                    }
                    (alert, _) => Order::AcknowledgeAlert { alert },
                })
            }
            _ => self.act(Order::NewEpoch { device: format!("bp-{}", device % 3).parse()? }),
        }
    }

    fn send(&mut self, address: String, body: Vec<u8>) -> anyhow::Result<()> {
        self.sent.push((address.clone(), body.clone()));
        self.input(Kind::Envelope, Flags::ANONYMOUS, "listener", address, body)
    }

    fn drain(&mut self) -> anyhow::Result<()> {
        let out = self.engine.drain();
        if out.is_empty() {
            return Ok(());
        }
        self.plan.readings.extend(out.readings.iter().cloned());
        self.step(Step::Commit(Arc::new(out)));
        let cursor = self.plan.inputs.len() as u64;
        (self.model.cursor == cursor).then_some(()).context("a drain covers every input")
    }

    /// What the other threads do between two commits.
    fn between(&mut self) {
        if self.rng.below(2) == 0 {
            self.applied = self.model.cursor;
            self.step(Step::Apply);
        }
        if self.rng.below(3) == 0 {
            self.flush_and_trim();
        }
        let consumer = || "sink:a".to_owned();
        match self.rng.below(12) {
            0..=3 => {
                let seq = self.model.cursor.saturating_sub(self.rng.below(20));
                self.step(Step::Deliver(vec![DeliveryChange::CursorMoved { consumer: consumer(), seq }]));
            }
            4 => {
                let (from, to) = (self.model.cursor.saturating_sub(5), self.model.cursor);
                let hole = DeliveryChange::HoleOpened { consumer: consumer(), from, to };
                self.step(Step::Deliver(vec![hole]));
            }
            5 | 6 => self.tell(),
            _ => {}
        }
        if self.rng.below(3) == 0 && !self.model.audit.is_empty() {
            self.step(Step::CopyAudit);
        }
        match self.rng.below(16) {
            0..=2 => self.step(Step::Seal(self.now.wall)),
            3..=5 => self.step(Step::Tidy),
            6 => {
                self.flushed = self.applied;
                self.step(Step::Reopen);
            }
            _ => {}
        }
    }

    /// What became of the first two notices that wait.
    fn tell(&mut self) {
        let due: Vec<String> = self.model.notices.keys().take(2).cloned().collect();
        let mut changes = Vec::new();
        for (n, id) in due.into_iter().enumerate() {
            changes.push(if n == 0 {
                DeliveryChange::NoticeDelivered { id }
            } else {
                let next_at = self.now.wall.plus_ms(5_000);
                DeliveryChange::NoticeAttempted { id, next_at, error: "refused".to_owned() }
            });
        }
        if !changes.is_empty() {
            self.step(Step::Deliver(changes));
        }
    }

    fn flush_and_trim(&mut self) {
        self.flushed = self.applied;
        self.step(Step::Flush);
        self.step(Step::Deliver(vec![DeliveryChange::BatchesTrimmed { seq: self.flushed }]));
    }

    fn end(&mut self) {
        if !self.model.audit.is_empty() {
            self.step(Step::CopyAudit);
        }
        self.applied = self.model.cursor;
        self.step(Step::Apply);
        self.flush_and_trim();
    }

    fn step(&mut self, step: Step) {
        if step.is_transaction() {
            self.model.take(&step);
            self.plan.models.push(self.model.clone());
        }
        self.plan.steps.push(step);
    }
}
