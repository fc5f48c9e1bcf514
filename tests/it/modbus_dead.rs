//! Three of ten units on one bus are dead: the seven others keep nine tenths of their polls. They are counted against
//! those of a second bus, polled beside it, on which all are alive: what the schedule demands and the machine can do.

use std::sync::Arc;
use std::time::Duration;

use orderly::config::ModbusSettings;
use orderly::sources::links::Links;
use orderly::sources::modbus::wire::Framing;
use orderly::sources::modbus::{self, Deps, LinkConfig, LinkStatus, Patience, Polled};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use orderly_core::profile::Profile;
use orderly_core::record::LinkChange;
use orderly_tests::memory_intake::{Disk, Handle, MemoryIntake, TokioClock};
use orderly_tests::modbus_bus::{Death, MemoryBus};
use orderly_tests::patience::in_time;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

const UNITS: u8 = 10;
const DEAD: [u8; 3] = [2, 5, 9];

/// One request a poll, and a record only when something changes: nothing does.
const PROFILE: &str = r#"
[profile]
id = "still"
class = "charger"
stream = "state"
vendor = "Test"
model = "Still"
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
register = { kind = "input", address = 10 }
unit = "1"
report = { deadband = 1, every = "10min" }
[[test]]
input = ["input 10 = 1"]
from = "constructed"
[test.expect]
a = 1
"#;

struct Nobody;

impl Links for Nobody {
    fn changed(&self, _: LinkChange) {}
}

/// All times of a site that writes none into its settings are divided by this.
const FASTER: u32 = 10;
/// A second of such a site.
const EVERY: Duration = Duration::from_millis(100);

/// Polls the bus until it is dropped.
fn poll(bus: &MemoryBus) -> DropGuard {
    let profile = Arc::new(Profile::parse(PROFILE, "still.toml").unwrap());
    let device = |unit| Polled {
        id: DeviceId::new(&format!("m-{unit}")).unwrap(),
        class: ClassId::new("charger").unwrap(),
        zone: None,
        unit,
        every: EVERY,
        profile: Arc::clone(&profile),
    };
    let (settings, patience) = (ModbusSettings::default(), Patience::default());
    let config = LinkConfig {
        name: "bus".to_owned(),
        endpoints: vec![bus.endpoint()],
        timeout: settings.timeout.0 / FASTER,
        late: settings.late.0 / FASTER,
        patience: Patience { least: patience.least / FASTER, most: patience.most / FASTER, ..patience },
        connect_delay: settings.connect_delay.0,
        gap: settings.gap.0,
        devices: (1..=UNITS).map(device).collect(),
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

/// Waits until each of these units has answered so often more.
async fn answer(bus: &MemoryBus, units: impl Iterator<Item = u8> + Clone, more: usize) {
    let before: Vec<usize> = units.clone().map(|unit| bus.answers(unit)).collect();
    let answered = || units.clone().zip(&before).all(|(unit, n)| bus.answers(unit) >= n + more);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    in_time("answers", async {
        while !answered() {
            tick.tick().await;
        }
    })
    .await;
}

/// How long it is looked at: the polls of each unit of the bus on which all are alive.
const POLLS: usize = 200;

/// The worst share of its polls that a living unit keeps, in parts of a hundred.
async fn share(name: &str, framing: Framing, death: Death, from_the_start: bool) -> usize {
    let [hurt, whole] = [(); 2].map(|()| MemoryBus::new(framing, death));
    if from_the_start {
        hurt.kill(DEAD);
    }
    let _polling = [poll(&hurt), poll(&whole)];
    if !from_the_start {
        answer(&hurt, 1..=UNITS, 3).await;
        answer(&whole, 1..=UNITS, 3).await;
        hurt.kill(DEAD);
    }
    let count = |bus: &MemoryBus| -> Vec<usize> { (0..=UNITS).map(|unit| bus.answers(unit)).collect() };
    let before = [count(&hurt), count(&whole)];
    answer(&whole, 1..=UNITS, POLLS).await;
    let after = [count(&hurt), count(&whole)];
    let polls = |bus: usize, unit: usize| after[bus][unit] - before[bus][unit];
    let living = (1..=usize::from(UNITS)).filter(|unit| !DEAD.iter().any(|dead| usize::from(*dead) == *unit));
    let shares: Vec<usize> = living.map(|unit| polls(0, unit) * 100 / polls(1, unit)).collect();
    let (least, tries) = (shares.iter().copied().min().unwrap_or(0), hurt.in_vain());
    println!("{name}: the seven keep {shares:?} of 100 polls, with {tries} tries of the dead");
    assert!(tries >= 9, "{name}: the dead are still looked for: {tries}");
    // Back again, they are found, and polled as the others are.
    hurt.kill([]);
    answer(&hurt, DEAD.into_iter(), 10).await;
    least
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_dead_of_ten_leave_the_others_nine_tenths_of_their_polls() {
    let gateway = Death::Exception(Duration::from_millis(80));
    let shares = tokio::join!(
        share("TCP, silent", Framing::Tcp, Death::Silence, false),
        share("TCP, a gateway that says exception 11", Framing::Tcp, gateway, false),
        share("RTU, silent", Framing::Rtu, Death::Silence, false),
        share("TCP, never there", Framing::Tcp, Death::Silence, true),
        share("RTU, never there", Framing::Rtu, Death::Silence, true),
    );
    let least = [shares.0, shares.1, shares.2, shares.3, shares.4];
    assert!(least.iter().all(|share| *share >= 90), "{least:?}");
}
