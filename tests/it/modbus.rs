//! Modbus TCP polling against a real server behind a proxy that spoils its answers: no wrong value ever.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderly::config::ModbusSettings;
use orderly::sources::links::Links;
use orderly::sources::modbus::wire::Endpoint;
use orderly::sources::modbus::{self, Deps, LinkConfig, LinkStatus, Polled};
use orderly_core::codec::registers::{Blocks, Form, Order, Register, Table};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use orderly_core::profile::Profile;
use orderly_core::record::LinkChange;
use orderly_tests::fault_proxy::{Fault, FaultProxy, Odds};
use orderly_tests::memory_intake::{Disk, Handle, Kept, MemoryIntake, TokioClock};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_modbus::prelude::*;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Three requests a poll: input 10 and 11, input 40 and 41, holding 7. Every poll is a record.
const PROFILE: &str = r#"
[profile]
id = "test-m-1"
class = "charger"
stream = "state"
vendor = "Test"
model = "M-1"
version = "1.0.0"
schema = 1
[source]
document = "Orderly generic model"
version = "1"
[codec]
kind = "registers"
poll = "1s"
[[metric]]
name = "a"
register = { kind = "input", address = 10, type = "u16" }
unit = "1"
[[metric]]
name = "b"
register = { kind = "input", address = 11, type = "u16" }
unit = "1"
[[metric]]
name = "c"
register = { kind = "input", address = 40, type = "u16" }
unit = "1"
[[metric]]
name = "n"
register = { kind = "input", address = 41, type = "u16" }
unit = "1"
[[metric]]
name = "h"
register = { kind = "holding", address = 7, type = "u16" }
unit = "1"
required = false
[[test]]
input = ["input 10 = 1 2", "input 40 = 3 4", "holding 7 = 5"]
from = "constructed"
[test.expect]
a = 1
b = 2
c = 3
n = 4
h = 5
"#;

/// Registers whose value tells table, unit and address, but for input 41, which counts the requests.
#[derive(Clone, Default)]
struct Unit {
    asked: Arc<AtomicU16>,
    requests: Arc<AtomicU64>,
    /// What the unit does instead of answering.
    exception: Arc<Mutex<Option<ExceptionCode>>>,
    /// Answers with one register too few.
    short: Arc<Mutex<bool>>,
    /// Added to input 10.
    drift: Arc<AtomicU16>,
}

fn constant(table: Table, unit: u8, address: u16) -> u16 {
    1_000 * table as u16 + 100 * u16::from(unit) + address
}

impl tokio_modbus::server::Service for Unit {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let unit = asked.slave;
        let word = |table, address| match (table, address) {
            (Table::Input, 41) => self.asked.fetch_add(1, Ordering::Relaxed) + 1,
            (Table::Input, 10) => constant(table, unit, address) + self.drift.load(Ordering::Relaxed),
            _ => constant(table, unit, address),
        };
        let cut = u16::from(*self.short.lock().unwrap());
        let words =
            |table, start: u16, count: u16| (start..start + count - cut).map(|a| word(table, a)).collect();
        let holding_fails = *self.exception.lock().unwrap();
        std::future::ready(match asked.request {
            Request::ReadInputRegisters(start, count) => {
                Ok(Response::ReadInputRegisters(words(Table::Input, start, count)))
            }
            Request::ReadHoldingRegisters(start, count) => match holding_fails {
                Some(exception) => Err(exception),
                None => Ok(Response::ReadHoldingRegisters(words(Table::Holding, start, count))),
            },
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

async fn serve(unit: Unit) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let connected = |stream, peer| {
            let unit = unit.clone();
            async move { accept_tcp_connection(stream, peer, |_| Ok(Some(unit.clone()))) }
        };
        Server::new(listener).serve(&connected, |_| {}).await
    });
    address
}

#[derive(Default)]
struct LinkLog(Mutex<Vec<bool>>);

impl Links for LinkLog {
    fn changed(&self, change: LinkChange) {
        assert_eq!((change.source.as_str(), change.session_lost), ("modbus:test", false));
        self.0.lock().unwrap().push(change.up);
    }
}

struct Rig {
    unit: Unit,
    proxy: FaultProxy,
    intake: Arc<MemoryIntake>,
    heard: watch::Receiver<u64>,
    links: Arc<LinkLog>,
    status: watch::Receiver<LinkStatus>,
    /// The devices as they shall be.
    devices: watch::Sender<Vec<Polled>>,
    _stop: DropGuard,
}

impl Rig {
    async fn start(profile: &str, units: &[u8], every: Duration, disk: Disk) -> Self {
        let unit = Unit::default();
        let proxy = FaultProxy::start(serve(unit.clone()).await).await;
        let intake = MemoryIntake::new(disk);
        let profile = Arc::new(Profile::parse(profile, "test.toml").unwrap());
        let device = |n: &u8| Polled {
            id: DeviceId::new(&format!("m-{n}")).unwrap(),
            class: ClassId::new(profile.class().as_str()).unwrap(),
            zone: None,
            unit: *n,
            every,
            profile: Arc::clone(&profile),
        };
        let config = LinkConfig {
            name: "test".to_owned(),
            endpoints: vec![Endpoint::new(&proxy.address().to_string(), &ModbusSettings::default())],
            timeout: Duration::from_millis(30),
            late: Duration::from_millis(30),
            patience: modbus::Patience {
                failures: 3,
                least: Duration::from_millis(1),
                most: Duration::from_millis(100),
            },
            connect_delay: Duration::ZERO,
            gap: Duration::ZERO,
            devices: units.iter().map(device).collect(),
        };
        let (tell, heard) = watch::channel(0);
        let (status, told) = watch::channel(LinkStatus::default());
        let links = Arc::new(LinkLog::default());
        let deps = Deps {
            intake: Arc::new(Handle(Arc::clone(&intake))),
            clock: Arc::new(TokioClock::new()),
            site: SiteId::new("main").unwrap(),
            heard: Arc::new(move |_| tell.send_modify(|n| *n += 1)),
            links: Arc::clone(&links) as Arc<dyn Links>,
            crowd: Arc::default(),
            status,
        };
        let stop = CancellationToken::new();
        let (devices, follow) = watch::channel(config.devices.clone());
        let (_orders, ordered) = mpsc::channel(8);
        tokio::spawn(modbus::run_following(config, follow, ordered, deps, stop.clone()));
        Self { unit, proxy, intake, heard, links, status: told, devices, _stop: stop.drop_guard() }
    }
}

fn word(record: &Kept, table: Table, address: u16) -> Option<i64> {
    let blocks = Blocks::parse(&record.body).unwrap();
    let register = Register { table, address, form: Form::U16, order: Order::Abcd };
    match blocks.value(&register) {
        orderly_core::codec::Sent::Whole(n) => Some(n),
        _ => None,
    }
}

/// Every value of the record is the one that this register of this unit has.
fn check(record: &Kept) -> i64 {
    let unit: u8 = record.address.split('/').nth(4).unwrap().trim_start_matches("m-").parse().unwrap();
    for (table, address) in [(Table::Input, 10), (Table::Input, 11), (Table::Input, 40), (Table::Holding, 7)]
    {
        let want = Some(i64::from(constant(table, unit, address)));
        assert_eq!(word(record, table, address), want, "{}: {table:?} {address}", record.address);
    }
    word(record, Table::Input, 41).unwrap()
}

#[tokio::test]
async fn what_is_polled_becomes_a_record_on_the_own_topic() {
    let rig = Rig::start(PROFILE, &[1, 2], Duration::from_millis(5), Disk::Fast).await;
    rig.intake.wait_for(20).await;
    let records = rig.intake.records();
    let topics: BTreeSet<&str> = records.iter().map(|r| r.address.as_str()).collect();
    assert_eq!(
        topics,
        BTreeSet::from(["orderly/v1/main/charger/m-1/up/state", "orderly/v1/main/charger/m-2/up/state"])
    );
    records.iter().for_each(|r| assert!(check(r) > 0));
    assert_eq!(*rig.links.0.lock().unwrap(), [true]);
    assert_eq!(rig.proxy.connections(), 1, "one connection serves all units");
    let requests = rig.unit.requests.load(Ordering::Relaxed);
    assert!(requests >= 60, "three requests a poll: {requests}");
}

#[tokio::test]
async fn late_short_lost_and_broken_answers_never_become_a_value() {
    let rig = Rig::start(PROFILE, &[1, 2, 3], Duration::from_millis(1), Disk::Fast).await;
    // Late answers come after the time-out, on a connection that nobody listens to any more.
    rig.proxy.odds(Odds {
        seed: 7,
        late: (5, Duration::from_millis(40)),
        short: 3,
        flip: 0,
        drop: 2,
        close: 3,
        ..Odds::default()
    });
    rig.intake.wait_for(600).await;
    let records = rig.intake.records();
    let mut last = 0;
    for record in &records {
        let count = check(record);
        assert!(count > last, "an answer of an earlier poll was taken: {count} after {last}");
        last = count;
    }
    assert!(rig.proxy.spoilt() > 50, "{} answers were spoilt", rig.proxy.spoilt());
    let status = rig.status.borrow().clone();
    assert!(status.failed > 50 && rig.proxy.connections() > 50, "{status:?}");
    println!(
        "{} records, {} answers spoilt, {} connections",
        records.len(),
        rig.proxy.spoilt(),
        rig.proxy.connections()
    );
}

#[tokio::test]
async fn an_answer_of_the_wrong_length_is_dropped_with_its_connection() {
    let rig = Rig::start(PROFILE, &[1], Duration::from_millis(1), Disk::Fast).await;
    rig.intake.wait_for(1).await;
    *rig.unit.short.lock().unwrap() = true;
    let mut status = rig.status.clone();
    let failed = status.wait_for(|s| s.failed >= 3).await.unwrap().clone();
    let said = failed.last_error.unwrap();
    assert!(said.contains("was answered with") || said.contains("no answer"), "{said}");
    let records = rig.intake.records().len();
    *rig.unit.short.lock().unwrap() = false;
    rig.intake.wait_for(records + 5).await;
    rig.intake.records().iter().for_each(|r| assert!(check(r) > 0));
    assert!(rig.proxy.connections() >= 4);
}

#[tokio::test]
async fn a_register_that_is_not_there_is_told_and_a_busy_unit_is_asked_less_often() {
    let rig = Rig::start(PROFILE, &[1], Duration::from_millis(1), Disk::Fast).await;
    *rig.unit.exception.lock().unwrap() = Some(ExceptionCode::ServerDeviceBusy);
    let mut status = rig.status.clone();
    let busy = status.wait_for(|s| s.failed >= 4).await.unwrap().clone();
    assert!(busy.up && busy.last_error.unwrap().contains("exception 6"), "the link is up, the unit is not");
    *rig.unit.exception.lock().unwrap() = Some(ExceptionCode::IllegalDataAddress);
    status.wait_for(|s| s.refused == 1).await.unwrap();
    let before = rig.intake.records().len();
    rig.intake.wait_for(before + 5).await;
    let last = rig.intake.records().pop().unwrap();
    assert_eq!(word(&last, Table::Holding, 7), None);
    assert_eq!(word(&last, Table::Input, 11), Some(i64::from(constant(Table::Input, 1, 11))));
    assert_eq!(rig.proxy.connections(), 1, "an exception is an answer: the connection is sound");
}

#[tokio::test]
async fn a_link_that_goes_down_is_told_and_comes_back() {
    let rig = Rig::start(PROFILE, &[1], Duration::from_millis(1), Disk::Fast).await;
    rig.intake.wait_for(3).await;
    rig.proxy.always(Some(Fault::HalfOpen));
    let mut status = rig.status.clone();
    status.wait_for(|s| s.failed >= 2).await.unwrap();
    rig.proxy.always(None);
    let records = rig.intake.records().len();
    rig.intake.wait_for(records + 3).await;
    rig.intake.records().iter().for_each(|r| assert!(check(r) > 0));
}

#[tokio::test]
async fn a_device_that_closes_after_each_answer_loses_no_poll() {
    let rig = Rig::start(PROFILE, &[1], Duration::from_millis(5), Disk::Fast).await;
    rig.proxy.always(Some(Fault::Truncate(usize::MAX)));
    rig.intake.wait_for(20).await;
    rig.intake.records().iter().for_each(|r| assert!(check(r) > 0));
    assert_eq!(rig.status.borrow().failed, 0);
    assert!(rig.proxy.connections() >= 50, "three requests a poll: {}", rig.proxy.connections());
}

/// The same registers, but only changes and one report in ten minutes are worth a record.
fn quiet() -> String {
    PROFILE
        .replace("unit = \"1\"", "unit = \"1\"\nreport = { deadband = 3, every = \"10min\" }")
        .replace("address = 41", "address = 42")
        .replace("input 40 = 3 4", "input 40 = 3 0 4")
}

#[tokio::test]
async fn a_unit_whose_profile_changes_is_polled_anew_and_its_neighbours_do_not_notice() {
    let mut rig = Rig::start(&quiet(), &[1, 2], Duration::from_millis(1), Disk::Fast).await;
    rig.heard.wait_for(|n| *n >= 20).await.unwrap();
    let of = |rig: &Rig, device: &str| -> Vec<Kept> {
        rig.intake.records().into_iter().filter(|record| record.address.contains(device)).collect()
    };
    assert_eq!((of(&rig, "m-1").len(), of(&rig, "m-2").len()), (1, 1));
    let other = quiet().replace("address = 11", "address = 12").replace("10 = 1 2", "10 = 1 0 2");
    let other = Arc::new(Profile::parse(&other, "other.toml").unwrap());
    rig.devices.send_modify(|devices| devices[0].profile = other);
    rig.intake.wait_for(3).await;
    let seen = *rig.heard.borrow();
    rig.heard.wait_for(|n| *n >= seen + 20).await.unwrap();
    let (one, two) = (of(&rig, "m-1"), of(&rig, "m-2"));
    assert_eq!((one.len(), two.len()), (2, 1), "the neighbour has nothing new to say");
    assert_eq!(word(&one[1], Table::Input, 12), Some(i64::from(constant(Table::Input, 1, 12))));
    assert_eq!(word(&one[0], Table::Input, 12), None);
    assert_eq!(rig.proxy.connections(), 1, "the connection stays");
    // A third unit joins while the others are polled.
    let mut third = rig.devices.borrow()[1].clone();
    (third.id, third.unit) = (DeviceId::new("m-3").unwrap(), 3);
    rig.devices.send_modify(|devices| devices.push(third));
    rig.intake.wait_for(4).await;
    assert_eq!(of(&rig, "m-3").len(), 1);
}

#[tokio::test]
async fn polls_without_news_are_signs_of_life() {
    let mut rig = Rig::start(&quiet(), &[1], Duration::from_millis(1), Disk::Fast).await;
    rig.heard.wait_for(|n| *n >= 20).await.unwrap();
    assert_eq!(rig.intake.records().len(), 1);
    // Inside the deadband, counted from what was reported: still no news.
    rig.unit.drift.store(2, Ordering::Relaxed);
    let seen = *rig.heard.borrow();
    rig.heard.wait_for(|n| *n >= seen + 20).await.unwrap();
    assert_eq!(rig.intake.records().len(), 1);
    rig.unit.drift.store(3, Ordering::Relaxed);
    rig.intake.wait_for(2).await;
    let last = rig.intake.records().pop().unwrap();
    assert_eq!(word(&last, Table::Input, 10), Some(i64::from(constant(Table::Input, 1, 10)) + 3));
}

#[tokio::test]
async fn a_report_that_the_disk_lost_is_told_again() {
    let mut rig = Rig::start(&quiet(), &[1], Duration::from_millis(1), Disk::Held).await;
    rig.heard.wait_for(|n| *n >= 5).await.unwrap();
    assert_eq!(rig.intake.records().len(), 1);
    rig.intake.fail();
    rig.intake.wait_for(1).await;
    let seen = *rig.heard.borrow();
    rig.heard.wait_for(|n| *n >= seen + 5).await.unwrap();
    assert_eq!(rig.intake.records().len(), 1, "what was not durable was reported a second time");
    rig.intake.sync();
    let seen = *rig.heard.borrow();
    rig.heard.wait_for(|n| *n >= seen + 5).await.unwrap();
    assert_eq!(rig.intake.records().len(), 1, "and only once");
}
