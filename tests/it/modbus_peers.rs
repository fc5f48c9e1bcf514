//! Our Modbus reader against servers that know nothing of our code: pymodbus over TCP, libmodbus over TCP and over a
//! serial line. They encode the values; we must read them back, ask for no more than the protocol allows, and bear what
//! they refuse and what they leave unanswered.

mod points;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use orderly::config::{ModbusFraming, ModbusSettings};
use orderly::sources::links::Links;
use orderly::sources::modbus::wire::Endpoint;
use orderly::sources::modbus::{self, Deps, LinkConfig, LinkStatus, Patience, Polled};
use orderly_core::codec::Sent;
use orderly_core::codec::registers::{Blocks, Form, Order, Register, Table};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use orderly_core::profile::{Input, Profile};
use orderly_core::record::{Flags, LinkChange};
use orderly_core::time::Timestamp;
use orderly_core::value::Value;
use orderly_tests::fault_proxy::{Odds, between};
use orderly_tests::memory_intake::{Disk, Handle, MemoryIntake, TokioClock};
use orderly_tests::modbus_peer::{EXCEPTIONS, Peer, Request, SILENT, UNIT, find_libmodbus, find_pymodbus};
use orderly_tests::patience::in_time;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_serial::{SerialPort as _, SerialStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use points::{Point, points, profile};

struct Nobody;

impl Links for Nobody {
    fn changed(&self, _: LinkChange) {}
}

/// A link that polls, until it is dropped.
struct Polling {
    intake: Arc<MemoryIntake>,
    status: watch::Receiver<LinkStatus>,
    _stop: DropGuard,
}

impl Polling {
    fn start(endpoint: Endpoint, timeout: Duration, units: &[(u8, &Arc<Profile>)]) -> Self {
        let device = |(unit, profile): &(u8, &Arc<Profile>)| Polled {
            id: DeviceId::new(&format!("m-{unit}")).unwrap(),
            class: ClassId::new("charger").unwrap(),
            zone: None,
            unit: *unit,
            every: Duration::from_millis(5),
            profile: Arc::clone(profile),
        };
        let config = LinkConfig {
            name: "peer".to_owned(),
            endpoints: vec![endpoint],
            timeout,
            late: Duration::from_millis(20),
            patience: Patience {
                failures: 3,
                least: Duration::from_millis(1),
                most: Duration::from_millis(50),
            },
            connect_delay: Duration::ZERO,
            gap: Duration::ZERO,
            devices: units.iter().map(device).collect(),
        };
        let (tell, status) = watch::channel(LinkStatus::default());
        let intake = MemoryIntake::new(Disk::Fast);
        let deps = Deps {
            intake: Arc::new(Handle(Arc::clone(&intake))),
            clock: Arc::new(TokioClock::new()),
            site: SiteId::new("main").unwrap(),
            heard: Arc::new(|_| {}),
            links: Arc::new(Nobody),
            crowd: Arc::default(),
            status: tell,
        };
        let stop = CancellationToken::new();
        tokio::spawn(modbus::run(config, deps, stop.clone()));
        Self { intake, status, _stop: stop.drop_guard() }
    }

    async fn status(&mut self, what: &str, reached: impl FnMut(&LinkStatus) -> bool) -> LinkStatus {
        in_time(what, self.status.wait_for(reached)).await.unwrap().clone()
    }
}

/// A server on the far side of a serial line, and what keeps the line together.
struct Serial {
    /// Our end.
    near: String,
    peer: Peer,
    _line: JoinSet<()>,
}

impl Serial {
    fn start(dir: &Path, points: &[String]) -> Self {
        let (near, ours) = SerialStream::pair().unwrap();
        let (far, theirs) = SerialStream::pair().unwrap();
        let name = |port: &SerialStream| port.name().unwrap();
        let (our_name, their_name) = (name(&ours), name(&theirs));
        let mut line = JoinSet::new();
        line.spawn(async move {
            // The ports stay open while the line is there.
            let _ports = (ours, theirs);
            between(near, far, Odds::default(), &AtomicU64::new(0)).await;
        });
        let peer = tokio::task::block_in_place(|| Peer::libmodbus_serial(dir, &their_name, points)).unwrap();
        Self { near: our_name, peer, _line: line }
    }

    fn endpoint(&self) -> Endpoint {
        let settings =
            ModbusSettings { framing: ModbusFraming::Rtu, baud: 115_200, ..ModbusSettings::default() };
        Endpoint::new(&self.near, &settings)
    }
}

fn tcp(peer: &Peer) -> Endpoint {
    Endpoint::new(&peer.address, &ModbusSettings::default())
}

/// A server that is slow is waited for.
const LONG: Duration = Duration::from_secs(20);

/// Polls all points once and compares what was read, and what was asked for.
async fn read_all(endpoint: Endpoint, peer: &Peer, points: &[Point]) {
    let profile = profile(points);
    let polling = Polling::start(endpoint, LONG, &[(UNIT, &profile)]);
    in_time("the first poll", polling.intake.wait_for(1)).await;
    let record = polling.intake.records().remove(0);
    let blocks = Blocks::parse(&record.body).unwrap();
    for (point, register) in points.iter().zip(profile.registers()) {
        assert_eq!(blocks.value(&register), point.sent, "{point:?}");
    }
    let input = Input {
        address: &record.address,
        payload: &record.body,
        received_at: Timestamp(0),
        flags: Flags::default(),
    };
    let decoded = profile.decode(input).unwrap().remove(0);
    assert_eq!(decoded.values.len(), points.len());
    for (point, measured) in points.iter().zip(&decoded.values) {
        let same = match (&point.sent, &measured.value) {
            (Sent::Whole(n), Value::Number(m)) => *n as f64 == *m,
            (Sent::Float(n), Value::Number(m)) => n == m,
            (Sent::Digits(n), Value::Number(m)) => n.parse::<f64>().unwrap() == *m,
            (Sent::Flag(flag), Value::State(word)) => &**word == if *flag { "on" } else { "off" },
            (Sent::Text(text), Value::Text(same)) => **text == **same,
            _ => false,
        };
        assert!(same, "{point:?} became {:?}", measured.value);
    }
    let asked: BTreeSet<(u8, u16, u16)> =
        peer.requests().unwrap().iter().map(|r: &Request| (r.function, r.start, r.count)).collect();
    // 125 registers and 2,000 bits at most, and those in full; no value is cut in two.
    for function in [1, 2] {
        for whole in [(function, 0, 2_000), (function, 2_000, 2_000), (function, 4_000, 100)] {
            assert!(asked.contains(&whole), "{whole:?} is not in {asked:?}");
        }
    }
    for function in [3, 4] {
        for whole in [(function, 1_000, 125), (function, 1_125, 125), (function, 1_250, 50)] {
            assert!(asked.contains(&whole), "{whole:?} is not in {asked:?}");
        }
        let uncut = [(function, 2_000, 124), (function, 2_124, 2)];
        assert!(uncut.iter().all(|part| asked.contains(part)), "{asked:?}");
    }
    println!("{} points of {} requests", points.len(), asked.len());
}

/// Every exception code from 1 to 11, each from a unit of its own link, which also answers good reads.
async fn refused(endpoint: impl Fn() -> Endpoint) {
    for code in 1..=11_u8 {
        let profile = refusing(EXCEPTIONS + u16::from(code));
        let mut polling = Polling::start(endpoint(), LONG, &[(UNIT, &profile)]);
        let register = |table, address| Register { table, address, form: Form::U16, order: Order::Abcd };
        if code <= 3 {
            // What is refused is left out; the rest is read.
            polling.status("a refusal", |s| s.refused == 1).await;
            in_time("a report", polling.intake.wait_for(1)).await;
            let record = polling.intake.records().remove(0);
            let blocks = Blocks::parse(&record.body).unwrap();
            assert_eq!(blocks.value(&register(Table::Holding, EXCEPTIONS + u16::from(code))), Sent::Null);
            assert!(matches!(blocks.value(&register(Table::Input, 0)), Sent::Whole(_)));
        } else {
            // The unit does not take part at present: no value, and a word why.
            let failed = polling.status("a failure", |s| s.failed >= 2).await;
            let said = failed.last_error.unwrap();
            assert!(said.contains(&format!("exception {code}: ")), "{code}: {said}");
            assert!(failed.up, "the link is sound");
            assert_eq!(polling.intake.records(), []);
        }
    }
}

/// Input 0, and one register that the unit refuses.
fn refusing(address: u16) -> Arc<Profile> {
    let text = points::head()
        + &format!(
            "[[metric]]\nname = \"good\"\nunit = \"1\"\nregister = {{ kind = \"input\", address = 0 }}\n\
             [[metric]]\nname = \"bad\"\nunit = \"1\"\nrequired = false\n\
             register = {{ kind = \"holding\", address = {address} }}\n\
             [[test]]\ninput = [\"input 0 = 1\"]\nfrom = \"constructed\"\n[test.expect]\ngood = 1\n"
        );
    Arc::new(Profile::parse(&text, "refusing.toml").unwrap())
}

/// A unit that never answers, beside one that does.
async fn silent(endpoint: Endpoint) {
    let profile = refusing(0);
    let units = [(SILENT, &profile), (UNIT, &profile)];
    // On a serial line libmodbus waits half a second for the answer of another unit, and takes what comes meanwhile for it.
    let mut polling = Polling::start(endpoint, Duration::from_secs(1), &units);
    let status = polling.status("silence", |s| s.failed >= 3 && s.polls >= 5).await;
    let said = status.last_error.unwrap();
    assert!(said.contains("m-99: no answer within 1000 ms"), "{said}");
    let records = polling.intake.records();
    assert!(!records.is_empty() && records.iter().all(|record| record.address.contains("/m-1/")));
}

fn lines(points: &[Point]) -> Vec<String> {
    points.iter().map(|point| point.line.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pymodbus_over_tcp() {
    if find_pymodbus().is_none() {
        return;
    }
    let (dir, points) = (tempfile::tempdir().unwrap(), points(true));
    let peer = tokio::task::block_in_place(|| Peer::pymodbus(dir.path(), &lines(&points))).unwrap();
    read_all(tcp(&peer), &peer, &points).await;
    refused(|| tcp(&peer)).await;
    silent(tcp(&peer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libmodbus_over_tcp() {
    if !find_libmodbus() {
        return;
    }
    let (dir, points) = (tempfile::tempdir().unwrap(), points(false));
    let peer = tokio::task::block_in_place(|| Peer::libmodbus(dir.path(), &lines(&points))).unwrap();
    read_all(tcp(&peer), &peer, &points).await;
    refused(|| tcp(&peer)).await;
    silent(tcp(&peer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libmodbus_over_a_serial_line() {
    if !find_libmodbus() {
        return;
    }
    let (dir, points) = (tempfile::tempdir().unwrap(), points(false));
    let serial = Serial::start(dir.path(), &lines(&points));
    read_all(serial.endpoint(), &serial.peer, &points).await;
    refused(|| serial.endpoint()).await;
    silent(serial.endpoint()).await;
}
