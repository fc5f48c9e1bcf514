//! "Modbus truth": ten thousand polls (a million in the long run) over fifty links whose answers are late, turned or
//! cut; not one value of another register, and none older than the question.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orderly::sources::intake::{Appended, Durable, Intake, IntakeError};
use orderly::sources::links::Links;
use orderly::sources::modbus::{self, Deps, LinkConfig, LinkStatus, Patience, Polled};
use orderly_core::codec::Sent;
use orderly_core::codec::registers::{Blocks, Form, Order, Register, Table};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use orderly_core::profile::Profile;
use orderly_core::record::{Entry, LinkChange};
use orderly_tests::fault_proxy::Odds;
use orderly_tests::memory_intake::{Disk, Handle, MemoryIntake, TokioClock};
use orderly_tests::modbus_truth::{BLOCKS, LENGTH, Simulated, UNITS, Units};
use tokio::sync::watch;
use tokio_modbus::Request;
use tokio_modbus::client::{Client as _, Context};
use tokio_modbus::prelude::{Response, Slave, SlaveContext as _};
use tokio_util::sync::CancellationToken;

const LINKS: u64 = 50;
const TIMEOUT: Duration = Duration::from_millis(40);
/// Later than the time-out and the silence after it together: silence alone does not save us.
const LATE: Duration = Duration::from_millis(65);
const SILENCE: Duration = Duration::from_millis(10);

fn odds(seed: u64) -> Odds {
    Odds { seed, late: (5, LATE), short: 1, flip: 1, ..Odds::default() }
}

/// Eight registers in two blocks.
fn profile() -> Arc<Profile> {
    let mut text = r#"
[profile]
id = "truth"
class = "charger"
stream = "state"
vendor = "Test"
model = "Truth"
version = "1.0.0"
schema = 1
[source]
document = "Orderly generic model"
version = "1"
[codec]
kind = "registers"
poll = "1s"
max_gap = 0
"#
    .to_owned();
    let mut test =
        "[[test]]\ninput = [\"holding 0 = 1 1 1 1\", \"holding 100 = 1 1 1 1\"]\nfrom = \"constructed\"\n[test.expect]\n"
            .to_owned();
    for start in BLOCKS {
        for n in start..start + LENGTH {
            text += &format!(
                "[[metric]]\nname = \"r{n}\"\nunit = \"1\"\nregister = {{ kind = \"holding\", address = {n}, type = \"u16\" }}\n"
            );
            test += &format!("r{n} = 1\n");
        }
    }
    Arc::new(Profile::parse(&(text + &test), "truth.toml").unwrap())
}

/// Judges each poll before anything else is asked on its link.
struct Judge {
    inner: Handle,
    units: Arc<Units>,
    polls: AtomicU64,
    wanted: u64,
    wrong: Mutex<Vec<String>>,
    done: CancellationToken,
}

impl Intake for Judge {
    fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, IntakeError> {
        for entry in entries {
            let unit: u8 = entry.address.split('/').nth(4).unwrap().trim_start_matches("m-").parse().unwrap();
            let blocks = Blocks::parse(entry.body).unwrap();
            for start in BLOCKS {
                let word = |address| {
                    let register =
                        Register { table: Table::Holding, address, form: Form::U16, order: Order::Abcd };
                    match blocks.value(&register) {
                        Sent::Whole(n) => u16::try_from(n).unwrap(),
                        other => panic!("{address}: {other:?}"),
                    }
                };
                let words: Vec<u16> = (start..start + LENGTH).map(word).collect();
                if let Some(wrong) = self.units.judge(unit, start, &words) {
                    self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(wrong);
                }
            }
            if self.polls.fetch_add(1, Ordering::SeqCst) + 1 == self.wanted {
                self.done.cancel();
            }
        }
        // Kept nowhere: a million records would only fill the memory.
        self.inner.append(&[])
    }

    fn durable(&self) -> watch::Receiver<Durable> {
        self.inner.durable()
    }

    fn crowded(&self) -> watch::Receiver<bool> {
        self.inner.crowded()
    }

    fn unsynced_bytes(&self) -> usize {
        0
    }
}

struct Nobody;

impl Links for Nobody {
    fn changed(&self, _: LinkChange) {}
}

/// Polls one link until it has brought enough; gives what was wrong, and how many requests failed.
async fn poll(simulated: &Simulated, profile: &Arc<Profile>, wanted: u64) -> (Vec<String>, u64) {
    let done = CancellationToken::new();
    let judge = Arc::new(Judge {
        inner: Handle(MemoryIntake::new(Disk::Fast)),
        units: Arc::clone(&simulated.units),
        polls: AtomicU64::new(0),
        wanted,
        wrong: Mutex::default(),
        done: done.clone(),
    });
    let device = |unit| Polled {
        id: DeviceId::new(&format!("m-{unit}")).unwrap(),
        class: ClassId::new("charger").unwrap(),
        zone: None,
        unit,
        every: Duration::from_millis(1),
        profile: Arc::clone(profile),
    };
    let config = LinkConfig {
        name: "truth".to_owned(),
        endpoints: vec![simulated.endpoint()],
        timeout: TIMEOUT,
        late: SILENCE,
        patience: Patience { failures: 3, least: Duration::from_millis(1), most: Duration::from_millis(50) },
        connect_delay: Duration::ZERO,
        gap: Duration::ZERO,
        devices: (1..=UNITS).map(device).collect(),
    };
    let (status, told) = watch::channel(LinkStatus::default());
    let deps = Deps {
        intake: Arc::clone(&judge) as Arc<dyn Intake>,
        clock: Arc::new(TokioClock::new()),
        site: SiteId::new("main").unwrap(),
        heard: Arc::new(|_| {}),
        links: Arc::new(Nobody),
        crowd: Arc::default(),
        status,
    };
    modbus::run(config, deps, done).await;
    assert!(judge.polls.load(Ordering::SeqCst) >= wanted && simulated.runs());
    (std::mem::take(&mut *judge.wrong.lock().unwrap()), told.borrow().failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_poll_brings_a_wrong_value() {
    let polls: u64 = if std::env::var_os("ORDERLY_LONG").is_some() { 1_000_000 } else { 10_000 };
    let profile = profile();
    let links = (0..LINKS).map(|n| {
        let profile = Arc::clone(&profile);
        tokio::spawn(async move {
            let serial = n % 2 == 1;
            let simulated = if serial { Simulated::serial(odds(n)) } else { Simulated::tcp(odds(n)).await };
            let (wrong, failed) = poll(&simulated, &profile, polls / LINKS).await;
            (serial, wrong, failed, simulated.spoilt())
        })
    });
    let links = futures_util::future::join_all(links).await;
    for kind in [false, true] {
        let (mut count, mut fails, mut spoils) = (0, 0, 0);
        for (serial, wrong, failed, spoilt) in links.iter().map(|l| l.as_ref().unwrap()) {
            if *serial == kind {
                assert!(wrong.is_empty(), "{} wrong values: {:?}", wrong.len(), wrong.first());
                (count, fails, spoils) = (count + 1, fails + failed, spoils + spoilt);
            }
        }
        let name = if kind { "RTU over a pty" } else { "TCP" };
        println!(
            "{name}: {} polls on {count} links, {spoils} answers spoilt, {fails} polls failed, 0 wrong values",
            polls / LINKS * count
        );
        assert!(spoils * 100 >= polls / LINKS * count * 2 * 4, "too little was spoilt");
        assert!(fails * 100 >= polls / LINKS * count * 4, "what was spoilt did not show");
    }
}

/// The crate alone, as its guide shows it: a time-out around each call, and on with the next.
async fn bare(mut context: Context, units: &Units, polls: usize) -> (usize, usize, Option<String>) {
    let (mut good, mut wrong, mut first) = (0, 0, None);
    for n in 0..polls {
        let unit = u8::try_from(n % usize::from(UNITS)).unwrap() + 1;
        for start in BLOCKS {
            context.set_slave(Slave(unit));
            units.asked(unit, start);
            let call = context.call(Request::ReadHoldingRegisters(start, LENGTH));
            if let Ok(Ok(Ok(Response::ReadHoldingRegisters(words)))) =
                tokio::time::timeout(TIMEOUT, call).await
            {
                good += 1;
                if let Some(why) = units.judge(unit, start, &words) {
                    wrong += 1;
                    first.get_or_insert(why);
                }
            }
        }
    }
    (good, wrong, first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crate_alone_brings_wrong_values_through_the_same_proxy() {
    let simulated = Simulated::serial(odds(1));
    let port = tokio_serial::SerialStream::open(&tokio_serial::new(&simulated.address, 115_200)).unwrap();
    let context = tokio_modbus::client::rtu::attach(port);
    let (good, wrong, first) = bare(context, &simulated.units, 300).await;
    println!(
        "the crate alone over a pty: {wrong} wrong of {good} answers; the first: {}",
        first.clone().unwrap_or_default()
    );
    assert!(wrong > 0, "the proxy and the judge find what the crate gets wrong");
}
