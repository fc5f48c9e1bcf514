//! The durable part in process: replay after failed commits, orders, and an idle gateway that writes nothing.

mod claims;
mod import;
mod privacy;
mod reload;
mod retention;
mod strangers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use orderly_core::ids::{ActorId, ClassId, DeviceId};
use orderly_core::output::{Output, Snapshot};
use orderly_core::reading::Reading;
use orderly_core::record::{Action, ConfigKind, Entry, Flags, Kind, Order};
use orderly_core::time::{Clock, Now, Timestamp};
use orderly_store::series::{Query, SeriesReader};
use orderly_store::state::{AlertFilter, Keep, QuarantineFilter, StateReader, Trimmed};

use super::core::{Core, Parts};
use super::daemon::{Daemon, Start};
use super::texts;
use crate::config::{Credentials, Settings, SinkSettings};
use crate::pipeline::{DeliveryChange, OpenState, StateFile, StateWrite};
use crate::sources::intake::append_durably;

const RULE: &str = r#"
[[rule]]
id = "bp-high"
class = "bp_meter"
when = "sys >= 160"
severity = "P2"
team = "chronic_care"
source = "D"
text = { zh = "收缩压 {sys}", en = "systolic {sys}" }
[[rule.test]]
given = [{ at = "0s", values = { sys = 170 } }, { at = "1s", values = { sys = 120 } }]
expect = ["fired 0s", "cleared 1s"]
"#;

/// A clock that a test moves.
struct Hand(AtomicU64);

const START: i64 = 1_763_700_000_000;

impl Clock for Hand {
    fn now(&self) -> Now {
        let ms = self.0.load(Ordering::Relaxed);
        Now { wall: Timestamp(START + i64::try_from(ms).unwrap()), steady_ms: ms, boot: 7 }
    }
}

/// Commits fail as scripted: `true` stands for a failure, and when the script is over all succeed.
#[derive(Clone)]
struct Scripted {
    file: StateFile,
    script: Arc<Mutex<Vec<Fault>>>,
    opened: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Fails before anything is written.
    Before,
    /// Is written, and then says that it failed.
    After,
}

struct ScriptedStore {
    inner: Box<dyn StateWrite>,
    script: Arc<Mutex<Vec<Fault>>>,
}

impl OpenState for Scripted {
    fn open(&mut self) -> Result<(Box<dyn StateWrite>, Snapshot), String> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (inner, snapshot) = self.file.open()?;
        Ok((Box::new(ScriptedStore { inner, script: Arc::clone(&self.script) }), snapshot))
    }
}

impl StateWrite for ScriptedStore {
    fn commit(&mut self, output: &Output) -> Result<u64, String> {
        match self.script.lock().unwrap().pop().unwrap_or(Fault::None) {
            Fault::None => self.inner.commit(output),
            Fault::Before => Err("no space left on device".to_owned()),
            Fault::After => self.inner.commit(output).and(Err("fsync failed".to_owned())),
        }
    }

    fn deliver(&mut self, changes: &[DeliveryChange]) -> Result<(), String> {
        self.inner.deliver(changes)
    }

    fn commit_no(&self) -> u64 {
        self.inner.commit_no()
    }

    fn tidy(&mut self) -> Result<(), String> {
        self.inner.tidy()
    }

    fn trim(&mut self, keep: Keep) -> Result<Trimmed, String> {
        self.inner.trim(keep)
    }

    fn is_broken(&self) -> bool {
        self.inner.is_broken()
    }
}

struct Site {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("test.toml"), RULE).unwrap();
        let mut settings = Settings { data_dir: dir.path().join("data"), ..Settings::default() };
        settings.rules.defaults = false;
        settings.rules.dir = Some(rules);
        Self { dir, settings }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    async fn start(&self, script: &[Fault]) -> (Core, Arc<Hand>, Arc<AtomicU64>) {
        self.try_start(script).await.unwrap()
    }

    async fn try_start(&self, script: &[Fault]) -> anyhow::Result<(Core, Arc<Hand>, Arc<AtomicU64>)> {
        let clock = Arc::new(Hand(AtomicU64::new(0)));
        let opened = Arc::new(AtomicU64::new(0));
        let script = Arc::new(Mutex::new(script.iter().rev().copied().collect()));
        let state = Scripted { file: StateFile(self.data()), script, opened: Arc::clone(&opened) };
        let parts = Parts {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            register: Arc::default(),
            observe: Box::new(|_| Vec::new()),
            state: Some(Box::new(state)),
        };
        let core = Core::start(&self.settings, parts)?;
        texts::bring_into_force(&core, &texts::gather(&self.settings)?).await?;
        Ok((core, clock, opened))
    }
}

async fn stop(core: Core) {
    tokio::task::spawn_blocking(move || core.stop()).await.unwrap();
}

async fn send(core: &Core, device: &str, sys: u32, minute: u32) {
    let address = format!("orderly/v1/main/bp_meter/{device}/up/reading");
    let body = format!(r#"{{"sys":{sys},"dia":80,"pulse":70,"t":"2025-11-21T04:{minute:02}:00Z"}}"#);
    let entry = Entry {
        kind: Kind::Envelope,
        flags: Flags::ANONYMOUS,
        source: "listener",
        connection: 1,
        address: &address,
        body: body.as_bytes(),
    };
    append_durably(&*core.intake, &[entry]).await.unwrap();
}

/// Everything that was decided, without what may differ from run to run (how records were grouped).
#[derive(Debug, PartialEq)]
struct Decided {
    devices: String,
    twins: String,
    alerts: String,
    transitions: String,
    readings: Vec<Reading>,
}

fn decided(dir: &Path) -> Decided {
    let state = StateReader::open(dir).unwrap();
    let mut series = SeriesReader::open(dir).unwrap();
    let devices = state.devices().unwrap();
    let readings =
        devices.iter().flat_map(|row| series.readings(&Query::all(row.device.clone())).unwrap()).collect();
    Decided {
        twins: format!("{:?}", state.twins().unwrap()),
        alerts: format!("{:?}", state.alerts(&AlertFilter::default()).unwrap()),
        transitions: format!("{:?}", state.all_transitions().unwrap()),
        devices: format!("{devices:?}"),
        readings,
    }
}

/// The same inputs in the same order, each committed before the next is sent.
async fn feed(core: &Core, clock: &Hand) {
    for minute in 0..6 {
        clock.0.store(u64::from(minute) * 60_000, Ordering::Relaxed);
        send(core, "bp-1", 120 + minute * 10, minute).await;
        send(core, "bp-2", 170 - minute * 10, minute).await;
        // A repeat of the first: known from the batches at hand, the stored ones or the series store.
        send(core, "bp-1", 120, 0).await;
        core.caught_up().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_failed_commits_nothing_is_half_done_and_the_end_is_the_same() {
    let undisturbed = Site::new();
    let (core, clock, opened) = undisturbed.start(&[]).await;
    feed(&core, &clock).await;
    stop(core).await;
    let wanted = decided(&undisturbed.data());
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    assert_eq!(wanted.readings.len(), 12, "repeats are left out");
    assert!(wanted.transitions.contains("Firing") && wanted.transitions.contains("Cleared"), "{wanted:?}");

    use Fault::{After, Before, None as Fine};
    for script in [
        vec![Before],
        vec![After],
        vec![Fine, Before, Before, Fine, After],
        vec![Fine, Fine, After, Before, After, Before, Fine, Before],
    ] {
        let failures = script.iter().filter(|fault| **fault != Fine).count();
        let site = Site::new();
        let (core, clock, opened) = site.start(&script).await;
        feed(&core, &clock).await;
        stop(core).await;
        assert_eq!(decided(&site.data()), wanted, "{failures} failures");
        assert_eq!(opened.load(Ordering::Relaxed), 1 + failures as u64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_answered_after_its_audit_entry_and_once_for_its_key() {
    let site = Site::new();
    let (core, _, _) = site.start(&[Fault::None, Fault::Before]).await;
    let action = |key: &str| Action {
        actor: ActorId::new("local-admin").unwrap(),
        happened_at: Timestamp(START),
        idempotency_key: key.to_owned(),
        order: Order::RegisterDevice {
            device: DeviceId::new("bp-9").unwrap(),
            class: ClassId::new("bp_meter").unwrap(),
            profile: None,
            zone: None,
            credential: None,
            commissioned_at: None,
            firmware: None,
        },
    };
    let first = core.orders.submit(&action("k-1")).await.unwrap();
    assert!(first.result.is_ok(), "{first:?}");
    let written = orderly_store::audit::entries(&site.data(), 1, 10).unwrap();
    assert_eq!(written.last().map(|row| row.entry.seq), Some(first.seq), "its entry is in the chain already");

    let again = core.orders.submit(&action("k-1")).await.unwrap();
    assert_eq!(again.result, first.result);
    stop(core).await;
    assert_eq!(orderly_store::audit::entries(&site.data(), 1, 10).unwrap().len(), written.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_durable_when_the_daemon_stops_is_committed_and_found_again() {
    let site = Site::new();
    let (core, _, _) = site.start(&[]).await;
    for minute in 0..30 {
        send(&core, "bp-1", 120, minute).await;
    }
    stop(core).await;
    let before = decided(&site.data());
    assert_eq!(before.readings.len(), 30);
    let origins: BTreeSet<_> = before.readings.iter().map(|r| r.origin).collect();
    assert_eq!(origins.len(), 30);

    let (core, _, _) = site.start(&[]).await;
    let shipped = texts::gather(&site.settings).unwrap();
    assert_eq!(core.found.texts.len(), shipped.profiles.len() + shipped.rules.len());
    stop(core).await;
    assert_eq!(decided(&site.data()).readings, before.readings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_goes_away_is_taken_out_of_force() {
    let mut site = Site::new();
    let (core, _, _) = site.start(&[]).await;
    stop(core).await;
    site.settings.rules.dir = None;
    let (core, _, _) = site.start(&[]).await;
    stop(core).await;
    let texts = StateReader::open(&site.data()).unwrap().texts().unwrap();
    // The calendar comes with the package, and not from that folder.
    let rules: Vec<_> = texts.iter().filter(|row| matches!(row.what, ConfigKind::Rule(_))).collect();
    assert!(texts.len() > 1 && rules.len() == 1, "{rules:?}");
}

/// A profile of the site's own, and a device of it.
const OWN: &str = r#"
[profile]
id = "probe"
class = "probe"
vendor = "Test"
model = "P"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "json"
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
range = [-40, 60]
[[test]]
input = '{"temp":5.0}'
from = "constructed"
[test.expect]
temp = 5
"#;

/// Reads what was in force as a version does that knows no such range.
struct Stricter(StateFile);

impl OpenState for Stricter {
    fn open(&mut self) -> Result<(Box<dyn StateWrite>, Snapshot), String> {
        let (store, mut snapshot) = self.0.open()?;
        for text in snapshot.texts.iter_mut().filter_map(|row| row.text.as_mut()) {
            if text.contains("model = \"P\"") {
                *text = text.replace("[-40, 60]", "[60, -40]");
            }
        }
        Ok((store, snapshot))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_this_version_refuses_does_not_stop_a_gateway_that_was_serving() {
    let mut site = Site::new();
    let profiles = site.dir.path().join("profiles");
    std::fs::create_dir(&profiles).unwrap();
    std::fs::write(profiles.join("probe.toml"), OWN).unwrap();
    site.settings.profiles.dir = Some(profiles.clone());
    site.settings.listener.bind = "127.0.0.1:0".to_owned();
    site.settings.http.bind = "127.0.0.1:0".to_owned();
    let (core, _, _) = site.start(&[]).await;
    let probe = |core: &Core| {
        let intake = Arc::clone(&core.intake);
        async move {
            let entry = Entry {
                kind: Kind::Envelope,
                flags: Flags::ANONYMOUS,
                source: "listener",
                connection: 1,
                address: "orderly/v1/main/probe/p-1/up/reading",
                body: br#"{"temp":7}"#,
            };
            append_durably(&*intake, &[entry]).await.unwrap();
        }
    };
    probe(&core).await;
    stop(core).await;

    // As if a later version had come to know better, about the file and about what is in force.
    std::fs::write(profiles.join("probe.toml"), OWN.replace("[-40, 60]", "[60, -40]")).unwrap();
    for start in 0..2 {
        let mut stricter = Start::new(site.settings.clone(), Credentials::default());
        stricter.state = Some(Box::new(Stricter(StateFile(site.data()))));
        let daemon = Daemon::start(stricter).await.unwrap();
        probe(daemon.core()).await;
        send(daemon.core(), "bp-1", 120, start).await;
        daemon.core().caught_up().await.unwrap();
        let warned: Vec<String> = daemon.core().refusals.list().into_iter().map(|(name, _)| name).collect();
        assert_eq!(warned, ["profile probe"]);
        daemon.stop().await.unwrap();
    }
    let state = StateReader::open(&site.data()).unwrap();
    let rows = state.quarantine(&QuarantineFilter::default()).unwrap();
    let of = |code: &str| rows.iter().filter(|row| row.code == code).collect::<Vec<_>>();
    assert_eq!(of("text_refused").len(), 1, "told once: {rows:?}");
    assert_eq!(of("no_profile").len(), 2);
    assert!(of("no_profile").iter().all(|row| row.excerpt == br#"{"temp":7}"#));
    assert_eq!(decided(&site.data()).readings.len(), 3, "one of the probe, two of the others");

    std::fs::write(profiles.join("probe.toml"), OWN).unwrap();
    let daemon = Daemon::start(Start::new(site.settings.clone(), Credentials::default())).await.unwrap();
    assert_eq!(daemon.core().refusals.list(), []);
    probe(daemon.core()).await;
    daemon.stop().await.unwrap();
    assert_eq!(decided(&site.data()).readings.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_of_the_journal_gets_one_row_in_quarantine_however_often_it_is_met() {
    let mut site = Site::new();
    let (core, _, _) = site.start(&[]).await;
    for minute in 0..9 {
        send(&core, "bp-1", 120, minute).await;
    }
    stop(core).await;
    let holds = |bytes: &[u8]| bytes.windows(5).position(|w| w == b":05:0");
    let journal = std::fs::read_dir(site.data().join("journal")).unwrap();
    let (path, mut bytes) = journal
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .find(|(_, bytes)| holds(bytes).is_some())
        .unwrap();
    let place = holds(&bytes).unwrap();
    bytes[place] ^= 1;
    std::fs::write(path, bytes).unwrap();

    site.settings.listener.bind = "127.0.0.1:0".to_owned();
    site.settings.http.bind = "127.0.0.1:0".to_owned();
    for _ in 0..2 {
        let daemon = Daemon::start(Start::new(site.settings.clone(), Credentials::default())).await.unwrap();
        daemon.stop().await.unwrap();
        let state = StateReader::open(&site.data()).unwrap();
        let rows = state.quarantine(&QuarantineFilter::default()).unwrap();
        let codes: Vec<&str> = rows.iter().map(|row| row.code.as_str()).collect();
        assert_eq!(codes, ["journal_damage"], "{rows:?}");
        assert!(rows[0].reason.contains(&format!("record {} is lost", rows[0].seq)), "{rows:?}");
        let said = orderly_core::refusal::read(&rows[0].reason).unwrap();
        assert_eq!(said.code, "journal_damage");
        let known = |part: &orderly_core::refusal::Part| matches!(part, orderly_core::refusal::Part::Said(_));
        assert!(said.params.values().all(known), "boards can tell all of it: {said:?}");
        let status = state.status().unwrap();
        assert_eq!((status.damage_places, status.damage_lost), (1, 1), "the status page warns of it");
    }
}

#[test]
fn a_second_daemon_on_a_directory_is_refused_with_the_number_of_the_first() {
    let site = Site::new();
    let parts = || Parts {
        clock: Arc::new(Hand(AtomicU64::new(0))),
        register: Arc::default(),
        observe: Box::new(|_| Vec::new()),
        state: None,
    };
    let first = Core::start(&site.settings, parts()).unwrap();
    let refused = Core::start(&site.settings, parts()).unwrap_err().to_string();
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    first.stop();
    Core::start(&site.settings, parts()).unwrap().stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_on_free_ports_starts_answers_and_stops_and_a_new_sink_gets_the_past_as_a_hole() {
    let site = Site::new();
    let (core, _, _) = site.start(&[]).await;
    send(&core, "bp-1", 120, 0).await;
    core.caught_up().await.unwrap();
    let cursor = *core.committed.borrow();
    stop(core).await;

    let mut settings = site.settings.clone();
    settings.listener.bind = "127.0.0.1:0".to_owned();
    settings.http.bind = "127.0.0.1:0".to_owned();
    // Nothing answers on the discard port: the sink keeps trying, and nothing waits for it.
    let sink = SinkSettings { url: "http://127.0.0.1:9".to_owned(), ..SinkSettings::default() };
    settings.sinks.insert("dead".to_owned(), sink);
    let daemon = Daemon::start(Start::new(settings.clone(), Credentials::default())).await.unwrap();
    assert!(daemon.mqtt.is_some_and(|address| address.port() != 0));
    let state = StateReader::open(&site.data()).unwrap();
    assert_eq!(state.holes("sink:dead").unwrap(), [(1, cursor)]);
    assert_eq!(state.consumer("sink:dead").unwrap(), Some(cursor));
    daemon.stop().await.unwrap();

    settings.sinks.clear();
    let daemon = Daemon::start(Start::new(settings, Credentials::default())).await.unwrap();
    assert_eq!(state.consumer("sink:dead").unwrap(), None, "a sink that is gone holds nothing back");
    daemon.stop().await.unwrap();
}
