//! The ways of a link: another endpoint when the one in use is gone or mute, the pause after connecting, the pause between
//! requests. What waits for an hour is looked at beside a link that does not wait.

use std::sync::Arc;
use std::time::Duration;

use orderly::config::ModbusSettings;
use orderly::sources::links::Links;
use orderly::sources::modbus::wire::{Endpoint, Framing};
use orderly::sources::modbus::{self, Deps, LinkConfig, LinkStatus, Patience, Polled};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use orderly_core::profile::Profile;
use orderly_core::record::LinkChange;
use orderly_tests::memory_intake::{Disk, Handle, MemoryIntake, TokioClock};
use orderly_tests::modbus_bus::{Death, MemoryBus};
use orderly_tests::patience::in_time;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

const PROFILE: &str = r#"
[profile]
id = "still"
class = "charger"
vendor = "Test"
model = "Still"
version = "1.0.0"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "registers"
poll = "1s"
[[metric]]
name = "a"
register = { kind = "input", address = 10 }
unit = "1"
[[test]]
input = ["input 10 = 1"]
from = "constructed"
[test.expect]
a = 1
"#;

const HOUR: Duration = Duration::from_secs(3_600);
const UNITS: [u8; 2] = [1, 2];

struct Nobody;

impl Links for Nobody {
    fn changed(&self, _: LinkChange) {}
}

/// Polls two units over these ways until it is dropped.
fn poll(endpoints: Vec<Endpoint>, connect_delay: Duration, gap: Duration) -> DropGuard {
    let profile = Arc::new(Profile::parse(PROFILE, "still.toml").unwrap());
    let device = |unit| Polled {
        id: DeviceId::new(&format!("m-{unit}")).unwrap(),
        class: ClassId::new("charger").unwrap(),
        zone: None,
        unit,
        every: Duration::from_millis(5),
        profile: Arc::clone(&profile),
    };
    let config = LinkConfig {
        name: "ways".to_owned(),
        endpoints,
        timeout: Duration::from_millis(100),
        late: Duration::ZERO,
        patience: Patience { failures: 3, least: Duration::from_millis(5), most: Duration::from_millis(20) },
        connect_delay,
        gap,
        devices: UNITS.map(device).to_vec(),
    };
    let deps = Deps {
        intake: Arc::new(Handle(MemoryIntake::new(Disk::Fast))),
        clock: Arc::new(TokioClock::new()),
        site: SiteId::new("main").unwrap(),
        heard: Arc::new(|_| {}),
        links: Arc::new(Nobody),
        crowd: Arc::default(),
        status: watch::channel(LinkStatus::default()).0,
    };
    let stop = CancellationToken::new();
    tokio::spawn(modbus::run(config, deps, stop.clone()));
    stop.drop_guard()
}

/// How often the units of a bus answered.
fn answers(bus: &MemoryBus) -> usize {
    UNITS.iter().map(|unit| bus.answers(*unit)).sum()
}

/// Waits until each unit of the bus has answered so often more.
async fn more(bus: &MemoryBus, more: usize) {
    let before = UNITS.map(|unit| bus.answers(unit));
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    in_time("answers", async {
        while UNITS.iter().zip(before).any(|(unit, before)| bus.answers(*unit) < before + more) {
            tick.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_goes_another_way_when_one_is_gone_or_mute_and_stays_there() {
    let (one, two) =
        (MemoryBus::new(Framing::Tcp, Death::Silence), MemoryBus::new(Framing::Tcp, Death::Silence));
    // Nobody listens on the first port of this address of loopback.
    let gone = Endpoint::new("127.0.9.9:1", &ModbusSettings::default());
    let _polling = poll(vec![gone, one.endpoint(), two.endpoint()], Duration::ZERO, Duration::ZERO);
    more(&one, 10).await;
    assert_eq!(answers(&two), 0, "the second way is good: the third is not tried");
    // One dead unit of two is no reason to leave.
    one.kill([2]);
    let (tried, before) = (one.in_vain(), one.answers(1));
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    in_time("tries of the dead", async {
        while one.in_vain() < tried + 4 || one.answers(1) < before + 20 {
            tick.tick().await;
        }
    })
    .await;
    assert_eq!(answers(&two), 0, "the way is good as long as somebody answers");
    // It takes connections, and nobody answers.
    one.kill(UNITS);
    more(&two, 10).await;
    one.kill([]);
    let before = answers(&one);
    more(&two, 20).await;
    assert_eq!(answers(&one), before, "it stays on the way that works");
    two.kill(UNITS);
    more(&one, 10).await;
}

#[tokio::test]
async fn the_pauses_after_connecting_and_between_requests_are_kept() {
    let [plain, slow_to_begin, one_at_a_time] =
        [(); 3].map(|()| MemoryBus::new(Framing::Tcp, Death::Silence));
    let _polling = [
        poll(vec![slow_to_begin.endpoint()], HOUR, Duration::ZERO),
        poll(vec![one_at_a_time.endpoint()], Duration::ZERO, HOUR),
        poll(vec![plain.endpoint()], Duration::ZERO, Duration::ZERO),
    ];
    more(&plain, 50).await;
    assert_eq!(answers(&slow_to_begin), 0, "nothing is asked before the pause is over");
    assert_eq!(answers(&one_at_a_time), 1, "the second request waits");
}
