//! Orderly behind the brokers of others, each killed in the middle of a load whose ledger knows what the broker
//! acknowledged, with a tap on the wire that knows what Orderly acknowledged. What each broker promises for the moment
//! of its death is written down here and held against it; what Orderly promises is the same behind all of them: what it
//! acknowledged is there, once, and a session that the broker forgot is on record as a gap.

mod each;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use orderly_core::record::{Kind, LinkChange, TimerRun};
use orderly_store::disk::RealDisk;
use orderly_store::journal::dump;
use orderly_tests::broker::Broker;
use orderly_tests::broker_tap::{Message, Seen, Tap};
use orderly_tests::gateway::Site;
use orderly_tests::generator::{Generator, Plan, twelve_hours_ago};
use orderly_tests::ledger::{Ledger, Sent, Verdict};
use orderly_tests::patience::in_time;
use orderly_tests::{api, drained};
use tokio::sync::watch;

/// What a broker has when it comes back after it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// All that it acknowledged and was not rid of, and the session.
    Everything,
    /// The session, but of the messages in its queue only what it happened to have saved.
    TheSession,
    /// Nothing: what is published before Orderly subscribes again goes to nobody.
    Nothing,
}

/// Messages that the broker acknowledges while nothing passes to Orderly: they are in its queue when it is killed.
const QUEUED: usize = 300;

/// 2,000 messages and one kill in `make test`; 10,000 and four in `make test-long`.
fn size() -> (usize, usize) {
    if std::env::var_os("ORDERLY_LONG").is_some() { (10_000, 4) } else { (2_000, 1) }
}

/// What may be missing, by the name that the judge gives it.
#[derive(Debug, Default)]
struct Mortal {
    /// Acknowledged by the broker and not by Orderly when it was killed.
    queued: BTreeSet<String>,
    /// Acknowledged by the broker between its kill and Orderly's new subscription.
    unheard: BTreeSet<String>,
}

async fn prove(mut broker: impl Broker, keeps: Keeps, dir: &Path) {
    let (messages, kills) = size();
    let mut tap = Tap::before(broker.port()).await.unwrap();
    let ward = format!(
        "[mqtt.ward]\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"orderly\"\nsubscribe = [\"orderly/v1/main/+/+/up/+\"]\n",
        tap.port
    );
    let site = Site::new(dir, &ward).unwrap();
    let plan = Plan {
        port: broker.port(),
        connections: 2,
        devices_each: 5,
        per_second: 1_000,
        window: 100,
        first_device_time: twelve_hours_ago(),
        step_ms: 1_000,
        seed: 0xb0b,
    };
    for device in 0..plan.connections * plan.devices_each {
        site.add_device(&format!("bp-{device:04}"), "bp_meter").unwrap();
    }
    let gateway = site.start().unwrap();
    in_time("the first subscription", tap.subscribed(1)).await;
    each::settled(keeps, dir).await;

    let (up, is_up) = watch::channel(true);
    let mut load = Generator::start(&plan, &is_up);
    let mut mortal = Mortal::default();
    for kill in 1..=kills {
        let middle = messages * kill / (kills + 1);
        in_time("the load", load.wait(|p| p.acked >= middle - QUEUED)).await;
        tap.hold();
        // Twice as many: some still pass until the tap is shut.
        in_time("the queue", load.wait(|p| p.acked >= middle + QUEUED)).await;
        tokio::task::block_in_place(|| broker.kill()).unwrap();
        up.send_replace(false);
        tap.cut();
        // What the dead broker still said is read to its end.
        in_time("the end of the load's connections", load.wait(|p| p.talking == 0)).await;
        let (had, heard) = (load.acked(), tap.seen().acknowledged);
        let queued = had.iter().filter(|m| !heard.contains(&wire(m)));
        mortal.queued.extend(queued.map(Sent::name));
        tokio::task::block_in_place(|| broker.restart()).unwrap();
        // The devices do not wait for Orderly.
        up.send_replace(true);
        in_time("the subscription after a kill", tap.subscribed(kill + 1)).await;
        let had: BTreeSet<String> = had.iter().map(Sent::name).collect();
        mortal.unheard.extend(load.acked().iter().map(Sent::name).filter(|name| !had.contains(name)));
    }
    in_time("the rest of the load", load.wait(|p| p.sent >= messages)).await;
    let ledger = in_time("the last acknowledgements", load.finish()).await;
    let verdict = arrived(&site, &ledger, keeps, &mortal).await;
    assert!(gateway.stop().unwrap().success());
    let seen = tap.seen();
    println!(
        "{}: {kills} kills, {} sent, {} acknowledged by the broker, {} of them in its queue when it was killed, {} while \
         nobody had subscribed; {} lost, {} double; {} deliveries, session known {:?}",
        broker.name(),
        ledger.messages.len(),
        verdict.acked,
        mortal.queued.len(),
        mortal.unheard.len(),
        verdict.lost.len(),
        verdict.double.len(),
        seen.given,
        seen.knew,
    );
    hold_against(keeps, &mortal, &ledger, &verdict, &seen);
    assert_eq!(
        changes(&site),
        told_by_the_wire(&seen),
        "each connection, its end, and each gap is on record"
    );
}

/// What each broker promised, and what Orderly did.
fn hold_against(keeps: Keeps, mortal: &Mortal, ledger: &Ledger, verdict: &Verdict, seen: &Seen) {
    assert!(verdict.acked >= size().0);
    assert!(mortal.queued.len() >= QUEUED, "the kill met {} messages in the queue", mortal.queued.len());
    assert_eq!(verdict.double, Vec::<String>::new(), "each reading once");
    assert_eq!(verdict.invented, Vec::<String>::new());
    let lost: BTreeSet<&String> = verdict.lost.iter().collect();
    let kept_by_us = ledger.messages.iter().filter(|m| seen.acknowledged.contains(&wire(m)));
    let broken: Vec<String> = kept_by_us.map(Sent::name).filter(|name| lost.contains(name)).collect();
    assert_eq!(broken, Vec::<String>::new(), "acknowledged by Orderly and lost");
    let unexplained: Vec<_> = lost.iter().filter(|name| !mortal.may_be_lost(keeps, name)).take(5).collect();
    assert!(unexplained.is_empty(), "{} lost, among them {unexplained:?}", lost.len());
    let knew = seen.knew.get(1..).unwrap_or_default();
    match keeps {
        Keeps::Everything | Keeps::TheSession => assert!(knew.iter().all(|knew| *knew), "{:?}", seen.knew),
        Keeps::Nothing => {
            assert!(knew.iter().all(|knew| !knew), "{:?}", seen.knew);
            assert!(lost.len() >= QUEUED / 2, "the broker forgot its queue: {} lost", lost.len());
        }
    }
}

impl Mortal {
    fn may_be_lost(&self, keeps: Keeps, name: &str) -> bool {
        match keeps {
            Keeps::Everything => false,
            Keeps::TheSession => self.queued.contains(name),
            Keeps::Nothing => self.queued.contains(name) || self.unheard.contains(name),
        }
    }
}

/// How a message of the ledger looks on the wire.
fn wire(message: &Sent) -> Message {
    (message.topic(), message.payload.clone().into_bytes())
}

/// Waits until everything that must come is there, and judges.
async fn arrived(site: &Site, ledger: &Ledger, keeps: Keeps, mortal: &Mortal) -> Verdict {
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..240 {
        tick.tick().await;
        let verdict = ledger.judge(&api::rows(site, ledger).await.unwrap());
        if verdict.lost.iter().all(|name| mortal.may_be_lost(keeps, name)) {
            break;
        }
    }
    drained::wait(site, Duration::from_secs(60)).await.unwrap();
    ledger.judge(&api::rows(site, ledger).await.unwrap())
}

/// What Orderly's journal says about the link: whether it came up, and whether the session was lost.
fn changes(site: &Site) -> Vec<(bool, bool)> {
    let mut all = Vec::new();
    dump(&RealDisk, &site.data_dir().join("journal"), 0, u64::MAX, |record| {
        if record.entry.kind == Kind::TimerRun {
            let run: TimerRun = rmp_serde::from_slice(record.entry.body).unwrap();
            let ours = |change: &LinkChange| change.source == "mqtt:ward";
            all.extend(run.links.into_iter().filter(ours).map(|change| (change.up, change.session_lost)));
        }
    })
    .unwrap();
    // Whether the journal still takes the link's end when the daemon stops is not looked at here.
    all.pop_if(|last| !last.0);
    all
}

/// The same as the tap saw it.
fn told_by_the_wire(seen: &Seen) -> Vec<(bool, bool)> {
    let mut all = Vec::new();
    for (n, knew) in seen.knew.iter().enumerate() {
        if n > 0 {
            all.push((false, false));
        }
        all.push((true, n > 0 && !knew));
    }
    all
}
