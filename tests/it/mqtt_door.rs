//! The MQTT door from outside: what is acknowledged when, and what bad input leads to.

mod sessions;
mod unusual;

use std::time::Duration;

use orderly_core::record::Flags;
use orderly_tests::door::{OpenDoor, STATUS, TOPIC};
use orderly_tests::memory_intake::Disk;
use orderly_tests::mqtt_raw::{Hello, publish};

const PING: [u8; 2] = [0xC0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];

fn puback(id: u16) -> Vec<u8> {
    [vec![0x40, 2], id.to_be_bytes().to_vec()].concat()
}

#[tokio::test]
async fn a_puback_means_that_the_message_is_on_disk() {
    let door = OpenDoor::open(Disk::Held).await.unwrap();
    for level in [4, 5] {
        let mut client = door.client(level, &format!("c{level}")).await.unwrap();
        let before = door.journal.records().len();
        for id in 1..=5 {
            client.send(&publish(level, 2, TOPIC, id, b"{}")).await.unwrap();
        }
        client.send(&PING).await.unwrap();
        assert_eq!(client.next().await.unwrap(), PINGRESP, "a ping does not wait for the disk");
        door.journal.wait_for(before + 5).await;
        door.journal.sync();
        for id in 1..=5 {
            assert_eq!(client.next().await.unwrap(), puback(id));
        }
        client.send(&publish(level, 2, TOPIC, 6, b"{}")).await.unwrap();
        door.journal.wait_for(before + 6).await;
        client.send(&PING).await.unwrap();
        assert_eq!(client.next().await.unwrap(), PINGRESP, "the sixth is not covered yet");
        door.journal.sync();
        assert_eq!(client.next().await.unwrap(), puback(6));
    }
}

#[tokio::test]
async fn one_commit_of_200_ms_holds_the_acks_and_not_the_ping() {
    let door = OpenDoor::open(Disk::Slow(Duration::from_millis(200))).await.unwrap();
    let mut client = door.client(4, "c").await.unwrap();
    let mut bytes: Vec<u8> = (1..=5).flat_map(|id| publish(4, 2, TOPIC, id, b"{}")).collect();
    bytes.extend(PING);
    client.send(&bytes).await.unwrap();
    assert_eq!(client.next().await.unwrap(), PINGRESP);
    for id in 1..=5 {
        assert_eq!(client.next().await.unwrap(), puback(id));
    }
    assert_eq!(door.journal.appends(), 1, "one read is one append");
}

#[tokio::test]
async fn keeps_topic_payload_and_flags() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let mut client = door.client(4, "c").await.unwrap();
    client.send(&publish(4, 0, TOPIC, 0, b"zero")).await.unwrap();
    client.send(&publish(4, 2 | 8, TOPIC, 1, b"again")).await.unwrap();
    client.send(&publish(4, 2 | 1, STATUS, 2, b"online")).await.unwrap();
    client.send(&publish(4, 2 | 1, TOPIC, 3, b"fresh")).await.unwrap();
    for id in 1..=3 {
        assert_eq!(client.next().await.unwrap(), puback(id));
    }
    let kept: Vec<_> = door.journal.records().into_iter().map(|r| (r.flags, r.address, r.body)).collect();
    let anonymous = Flags::ANONYMOUS;
    assert_eq!(
        kept,
        [
            (anonymous, TOPIC.to_owned(), b"zero".to_vec()),
            (anonymous.with(Flags::DUP), TOPIC.to_owned(), b"again".to_vec()),
            (anonymous.with(Flags::RETAINED), STATUS.to_owned(), b"online".to_vec()),
            (anonymous, TOPIC.to_owned(), b"fresh".to_vec()),
        ]
    );
}

#[tokio::test]
async fn a_repeat_of_a_waiting_message_is_one_record_and_one_ack() {
    let door = OpenDoor::open(Disk::Held).await.unwrap();
    let mut client = door.client(4, "c").await.unwrap();
    client.send(&publish(4, 2, TOPIC, 1, b"x")).await.unwrap();
    client.send(&publish(4, 2 | 8, TOPIC, 1, b"x")).await.unwrap();
    client.send(&publish(4, 2, TOPIC, 2, b"y")).await.unwrap();
    door.journal.wait_for(2).await;
    door.journal.sync();
    assert_eq!(client.next().await.unwrap(), puback(1));
    assert_eq!(client.next().await.unwrap(), puback(2));
    assert_eq!(door.journal.records().len(), 2);
}

#[tokio::test]
async fn qos_2_is_taken_once() {
    let door = OpenDoor::open(Disk::Held).await.unwrap();
    for level in [4, 5] {
        let before = door.journal.records().len();
        let mut client = door.client(level, &format!("two{level}")).await.unwrap();
        client.send(&publish(level, 4, TOPIC, 9, b"x")).await.unwrap();
        client.send(&publish(level, 4 | 8, TOPIC, 9, b"x")).await.unwrap();
        client.send(&PING).await.unwrap();
        assert_eq!(client.next().await.unwrap(), PINGRESP);
        door.journal.wait_for(before + 1).await;
        door.journal.sync();
        assert_eq!(client.next().await.unwrap(), [0x50, 2, 0, 9]);
        client.send(&publish(level, 4 | 8, TOPIC, 9, b"x")).await.unwrap();
        assert_eq!(client.next().await.unwrap(), [0x50, 2, 0, 9], "said again, not taken again");
        client.send(&[0x62, 2, 0, 9]).await.unwrap();
        assert_eq!(client.next().await.unwrap(), [0x70, 2, 0, 9]);
        assert_eq!(door.journal.records().len(), before + 1);
    }
}

#[tokio::test]
async fn a_failed_sync_closes_without_an_ack() {
    let door = OpenDoor::open(Disk::Held).await.unwrap();
    let mut busy = door.client(4, "busy").await.unwrap();
    let mut idle = door.client(5, "idle").await.unwrap();
    busy.send(&publish(4, 2, TOPIC, 1, b"x")).await.unwrap();
    door.journal.wait_for(1).await;
    door.journal.fail();
    assert_eq!(busy.rest().await, Vec::<Vec<u8>>::new());
    assert_eq!(idle.rest().await, [[0xE0, 1, 0x80]]);
    door.journal.refuse(true);
    let (mut refused, connack) = door.hello(&Hello::new(5, "new")).await.unwrap();
    assert_eq!(connack, [0x20, 3, 0, 0x88, 0]);
    assert_eq!(refused.rest().await, Vec::<Vec<u8>>::new());
    door.journal.refuse(false);
    let mut again = door.client(4, "busy").await.unwrap();
    again.send(&publish(4, 2 | 8, TOPIC, 1, b"x")).await.unwrap();
    door.journal.wait_for(1).await;
    door.journal.sync();
    assert_eq!(again.next().await.unwrap(), puback(1));
}

#[tokio::test]
async fn reading_stops_while_the_disk_or_the_engine_is_behind() {
    let door = OpenDoor::open_with(Disk::Held, |s| s.receive_maximum = 3).await.unwrap();
    let mut client = door.client(4, "c").await.unwrap();
    let bytes: Vec<u8> = (1..=5).flat_map(|id| publish(4, 2, TOPIC, id, b"{}")).collect();
    client.send(&bytes).await.unwrap();
    door.journal.wait_for(3).await;
    door.journal.sync();
    for id in 1..=3 {
        assert_eq!(client.next().await.unwrap(), puback(id));
    }
    assert_eq!(door.journal.records().len().min(3), 3, "the window opened only now");
    door.journal.wait_for(5).await;
    door.journal.sync();
    assert_eq!(client.next().await.unwrap(), puback(4));
    assert_eq!(client.next().await.unwrap(), puback(5));

    let door = OpenDoor::open_with(Disk::Held, |s| s.max_unsynced = 100).await.unwrap();
    let mut first = door.client(4, "first").await.unwrap();
    let mut second = door.client(4, "second").await.unwrap();
    first.send(&publish(4, 2, TOPIC, 1, &[0; 200])).await.unwrap();
    door.journal.wait_for(1).await;
    second.send(&publish(4, 2, TOPIC, 1, b"waits")).await.unwrap();
    door.journal.sync();
    door.journal.wait_for(2).await;
    door.journal.sync();
    assert_eq!(second.next().await.unwrap(), puback(1));

    door.journal.crowd(true);
    second.send(&publish(4, 2, TOPIC, 2, b"waits")).await.unwrap();
    second.send(&PING).await.unwrap();
    door.journal.crowd(false);
    assert_eq!(second.next().await.unwrap(), PINGRESP);
    door.journal.wait_for(3).await;
}

#[tokio::test]
async fn stopping_pays_what_the_disk_covers() {
    let door = OpenDoor::open(Disk::Slow(Duration::from_millis(100))).await.unwrap();
    let mut client = door.client(5, "c").await.unwrap();
    let will = Hello { will: Some((STATUS, b"offline", true, 0)), ..Hello::new(4, "w") };
    let (_with_will, _) = door.hello(&will).await.unwrap();
    client.send(&publish(5, 2, TOPIC, 1, b"x")).await.unwrap();
    door.journal.wait_for(1).await;
    door.stop.cancel();
    assert_eq!(client.rest().await, [puback(1), vec![0xE0, 1, 0x8B]]);
    door.served.await.unwrap();
    assert_eq!(door.journal.records().len(), 1, "our own end is no reason for a last will");
}

#[tokio::test]
async fn a_thousand_idle_connections_are_borne() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let mut clients = Vec::new();
    for n in 0..1_000 {
        clients.push(door.client(4, &format!("idle-{n}")).await.unwrap());
    }
    assert_eq!(door.door.open_connections(), 1_000);
    for client in &mut clients {
        client.send(&PING).await.unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.next().await.unwrap(), PINGRESP);
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let door = OpenDoor::open_with(Disk::Fast, |s| s.max_connections = 1).await.unwrap();
    let _one = door.client(4, "one").await.unwrap();
    assert!(door.hello(&Hello::new(4, "two")).await.is_err());
}
