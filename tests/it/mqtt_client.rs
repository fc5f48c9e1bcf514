//! The client of an external broker: against a broker that does what the test says, and against a real one.

mod real;

use std::sync::Arc;
use std::time::Duration;

use orderly_core::record::Flags;
use orderly_tests::memory_intake::{Disk, MemoryIntake};
use orderly_tests::mqtt_raw::publish;
use orderly_tests::scripted_broker::{MemoryOfFilters, RunningClient, ScriptedBroker};

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
    let gap = client.status.borrow().gap.unwrap();
    assert!(gap.since.is_some_and(|since| since <= gap.until), "{gap}");
}

/// A source that is new on a gateway with data has no session that a broker could have forgotten.
#[tokio::test]
async fn after_a_restart_only_a_session_that_there_was_can_be_lost() {
    for (earlier, lost) in [(Vec::new(), false), (vec!["ward/#".to_owned()], true)] {
        let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
        let remembered = Arc::<MemoryOfFilters>::default();
        remembered.0.send_replace(earlier);
        let started =
            RunningClient::start_remembering(scripted.port, &journal, remembered, |s| s.resumed = true);
        let mut client = started.unwrap();
        let _broker = scripted.welcome(false, true).await.unwrap();
        client.came_up(1).await.unwrap();
        assert_eq!(client.links.changes(), [(true, lost)]);
        assert_eq!(client.status.borrow().gap.is_some(), lost);
    }
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

#[tokio::test]
async fn what_a_session_may_hold_is_remembered_before_the_broker_hears_of_it() {
    let (scripted, journal) = (ScriptedBroker::listen().await.unwrap(), MemoryIntake::new(Disk::Fast));
    let remembered = Arc::<MemoryOfFilters>::default();
    remembered.0.send_replace(vec!["old/#".to_owned()]);
    let client =
        RunningClient::start_remembering(scripted.port, &journal, Arc::clone(&remembered), |_| {}).unwrap();
    let (mut broker, _) = scripted.accept().await.unwrap();
    broker.send(&[0x20, 2, 1, 0]).await.unwrap();
    let unsubscribe = [&[0xA2, 9, 0, 2][..], &orderly_tests::mqtt_raw::text("old/#")].concat();
    assert_eq!(next(&mut broker).await.unwrap(), unsubscribe);
    assert_eq!(next(&mut broker).await.unwrap()[0], 0x82);
    assert_eq!(*remembered.0.borrow(), ["old/#", "ward/#"], "if it ends here, both may be held");
    broker.send(&[0xB0, 2, 0, 2, 0x90, 3, 0, 1, 1]).await.unwrap();
    remembered.0.subscribe().wait_for(|f| *f == ["ward/#"]).await.unwrap();
    client.end().await.unwrap();

    // A new session holds nothing that could be taken back.
    remembered.0.send_replace(vec!["old/#".to_owned()]);
    let client =
        RunningClient::start_remembering(scripted.port, &journal, Arc::clone(&remembered), |_| {}).unwrap();
    let (mut broker, _) = scripted.accept().await.unwrap();
    broker.send(&[0x20, 2, 0, 0]).await.unwrap();
    assert_eq!(next(&mut broker).await.unwrap()[0], 0x82);
    client.end().await.unwrap();
}
