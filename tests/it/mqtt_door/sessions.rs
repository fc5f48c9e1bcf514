//! Sessions: the same client twice, wills, silence, logging in.

use orderly_core::record::Flags;
use orderly_tests::door::{OpenDoor, STATUS, TOPIC};
use orderly_tests::memory_intake::Disk;
use orderly_tests::mqtt_raw::{Hello, publish};

use super::{PING, PINGRESP, puback};

#[tokio::test]
async fn the_same_client_again_ends_the_first_and_its_will_comes_first() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    for level in [4, 5] {
        let before = door.journal.records().len();
        let hello = Hello { will: Some((STATUS, b"offline", true, 0)), ..Hello::new(level, "same") };
        let (mut first, _) = door.hello(&hello).await.unwrap();
        let (mut second, _) = door.hello(&hello).await.unwrap();
        second.send(&publish(level, 2, STATUS, 1, b"online")).await.unwrap();
        assert_eq!(second.next().await.unwrap(), puback(1));
        let words: Vec<Vec<u8>> = if level == 5 { vec![vec![0xE0, 1, 0x8E]] } else { vec![] };
        assert_eq!(first.rest().await, words);
        let records = door.journal.records();
        let [will, online] = &records[before..] else { panic!("two records: {records:?}") };
        assert_eq!((&will.body[..], &online.body[..]), (&b"offline"[..], &b"online"[..]));
        assert!(will.flags.has(Flags::WILL.with(Flags::RETAINED).with(Flags::ANONYMOUS)));
        assert!(online.flags.has(Flags::AFTER_RECONNECT), "it was here before");
        second.send(&[0xE0, 0]).await.unwrap();
        second.rest().await;
    }
    let wills = door.journal.records().iter().filter(|r| r.flags.has(Flags::WILL)).count();
    assert_eq!(wills, 2, "who says DISCONNECT needs no will");
}

#[tokio::test]
async fn a_delayed_will_is_dropped_when_the_client_comes_back() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let hello = Hello {
        will: Some((STATUS, b"offline", false, 1)),
        expiry: 60,
        clean: false,
        ..Hello::new(5, "back")
    };
    drop(door.hello(&hello).await.unwrap());
    let (_back, connack) = door.hello(&hello).await.unwrap();
    assert_eq!(connack[2], 1, "the session was kept");
    let gone = Hello { client_id: "gone", ..hello };
    drop(door.hello(&gone).await.unwrap());
    door.journal.wait_for(1).await;
    assert_eq!(door.journal.records().len(), 1);
    assert_ne!(door.journal.records()[0].connection, 1, "the will of the one that stayed away");
}

#[tokio::test]
async fn silence_beyond_one_and_a_half_keep_alives_ends_it() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let hello = Hello { keep_alive: 1, will: Some((STATUS, b"offline", true, 0)), ..Hello::new(5, "quiet") };
    let (mut quiet, _) = door.hello(&hello).await.unwrap();
    let mut forever = door.client(5, "forever").await.unwrap();
    assert_eq!(quiet.rest().await, [[0xE0, 1, 0x8D]]);
    assert_eq!(door.journal.records()[0].body, b"offline");
    forever.send(&PING).await.unwrap();
    assert_eq!(forever.next().await.unwrap(), PINGRESP, "keep-alive 0 is for ever");
}

#[tokio::test]
async fn a_device_logs_in_and_reaches_its_own_topics_only() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    for level in [4, 5] {
        let wrong = Hello { login: Some(("bp-0001", b"guess")), ..Hello::new(level, "d") };
        let (_, connack) = door.hello(&wrong).await.unwrap();
        assert_eq!(connack[3], if level == 5 { 0x86 } else { 0x04 });
        let foreign_will = Hello {
            will: Some(("orderly/v1/main/bp_meter/bp-0002/status", b"", false, 0)),
            login: Some(("bp-0001", b"secret")),
            ..Hello::new(level, "d")
        };
        let (_, connack) = door.hello(&foreign_will).await.unwrap();
        assert_eq!(connack[3], if level == 5 { 0x87 } else { 0x05 });
        let right = Hello { login: Some(("bp-0001", b"secret")), ..Hello::new(level, "d") };
        let (mut device, connack) = door.hello(&right).await.unwrap();
        assert_eq!(connack[3], 0);
        device.send(&publish(level, 2, TOPIC, 1, b"x")).await.unwrap();
        assert_eq!(device.next().await.unwrap(), puback(1));
        device.send(&publish(level, 2, &TOPIC.replace("0001", "0002"), 2, b"x")).await.unwrap();
        if level == 5 {
            assert_eq!(device.next().await.unwrap(), [0x40, 3, 0, 2, 0x87]);
        } else {
            assert_eq!(device.rest().await, Vec::<Vec<u8>>::new());
        }
    }
    let kept = door.journal.records();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|r| r.address == TOPIC && !r.flags.has(Flags::ANONYMOUS)));
}
