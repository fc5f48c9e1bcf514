//! The client of an external broker: against a broker that does what the test says, and against a real one.

use std::time::Duration;

use orderly::sources::mqtt_client::Address;
use orderly_core::record::Flags;
use orderly_tests::memory_intake::{Disk, MemoryIntake};
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::mqtt_load::Publisher;
use orderly_tests::mqtt_raw::publish;
use orderly_tests::scripted_broker::{RunningClient, ScriptedBroker};

fn message(id: u16, payload: &[u8]) -> Vec<u8> {
    publish(4, 2, "ward/a", id, payload)
}

fn again(id: u16, payload: &[u8]) -> Vec<u8> {
    publish(4, 2 | 8, "ward/a", id, payload)
}

fn puback(id: u16) -> Vec<u8> {
    [vec![0x40, 2], id.to_be_bytes().to_vec()].concat()
}

/// The next packet that is no ping.
async fn next(broker: &mut orderly_tests::mqtt_raw::Raw<tokio::net::TcpStream>) -> Option<Vec<u8>> {
    loop {
        match broker.next().await {
            Some(ping) if ping == [0xC0, 0] => broker.send(&[0xD0, 0]).await.unwrap(),
            other => return other,
        }
    }
}

fn bodies(journal: &MemoryIntake) -> Vec<String> {
    journal.records().into_iter().map(|r| String::from_utf8(r.body).unwrap()).collect()
}

#[tokio::test]
async fn acknowledges_in_order_and_only_what_is_on_disk() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Held));
    let mut client = RunningClient::start(scripted.port, &journal, |_| {}).unwrap();
    let mut broker = scripted.welcome(false, true).await.unwrap();
    client.came_up(1).await.unwrap();
    assert_eq!(client.links.changes(), [(true, false)], "a first session is no lost one");
    for id in [9, 3, 7] {
        broker.send(&message(id, b"{}")).await.unwrap();
    }
    journal.wait_for(3).await;
    broker.send(&publish(4, 1, "ward/old", 0, b"kept")).await.unwrap();
    journal.wait_for(4).await;
    journal.sync();
    for id in [9, 3, 7] {
        assert_eq!(next(&mut broker).await.unwrap(), puback(id), "in the order of arrival");
    }
    let kept = journal.records();
    assert_eq!(kept[3].flags, Flags::RETAINED, "kept by the broker, of unknown age");
    assert!(kept.iter().all(|r| r.connection == 1));
    client.end().await.unwrap();
    assert_eq!(broker.rest().await, [[0xE0, 0]], "leaves in peace");
}

/// 5.1 D: the acknowledgement of a message of connection 1 must not acknowledge another on connection 2.
#[tokio::test]
async fn an_acknowledgement_never_outlives_its_connection() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Held));
    let mut client = RunningClient::start(scripted.port, &journal, |_| {}).unwrap();
    let mut first = scripted.welcome(false, true).await.unwrap();
    client.came_up(1).await.unwrap();
    first.send(&message(1, b"A")).await.unwrap();
    journal.wait_for(1).await;
    drop(first);
    let mut second = scripted.welcome(true, false).await.unwrap();
    client.came_up(2).await.unwrap();
    journal.sync();
    second.send(&message(1, b"B")).await.unwrap();
    second.send(&again(2, b"A")).await.unwrap();
    journal.wait_for(3).await;
    journal.sync();
    // A stale acknowledgement would be a second PUBACK 1.
    assert_eq!(next(&mut second).await.unwrap(), puback(1));
    assert_eq!(next(&mut second).await.unwrap(), puback(2));
    second.send(&message(3, b"C")).await.unwrap();
    journal.wait_for(4).await;
    journal.sync();
    assert_eq!(next(&mut second).await.unwrap(), puback(3));
    assert_eq!(bodies(&journal), ["A", "B", "A", "C"]);
    let flags: Vec<_> = journal.records().iter().map(|r| r.flags).collect();
    assert_eq!(flags[2], Flags::DUP.with(Flags::AFTER_RECONNECT));
    assert_eq!(client.links.changes(), [(true, false), (false, false), (true, false)]);
}

/// 5.1 B and H: no session at the broker means that messages may be missing; subscribe again and say so.
#[tokio::test]
async fn a_lost_session_is_subscribed_again_under_a_gap() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let mut client = RunningClient::start(scripted.port, &journal, |_| {}).unwrap();
    drop(scripted.welcome(false, true).await.unwrap());
    let mut second = scripted.welcome(false, true).await.unwrap();
    client.came_up(2).await.unwrap();
    second.send(&message(1, b"A")).await.unwrap();
    assert_eq!(next(&mut second).await.unwrap(), puback(1));
    assert_eq!(client.links.changes().last(), Some(&(true, true)), "the gap is told");
}

/// 5.1 I: every code of a SUBACK is looked at.
#[tokio::test]
async fn a_refused_subscription_is_seen_and_asked_for_again() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let two = ["$share/g/ward/#".to_owned(), "secret/#".to_owned()];
    let mut client = RunningClient::start(scripted.port, &journal, |s| s.subscribe = two.to_vec()).unwrap();
    let (mut broker, _) = scripted.accept().await.unwrap();
    broker.send(&[0x20, 2, 0, 0]).await.unwrap();
    let subscribe = broker.next().await.unwrap();
    assert!(subscribe.windows(15).any(|w| w == b"$share/g/ward/#"), "shared filters pass through");
    broker.send(&[0x90, 4, 0, 1, 1, 0x80]).await.unwrap();
    client.came_up(1).await.unwrap();
    assert_eq!(client.status.borrow().refused, ["secret/#"]);
    drop(broker);
    let (mut broker, _) = scripted.accept().await.unwrap();
    broker.send(&[0x20, 2, 1, 0]).await.unwrap();
    assert_eq!(broker.next().await.unwrap()[0], 0x82, "what was refused is asked for again");
    broker.send(&[0x90, 4, 0, 1, 0x80, 0x80]).await.unwrap();
    assert_eq!(broker.rest().await, [[0xE0, 0]], "with nothing granted there is nothing to wait for");
    drop(scripted.accept().await.unwrap());
    assert!(client.status.borrow().last_error.is_some());
}

/// 5.1 E: a broker that says nothing any more is given up after one and a half keep-alives.
#[tokio::test]
async fn a_silent_broker_is_given_up() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let keep_alive = Duration::from_secs(1);
    let mut client = RunningClient::start(scripted.port, &journal, |s| s.keep_alive = keep_alive).unwrap();
    let mut silent = scripted.welcome(false, true).await.unwrap();
    client.came_up(1).await.unwrap();
    let _second = scripted.welcome(true, false).await.unwrap();
    client.came_up(2).await.unwrap();
    let said = silent.rest().await;
    assert!(said.len() >= 2 && said.iter().all(|p| *p == [0xC0, 0]), "it asked before it gave up: {said:?}");
    assert_eq!(
        client.status.borrow().last_error.as_deref(),
        Some("the broker was silent for one and a half keep-alives")
    );
}

/// A broker that takes the connection and never answers.
#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let patience = Duration::from_millis(100);
    let client = RunningClient::start(scripted.port, &journal, |s| s.patience = patience).unwrap();
    let (_mute, _) = scripted.accept().await.unwrap();
    let (mut half, _) = scripted.accept().await.unwrap();
    half.send(&[0x20, 2, 0, 0]).await.unwrap();
    let (_third, _) = scripted.accept().await.unwrap();
    let error = client.status.borrow().last_error.clone();
    assert_eq!(error.as_deref(), Some("the broker did not answer SUBSCRIBE"));
    assert_eq!(client.links.changes(), []);
}

/// 5.1 C: what is too large or malformed does not stand before the good one.
#[tokio::test]
async fn large_and_malformed_messages_do_not_block() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let mut client = RunningClient::start(scripted.port, &journal, |_| {}).unwrap();
    let mut broker = scripted.welcome(false, true).await.unwrap();
    client.came_up(1).await.unwrap();
    let payloads = [vec![b'x'; 11 << 10], vec![b'y'; 1 << 20], b"{\"not json".to_vec(), b"good".to_vec()];
    for (id, payload) in (1..).zip(&payloads) {
        broker.send(&message(id, payload)).await.unwrap();
    }
    for id in 1..=4 {
        assert_eq!(next(&mut broker).await.unwrap(), puback(id));
    }
    let kept = journal.records();
    assert_eq!([0, 2, 3].map(|n| &kept[n].body), [&payloads[0], &payloads[2], &payloads[3]]);
    assert!(kept[1].flags.has(Flags::OVERSIZE));
    let body: orderly_core::record::Oversize = rmp_serde::from_slice(&kept[1].body).unwrap();
    assert_eq!(body.bytes, 1 << 20);
}

/// A packet that cannot be read would be sent for ever: the session is begun afresh, and the gap is told.
#[tokio::test]
async fn an_unreadable_packet_ends_the_session_after_three_tries() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let mut client = RunningClient::start(scripted.port, &journal, |_| {}).unwrap();
    for n in 0..3 {
        let mut broker = scripted.welcome(n > 0, n == 0).await.unwrap();
        broker.send(&[0x32, 3, 0, 0, 1]).await.unwrap();
        broker.rest().await;
    }
    let (mut broker, connect) = scripted.accept().await.unwrap();
    assert_eq!(connect[9] & 2, 2, "clean session");
    broker.send(&[0x20, 2, 0, 0]).await.unwrap();
    assert_eq!(broker.rest().await, [[0xE0, 0]], "3.1.1 would not keep this session");
    let (mut broker, connect) = scripted.accept().await.unwrap();
    assert_eq!(connect[9] & 2, 0);
    broker.send(&[0x20, 2, 0, 0]).await.unwrap();
    assert_eq!(broker.next().await.unwrap()[0], 0x82);
    broker.send(&[0x90, 3, 0, 1, 1]).await.unwrap();
    client.came_up(1).await.unwrap();
    client.status.wait_for(|s| s.up).await.unwrap();
    broker.send(&message(1, b"good")).await.unwrap();
    assert_eq!(next(&mut broker).await.unwrap(), puback(1));
    assert_eq!(client.links.changes().last(), Some(&(true, true)));
}

#[tokio::test]
async fn a_failed_sync_leaves_everything_to_the_broker() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Held));
    let mut client = RunningClient::start(scripted.port, &journal, |_| {}).unwrap();
    let mut first = scripted.welcome(false, true).await.unwrap();
    client.came_up(1).await.unwrap();
    first.send(&message(1, b"A")).await.unwrap();
    journal.wait_for(1).await;
    journal.fail();
    assert_eq!(first.rest().await, [[0xE0, 0]], "no acknowledgement");
    let mut second = scripted.welcome(true, false).await.unwrap();
    second.send(&again(1, b"A")).await.unwrap();
    journal.wait_for(1).await;
    journal.sync();
    assert_eq!(next(&mut second).await.unwrap(), puback(1));
}

/// 5.1 A and F: a full window stops reading and nothing else; acknowledgements need no place in a queue.
#[tokio::test]
async fn a_full_window_waits_for_the_disk_alone() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Held));
    let mut client = RunningClient::start(scripted.port, &journal, |s| s.receive_maximum = 10).unwrap();
    let mut broker = scripted.welcome(false, true).await.unwrap();
    client.came_up(1).await.unwrap();
    let all: Vec<u8> = (1..=100).flat_map(|id| message(id, b"{}")).collect();
    broker.send(&all).await.unwrap();
    for round in 0..10u16 {
        journal.wait_for(usize::from(round + 1) * 10).await;
        journal.sync();
        for id in 1..=10 {
            assert_eq!(next(&mut broker).await.unwrap(), puback(round * 10 + id));
        }
    }
    assert_eq!(journal.records().len(), 100);
}

#[tokio::test]
async fn qos_2_and_mqtt_5_are_spoken() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let mut client = RunningClient::start(scripted.port, &journal, |s| {
        s.version = orderly::sources::mqtt::wire::Version::V5;
        s.qos = 2;
    })
    .unwrap();
    let (mut broker, connect) = scripted.accept().await.unwrap();
    assert_eq!(&connect[8..10], &[5, 0], "version 5, the session is kept");
    broker.send(&[0x20, 10, 0, 0, 7, 0x22, 0, 0, 0x13, 0, 20, 0x2A, 1][..12]).await.unwrap();
    drop(broker);
    let (mut broker, _) = scripted.accept().await.unwrap();
    broker.send(&[0x20, 8, 0, 0, 5, 0x13, 0, 20, 0x2A, 1]).await.unwrap();
    let subscribe = broker.next().await.unwrap();
    assert_eq!(subscribe.last(), Some(&0x12), "QoS 2, retained messages for new filters only");
    broker.send(&[0x90, 4, 0, 1, 0, 2]).await.unwrap();
    client.came_up(1).await.unwrap();
    broker.send(&publish(5, 4, "ward/a", 5, b"A")).await.unwrap();
    assert_eq!(next(&mut broker).await.unwrap(), [0x50, 2, 0, 5]);
    broker.send(&[0x62, 2, 0, 5]).await.unwrap();
    assert_eq!(next(&mut broker).await.unwrap(), [0x70, 2, 0, 5]);
    assert_eq!(bodies(&journal), ["A"]);
    broker.send(&[0xE0, 1, 0x8E]).await.unwrap();
    client.status.wait_for(|s| !s.up).await.unwrap();
    let error = client.status.borrow().last_error.clone();
    assert_eq!(error.as_deref(), Some("another client connected with our client id"));
}

/// Publishes numbered messages in windows of 100 and waits for every acknowledgement of the broker.
async fn publish_numbers(port: u16, numbers: std::ops::Range<usize>) {
    let mut publisher = Publisher::connect(port, "publisher").await.unwrap();
    for start in numbers.clone().step_by(100) {
        let end = (start + 100).min(numbers.end);
        let payloads: Vec<String> = (start..end).map(|n| n.to_string()).collect();
        let messages: Vec<_> = (start..end)
            .zip(&payloads)
            .map(|(n, payload)| (n, "ward/a", payload.as_bytes(), false))
            .collect();
        publisher.publish(&messages).await.unwrap();
        while publisher.in_flight() > 0 {
            publisher.acked().await.unwrap();
        }
    }
}

fn distinct(journal: &MemoryIntake) -> std::collections::BTreeSet<usize> {
    bodies(journal).iter().map(|b| b.parse().unwrap()).collect()
}

#[tokio::test]
async fn two_thousand_messages_through_mosquitto_that_is_killed_in_between() {
    if mosquitto::find().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut broker = Mosquitto::start(dir.path()).unwrap();
    let journal = MemoryIntake::new(Disk::Slow(Duration::from_millis(4)));
    let mut client = RunningClient::start(broker.port, &journal, |_| {}).unwrap();
    client.came_up(1).await.unwrap();
    publish_numbers(broker.port, 0..1_000).await;
    journal.wait_for(1_000).await;
    broker.kill().unwrap();
    client.status.wait_for(|s| !s.up).await.unwrap();
    broker.restart().unwrap();
    client.came_up(2).await.unwrap();
    publish_numbers(broker.port, 1_000..2_000).await;
    let mut seen = distinct(&journal).len();
    while seen < 2_000 {
        journal.wait_for(journal.records().len() + 1).await;
        seen = distinct(&journal).len();
    }
    assert_eq!(distinct(&journal).last(), Some(&1_999));
    println!("{} records for 2,000 messages", journal.records().len());
}

#[tokio::test]
async fn what_came_while_we_were_away_is_delivered_behind_large_and_malformed_messages() {
    if mosquitto::find().is_none() {
        return;
    }
    for version in [orderly::sources::mqtt::wire::Version::V4, orderly::sources::mqtt::wire::Version::V5] {
        let dir = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start(dir.path()).unwrap();
        let journal = MemoryIntake::new(Disk::Fast);
        let mut client = RunningClient::start(broker.port, &journal, |s| s.version = version).unwrap();
        client.came_up(1).await.unwrap();
        client.end().await.unwrap();
        let mut publisher = Publisher::connect(broker.port, "publisher").await.unwrap();
        let (small, large) = (vec![b'x'; 11 << 10], vec![b'y'; 1 << 20]);
        let payloads: [&[u8]; 4] = [&small, &large, b"{\"not json", b"good"];
        let messages: Vec<_> = payloads.iter().map(|p| (0, "ward/a", *p, false)).collect();
        publisher.publish(&messages).await.unwrap();
        while publisher.in_flight() > 0 {
            publisher.acked().await.unwrap();
        }
        let mut client = RunningClient::start(broker.port, &journal, |s| s.version = version).unwrap();
        client.came_up(1).await.unwrap();
        journal.wait_for(4).await;
        let kept = journal.records();
        assert_eq!([0, 2, 3].map(|n| &kept[n].body[..]), [payloads[0], payloads[2], payloads[3]]);
        assert!(kept[1].flags.has(Flags::OVERSIZE));
        client.end().await.unwrap();
        // All was acknowledged: nothing comes again.
        let mut client = RunningClient::start(broker.port, &journal, |s| s.version = version).unwrap();
        client.came_up(1).await.unwrap();
        publish_numbers(broker.port, 7..8).await;
        journal.wait_for(5).await;
        assert_eq!(journal.records()[4].body, b"7");
        client.end().await.unwrap();
    }
}

/// A certificate of our own for `localhost`, made by the openssl command; `None` with a printed reason without it.
fn certificate(dir: &std::path::Path) -> Option<()> {
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output();
    match made {
        Ok(output) if output.status.success() => Some(()),
        other => {
            eprintln!("skipped: openssl made no certificate: {other:?}");
            None
        }
    }
}

#[tokio::test]
async fn a_broker_behind_tls_is_reached_with_the_right_certificate_only() {
    let dir = tempfile::tempdir().unwrap();
    if mosquitto::find().is_none() || certificate(dir.path()).is_none() {
        return;
    }
    let path = |name: &str| dir.path().join(name).display().to_string();
    let tls = format!("certfile {}\nkeyfile {}\npersistence true\n", path("cert.pem"), path("key.pem"));
    let broker = Mosquitto::start_with(dir.path(), &tls).unwrap();
    let address = Address::parse(&format!("mqtts://localhost:{}", broker.port)).unwrap();
    let journal = MemoryIntake::new(Disk::Fast);
    let mut client = RunningClient::start(broker.port, &journal, |s| {
        (s.address, s.ca_file) = (address.clone(), Some(dir.path().join("cert.pem")));
    })
    .unwrap();
    client.came_up(1).await.unwrap();
    client.end().await.unwrap();
    let mut stranger = RunningClient::start(broker.port, &journal, |s| s.address = address).unwrap();
    stranger.status.wait_for(|s| s.last_error.is_some()).await.unwrap();
    let error = stranger.status.borrow().last_error.clone().unwrap();
    assert!(error.contains("certificate"), "{error}");
    assert!(!stranger.status.borrow().up);
}
