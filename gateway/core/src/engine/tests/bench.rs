//! The engine with a small shell round it: numbers records, answers look-ups, keeps what commits would write.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::alert::{Alert, Condition, Transition};
use crate::command::Command;
use crate::dedupe::{Seen, matches};
use crate::engine::{Engine, EngineSettings, Prepared};
use crate::ids::{ActorId, DeviceId, SiteId};
use crate::output::{DeviceRow, Output, Snapshot, TextRow, TwinRow};
use crate::reading::Reading;
use crate::record::{
    Action, ConfigKind, ConfigText, Entry, Flags, Kind, LinkChange, Order, Record, Reload, TimerRun,
};
use crate::task::{Step, Task};
use crate::time::{Now, Timestamp};
use crate::twin::View;

/// 2026-11-21T00:00:00Z.
pub const START: i64 = 1_795_219_200_000;

pub const FRIDGE: &str = r#"
[profile]
id = "fridge"
class = "cold_store"
vendor = "Test"
model = "F"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "json"
[time]
path = "$.t"
format = "epoch_ms"
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
range = [-40, 60]
[[metric]]
name = "door"
path = "$.door"
states = ["closed", "open"]
required = false
[expect]
every = "1min"
[[test]]
input = '{"temp":5.0}'
from = "constructed"
[test.expect]
temp = 5
"#;

pub const COUNTER: &str = r#"
[profile]
id = "monitor"
class = "bedside_monitor"
vendor = "Test"
model = "M"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "json"
[time]
path = "$.t"
format = "epoch_ms"
[sequence]
path = "$.seq"
[boot]
path = "$.boot"
[[metric]]
name = "hr"
path = "$.hr"
unit = "/min"
range = [20, 300]
[dedupe]
by = "seq"
[[test]]
input = '{"hr":80}'
from = "constructed"
[test.expect]
hr = 80
"#;

/// `temp > 8` at once, after ten seconds, and silence of device and metric.
pub const RULES: &str = r#"
[[rule]]
id = "warm-now"
class = "cold_store"
when = "temp > 12"
severity = "P1"
team = "pharmacy"
source = "D"
text.zh = "{device} {temp} 度"
text.en = "{device} at {temp} Cel"
[[rule.test]]
given = [{ at = "0s", values = { temp = 13 } }, { at = "1s", values = { temp = 5 } }]
expect = ["fired 0s", "cleared 1s"]

[[rule]]
id = "warm-hold"
class = "cold_store"
when = "temp > 8"
for = "10s"
severity = "P2"
team = "pharmacy"
source = "D"
text.zh = "{device} 超温"
text.en = "{device} too warm"
[[rule.test]]
given = [{ at = "0s", values = { temp = 9 } }]
until = "10s"
expect = ["fired 10s"]

[[rule]]
id = "silent-device"
class = "cold_store"
no_data = "device"
severity = "P3"
team = "pharmacy"
source = "D"
text.zh = "{device} 失联"
text.en = "{device} is silent"
[[rule.test]]
every = "1min"
given = [{ at = "0s" }]
until = "3min"
expect = ["fired 2min"]

[[rule]]
id = "silent-temp"
class = "cold_store"
no_data = "temp"
for = "10min"
severity = "P2"
team = "pharmacy"
source = "D"
text.zh = "{device} 无温度"
text.en = "{device} gives no temperature"
[[rule.test]]
given = [{ at = "0s", values = { temp = 5 } }]
until = "10min"
expect = ["fired 10min"]
"#;

/// Everything that commits have written so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    pub readings: Vec<Reading>,
    pub transitions: Vec<Transition>,
    pub notices: Vec<crate::output::Notice>,
    pub quarantined: Vec<crate::output::Quarantined>,
    pub released: Vec<crate::reading::Origin>,
    pub audit: Vec<crate::output::AuditEntry>,
    pub answers: Vec<crate::output::Answer>,
    pub alerts: BTreeMap<Arc<str>, Alert>,
    pub commands: BTreeMap<Arc<str>, Command>,
    pub tasks: BTreeMap<Arc<str>, Task>,
    pub task_steps: Vec<Step>,
    pub devices: BTreeMap<DeviceId, DeviceRow>,
    pub twins: BTreeMap<DeviceId, TwinRow>,
    pub registry: crate::registry::Registry,
    pub texts: BTreeMap<ConfigKind, TextRow>,
    pub engine: Option<Vec<u8>>,
    /// How many devices are there until when, summed up from what was told.
    pub presence: BTreeMap<Timestamp, i32>,
    /// The same, as the engine knows it at the end of a run.
    pub standing: Vec<Timestamp>,
    pub cursor: u64,
}

impl Written {
    pub fn take(&mut self, out: Output) {
        assert!(out.is_empty() || out.first > self.cursor, "records in order");
        if out.is_empty() {
            return;
        }
        self.cursor = out.cursor;
        for aside in &out.quarantined {
            assert!(crate::refusal::KINDS.contains(&aside.code), "{}", aside.code);
            // What is wrong with a profile or a rule is told by the checks of texts, place by place.
            let told = aside.code == "bad_config" || crate::refusal::read(&aside.reason).is_some();
            assert!(told, "no sentence of ours: {}", aside.reason);
        }
        self.readings.extend(out.readings.iter().cloned());
        self.transitions.extend(out.transitions);
        self.notices.extend(out.notices);
        self.quarantined.extend(out.quarantined);
        self.released.extend(out.released);
        self.audit.extend(out.audit);
        self.answers.extend(out.answers);
        self.alerts.extend(out.alerts.into_iter().map(|alert| (Arc::clone(&alert.id), alert)));
        self.commands.extend(out.commands.into_iter().map(|command| (Arc::clone(&command.id), command)));
        self.tasks.extend(out.tasks.into_iter().map(|task| (Arc::clone(&task.id), task)));
        self.task_steps.extend(out.task_steps);
        self.devices.extend(out.devices.into_iter().map(|row| (row.device.clone(), row)));
        self.twins.extend(out.twins.into_iter().map(|row| (row.device.clone(), row)));
        for change in &out.registry {
            self.registry.apply(change).unwrap();
        }
        self.texts.extend(out.texts.into_iter().map(|row| (row.what.clone(), row)));
        for change in out.presence {
            for (until, by) in [(change.was, -1), (change.is, 1)] {
                let Some(until) = until else { continue };
                *self.presence.entry(until).or_default() += by;
            }
        }
        self.presence.retain(|_, devices| *devices != 0);
        self.engine = out.engine.or(self.engine.take());
    }

    pub fn snapshot(&self) -> Snapshot {
        let over = |alert: &&Alert| {
            alert.condition != Condition::Cleared || alert.handling != crate::alert::Handling::Closed
        };
        // As the store gives them: the open ones, and those of the day before the last that ended.
        let last = self.tasks.values().filter_map(|task| task.ended_even).max();
        let kept = |task: &&Task| {
            task.ended_even.zip(last).is_none_or(|(at, last)| last - at <= crate::worklist::REOPEN_MS)
        };
        Snapshot {
            tasks: self.tasks.values().filter(kept).cloned().collect(),
            commands: self.commands.values().filter(|command| command.state.is_open()).cloned().collect(),
            cursor: self.cursor,
            devices: self.devices.values().cloned().collect(),
            twins: self.twins.values().cloned().collect(),
            alerts: self.alerts.values().filter(over).cloned().collect(),
            registry: self.registry.rows().cloned().collect(),
            texts: self.texts.values().filter(|row| row.text.is_some()).cloned().collect(),
            engine: self.engine.clone(),
        }
    }
}

pub struct Bench {
    pub engine: Engine,
    pub written: Written,
    pub now: Now,
    seq: u64,
}

pub fn settings() -> EngineSettings {
    EngineSettings { site: SiteId::new("main").unwrap() }
}

impl Bench {
    /// An engine that knows nothing.
    pub fn empty() -> Self {
        Self {
            engine: Engine::new(settings(), Snapshot::default()).unwrap(),
            written: Written::default(),
            now: Now { wall: Timestamp(START), steady_ms: 1_000, boot: 1 },
            seq: 0,
        }
    }

    /// An engine with the fridge profile, its rules, and the fridge `f1`.
    pub fn fridge() -> Self {
        let mut bench = Self::empty();
        bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(FRIDGE));
        bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(RULES));
        bench.register("f1", "cold_store");
        assert_eq!(bench.quarantine_codes(), Vec::<&str>::new());
        bench
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: i64) {
        self.now.wall = self.now.wall.plus_ms(ms);
        self.now.steady_ms += u64::try_from(ms).unwrap();
    }

    /// Puts the clock at so many milliseconds after the start.
    pub fn at(&mut self, ms: i64) -> &mut Self {
        let ahead = START + ms - self.now.wall.0;
        self.pass(ahead);
        self
    }

    pub fn record(&mut self, kind: Kind, flags: Flags, source: &str, address: &str, body: &[u8]) {
        self.seq += 1;
        let entry = Entry { kind, flags, source, connection: 1, address, body };
        let record = Record { seq: self.seq, now: self.now, entry };
        let prepared = self.engine.prepare(&record);
        self.handle(prepared);
    }

    /// A message that the door has sealed; `opened`: what its key gives, if it is there.
    pub fn sealed(&mut self, flags: Flags, address: &str, sealed: &[u8], opened: Result<&str, &str>) {
        self.seq += 1;
        let (kind, flags) = (Kind::Envelope, flags.with(Flags::SEALED));
        let entry = Entry { kind, flags, source: "listener", connection: 1, address, body: sealed };
        let record = Record { seq: self.seq, now: self.now, entry };
        let opened = opened.map(str::as_bytes);
        let prepared = self.engine.prepare_sealed(&record, opened);
        self.handle(prepared);
    }

    fn handle(&mut self, prepared: Prepared<'_>) {
        let seen: Vec<Seen> = prepared
            .lookups()
            .iter()
            .map(|lookup| Seen {
                readings: self.written.readings.iter().filter(|r| matches(lookup, r)).cloned().collect(),
            })
            .collect();
        self.engine.handle(prepared, &seen);
    }

    pub fn send_as(&mut self, flags: Flags, source: &str, address: &str, body: &str) {
        self.record(Kind::Envelope, flags, source, address, body.as_bytes());
    }

    /// An ordinary message through the listener.
    pub fn say(&mut self, address: &str, body: &str) {
        self.send_as(Flags::default(), "listener", address, body);
    }

    /// A fridge's reading, taken so many milliseconds after the start.
    pub fn temp(&mut self, device: &str, taken: i64, temp: f64) {
        let body = json!({"temp": temp, "t": START + taken}).to_string();
        self.send_as(
            Flags::default(),
            "listener",
            &format!("orderly/v1/main/cold_store/{device}/up/reading"),
            &body,
        );
    }

    pub fn config(&mut self, what: ConfigKind, text: Option<&str>) {
        let text = ConfigText { what, text: text.map(str::to_owned) };
        let body = rmp_serde::to_vec(&text).unwrap();
        self.record(Kind::Config, Flags::default(), "control", "", &body);
    }

    /// One reload of several texts.
    pub fn reload(&mut self, texts: &[(ConfigKind, Option<&str>)]) {
        let text = |(what, text): &(ConfigKind, Option<&str>)| ConfigText {
            what: what.clone(),
            text: text.map(str::to_owned),
        };
        let body = rmp_serde::to_vec_named(&Reload { texts: texts.iter().map(text).collect() }).unwrap();
        self.record(Kind::Config, Flags::default(), "config", "", &body);
    }

    pub fn act(&mut self, key: &str, order: Order) {
        let actor = ActorId::new("local-admin").unwrap();
        let action = Action { actor, happened_at: self.now.wall, idempotency_key: key.to_owned(), order };
        let body = rmp_serde::to_vec(&action).unwrap();
        self.record(Kind::Action, Flags::default(), "control", "", &body);
    }

    /// The fields of a detail of the audit, of entries with this verb.
    pub fn audited(&mut self, verb: &str) -> Vec<(String, Json)> {
        self.drain();
        let of = |entry: &crate::output::AuditEntry| {
            (entry.subject.clone(), serde_json::from_str(&entry.detail).unwrap())
        };
        self.written.audit.iter().filter(|entry| entry.verb == verb).map(of).collect()
    }

    pub fn register(&mut self, device: &str, class: &str) {
        let order = Order::RegisterDevice {
            device: device.parse().unwrap(),
            class: class.parse().unwrap(),
            profile: None,
            zone: None,
            credential: None,
            commissioned_at: None,
            firmware: None,
        };
        self.act(&format!("register-{device}-{}", self.seq), order);
    }

    pub fn timer_run(&mut self, run: &TimerRun) {
        let body = rmp_serde::to_vec(run).unwrap();
        self.record(Kind::TimerRun, Flags::default(), "engine", "", &body);
    }

    pub fn tick(&mut self) {
        self.timer_run(&TimerRun::default());
    }

    pub fn link(&mut self, source: &str, up: bool) {
        let change = LinkChange { source: source.to_owned(), up, session_lost: false };
        self.timer_run(&TimerRun { links: vec![change], ..TimerRun::default() });
    }

    /// Lets time pass to a moment as a shell would: a timer run whenever the engine asks for one.
    pub fn run_to(&mut self, ms: i64) {
        let target = self.now.steady_ms + u64::try_from(START + ms - self.now.wall.0).unwrap();
        while let Some(due) = self.engine.next_timeout().filter(|due| *due <= target) {
            let ahead = i64::try_from(due.saturating_sub(self.now.steady_ms)).unwrap();
            self.pass(ahead);
            self.tick();
        }
        self.at(ms);
    }

    pub fn drain(&mut self) {
        let out = self.engine.drain();
        self.written.take(out);
    }

    /// Commits and begins again from what was committed, as after a crash between two commits.
    pub fn restore(&mut self) {
        self.drain();
        self.engine = Engine::new(settings(), self.written.snapshot()).unwrap();
    }

    /// Restarts the daemon: the steady clock begins anew.
    pub fn reboot(&mut self, down_ms: i64) {
        self.restore();
        self.now = Now { wall: self.now.wall.plus_ms(down_ms), steady_ms: 50, boot: self.now.boot + 1 };
    }

    /// The transitions so far: `fired|cleared rule@offset`, with the reason if there is one.
    pub fn steps(&mut self) -> Vec<String> {
        self.drain();
        let steps = self.written.transitions.iter().map(|t| {
            let word = if t.condition == Condition::Firing { "fired" } else { "cleared" };
            format!("{word} {}@{}", t.rule, t.at.0 - START)
        });
        steps.collect()
    }

    pub fn readings(&mut self) -> &[Reading] {
        self.drain();
        &self.written.readings
    }

    pub fn quarantine_codes(&mut self) -> Vec<&'static str> {
        self.drain();
        self.written.quarantined.iter().map(|q| q.code).collect()
    }

    pub fn view(&mut self, device: &str) -> View {
        self.drain();
        View::decode(&self.written.twins[device].blob).unwrap()
    }

    /// The last answer to a person. A refusal is a sentence that boards can say in any language.
    pub fn answer(&mut self) -> Result<Json, String> {
        self.drain();
        let answer = self.written.answers.last().unwrap();
        if let Err(why) = &answer.result {
            assert!(crate::refusal::read(why).is_some(), "refusal/sentences.rs does not know: {why}");
        }
        answer.result.clone().map(|text| serde_json::from_str(&text).unwrap())
    }
}
