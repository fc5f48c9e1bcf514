//! One test for each broker, with what it promises.

use std::path::Path;
use std::time::Duration;

use orderly_tests::aedes::{self, Aedes};
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::nats::{self, Nats};
use orderly_tests::patience::in_time;
use orderly_tests::rabbitmq::{self, RabbitMq};

use super::{Keeps, prove};

/// Where mosquitto keeps what it saves.
const MOSQUITTO: &str = "mosquitto";

/// A broker that saves now and then must have saved the session before its death can show that it keeps it.
pub(super) async fn settled(keeps: Keeps, dir: &Path) {
    if keeps != Keeps::TheSession {
        return;
    }
    let file = dir.join(MOSQUITTO).join("mosquitto.db");
    let saved = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while !std::fs::read(&file).is_ok_and(|bytes| bytes.windows(7).any(|w| w == b"orderly")) {
            tick.tick().await;
        }
    };
    in_time("mosquitto's first save", saved).await;
}

/// mosquitto acknowledges what it has in memory and saves every second: it comes back with the session, and of its queue
/// with what it had saved last. That something is missing nobody can tell from its answer; the interruption is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_that_saves_every_second_loses_of_its_queue_only() {
    if mosquitto::find().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start(&dir.path().join(MOSQUITTO)).unwrap();
        prove(broker, Keeps::TheSession, dir.path()).await;
    }
}

/// Without persistence mosquitto comes back empty, and says so: the gap is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_without_persistence_leaves_a_gap_on_record() {
    if mosquitto::find().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start_with(&dir.path().join(MOSQUITTO), "persistence false\n").unwrap();
        prove(broker, Keeps::Nothing, dir.path()).await;
    }
}

/// RabbitMQ acknowledges what the durable queue of our session has on disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_loses_nothing_that_it_acknowledged() {
    if rabbitmq::find().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let broker = tokio::task::block_in_place(|| RabbitMq::start(&dir.path().join("rabbitmq"))).unwrap();
        prove(broker, Keeps::Everything, dir.path()).await;
    }
}

/// nats-server acknowledges what it has written into its stream, which outlives it (a power cut it need not outlive).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_loses_nothing_that_it_acknowledged() {
    if nats::find().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let broker = tokio::task::block_in_place(|| Nats::start(&dir.path().join("nats"))).unwrap();
        prove(broker, Keeps::Everything, dir.path()).await;
    }
}

/// aedes has everything in memory and comes back empty, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aedes_leaves_a_gap_on_record() {
    if aedes::find().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let broker = tokio::task::block_in_place(|| Aedes::start(&dir.path().join("aedes"))).unwrap();
        prove(broker, Keeps::Nothing, dir.path()).await;
    }
}
