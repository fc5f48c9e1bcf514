//! A lock that is away when a command comes stays shut when it is back, whatever happened to the gateway meanwhile.

use std::time::Duration;

use orderly_tests::gateway::Site;
use orderly_tests::lock::{Lock, PROFILE};
use orderly_tests::mosquitto::{self, Mosquitto};
use serde_json::Value as Json;

use super::{over, site, tasks, unlock};

/// Waits until a command is void; there is nothing else to wait for.
#[expect(clippy::disallowed_methods, reason = "the gateway is dead: only the machine's clock tells when")]
async fn void(command: &Json) {
    let at: jiff::Timestamp = command["expires_at"].as_str().expect("a time").parse().expect("RFC 3339");
    let left = at.as_millisecond() - jiff::Timestamp::now().as_millisecond();
    tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0) + 1_100)).await;
}

async fn tell_of(site: &Site, mut lock: Lock) {
    lock.say("shut", "closed").await.expect("taken");
    orderly_tests::api::wait_readings(site, "l1", 1).await.expect("a reading");
    drop(lock);
}

#[tokio::test]
async fn at_our_own_listener() {
    let dir = tempfile::tempdir().expect("a folder");
    let site = site(&dir, PROFILE, "");
    let mut gateway = site.start().expect("it starts");
    tell_of(&site, Lock::connect(site.mqtt, "l1", 4).await.expect("let in")).await;

    let sent = unlock(&site, "l1", "key-00000001").await;
    let told = over(&site, &sent).await;
    assert_eq!(told["state"], "not_connected", "{told}");
    let second = unlock(&site, "l1", "key-00000002").await;
    gateway.kill().expect("killed");
    void(&second).await;
    let _gateway = site.start().expect("it starts again");
    let mut lock = Lock::connect(site.mqtt, "l1", 4).await.expect("let in");
    assert_eq!(lock.what_waited().await.expect("an answer"), Vec::<Vec<u8>>::new(), "it stays shut");
    let told = over(&site, &second).await;
    assert!(["not_connected", "unknown"].contains(&told["state"].as_str().unwrap_or_default()), "{told}");
    assert!(tasks(&site).await.contains(&"technical.command-not-connected".to_owned()));
    assert_eq!(
        lock.what_waited().await.expect("an answer"),
        Vec::<Vec<u8>>::new(),
        "and is never told later"
    );
}

#[tokio::test]
async fn behind_a_broker_that_keeps_its_session() {
    if mosquitto::find().is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::start(&dir.path().join("broker")).expect("a broker");
    let port = broker.port;
    let more = format!(
        "[mqtt.ward]\nurl = \"mqtt://127.0.0.1:{port}\"\nversion = \"5\"\nsubscribe = [\"orderly/v1/main/#\"]\n"
    );
    let site = site(&dir, PROFILE, &more);
    let mut gateway = site.start().expect("it starts");
    site.add_device("l1", "lock").expect("registered");
    orderly_tests::api::wait_sources(&site).await.expect("the link is up");

    // A lock that is there is told, over the broker.
    let mut lock = Lock::connect(port, "l1", 5).await.expect("let in");
    lock.say("shut", "closed").await.expect("taken");
    orderly_tests::api::wait_readings(&site, "l1", 1).await.expect("a reading");
    let sent = unlock(&site, "l1", "key-00000001").await;
    let came = lock.command().await.expect("a command").expect("open");
    assert_eq!((serde_json::json!(came.id), came.retained), (sent["id"].clone(), false));
    lock.carry_out(&came).await.expect("said");
    assert_eq!(over(&site, &sent).await["state"], "done");
    drop(lock);

    // It has gone without a word; the broker keeps its session, and whatever is published to it.
    let lost = unlock(&site, "l1", "key-00000002").await;
    let probe = orderly_tests::api::wait_sources(&site);
    probe.await.expect("the link is still up");
    gateway.kill().expect("killed");
    void(&lost).await;
    let mut lock = Lock::connect(port, "l1", 5).await.expect("let in");
    assert!(lock.session_present, "the broker did keep it");
    assert_eq!(lock.what_waited().await.expect("an answer"), Vec::<Vec<u8>>::new(), "but not the command");
    // A stranger who listens to everything finds nothing kept either.
    let mut stranger = Lock::connect(port, "stranger", 5).await.expect("let in");
    assert_eq!(stranger.what_waited().await.expect("an answer"), Vec::<Vec<u8>>::new());

    let _gateway = site.start().expect("it starts again");
    let told = over(&site, &lost).await;
    assert_eq!(told["state"], "unknown", "{told}");
    assert_eq!(tasks(&site).await, ["technical.command-unknown"]);
    assert_eq!(
        lock.what_waited().await.expect("an answer"),
        Vec::<Vec<u8>>::new(),
        "and is never told later"
    );
}
