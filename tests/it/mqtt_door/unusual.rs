//! Bad, unusual and oversize input: what each leads to.

use orderly_core::record::Flags;
use orderly_tests::door::{OpenDoor, TOPIC};
use orderly_tests::memory_intake::Disk;
use orderly_tests::mqtt_raw::{Hello, packet, publish, subscribe};

use super::{PING, PINGRESP, puback};

/// What a client that sends something gets.
#[derive(Debug)]
enum Expect {
    /// The connection is closed; to MQTT 5 with this reason, if any.
    Closed(Option<u8>),
    /// These packets, and the connection lives.
    Answers(Vec<Vec<u8>>),
}

/// The table of bad and unusual input, after a CONNECT.
fn unusual(level: u8) -> Vec<(&'static str, Vec<u8>, Expect)> {
    let good = |id| publish(level, 2, TOPIC, id, b"{}");
    let to = |topic: &str| publish(level, 2, topic, 1, b"{}");
    let v5 = level == 5;
    let foreign = "orderly/v1/elsewhere/bp_meter/bp-0001/up/reading";
    let mut table = vec![
        ("second CONNECT", Hello::new(level, "x").bytes(), Expect::Closed(Some(0x82))),
        ("empty topic", to(""), Expect::Closed(Some(0x90))),
        ("NUL in the topic", to("orderly/v1/main/a/b/up/\0"), Expect::Closed(Some(0x81))),
        ("wildcard in the topic", to("orderly/v1/main/a/+/up/x"), Expect::Closed(Some(0x90))),
        ("topic not UTF-8", packet(0x30, &[0, 1, 0xff, 0, 0]), Expect::Closed(Some(0x81))),
        ("QoS 3", publish(level, 6, TOPIC, 1, b"{}"), Expect::Closed(Some(0x81))),
        ("packet id 0", publish(level, 2, TOPIC, 0, b"{}"), Expect::Closed(Some(0x82))),
        ("DUP with QoS 0", publish(level, 8, TOPIC, 0, b"{}"), Expect::Closed(Some(0x81))),
        ("a packet for servers", vec![0x20, 2, 0, 0], Expect::Closed(Some(0x82))),
        ("packet type 0", vec![0x00, 0], Expect::Closed(Some(0x81))),
        ("length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x01], Expect::Closed(Some(0x81))),
        ("256 MB", vec![0x30, 0xff, 0xff, 0xff, 0x7f], Expect::Closed(Some(0x95))),
        (
            "257 KiB, not a PUBLISH",
            packet(0x82, &vec![0; 257 << 10])[..5].to_vec(),
            Expect::Closed(Some(0x95)),
        ),
        (
            "SUBSCRIBE without a filter",
            packet(0x82, if v5 { &[0, 1, 0] } else { &[0, 1] }),
            Expect::Closed(Some(0x82)),
        ),
        ("ill-formed filter", subscribe(level, 1, "a/#/b"), Expect::Closed(Some(0x81))),
        ("DISCONNECT", vec![0xE0, 0], Expect::Closed(None)),
        ("AUTH", vec![0xF0, 0], Expect::Closed(Some(if v5 { 0x8C } else { 0x81 }))),
        ("same packet id again", [good(9), good(9)].concat(), Expect::Answers(vec![puback(9), puback(9)])),
        (
            "PUBACK for nothing",
            [vec![0x40, 2, 0, 7], PING.to_vec()].concat(),
            Expect::Answers(vec![PINGRESP.to_vec()]),
        ),
    ];
    let code = |v5_code| if v5 { v5_code } else { 0x80 };
    let suback = |code| if v5 { vec![0x90, 4, 0, 1, 0, code] } else { vec![0x90, 3, 0, 1, code] };
    for (filter, answer) in [
        ("#", suback(code(0x87))),
        ("orderly/v1/main/bp_meter/bp-0001/up/#", suback(code(0x87))),
        ("$share/g/orderly/v1/main/a/b/cmd/#", suback(code(0x9E))),
        ("orderly/v1/main/bp_meter/bp-0001/cmd/+", suback(1)),
    ] {
        table.push(("SUBSCRIBE", subscribe(level, 1, filter), Expect::Answers(vec![answer])));
    }
    table.push(if v5 {
        ("foreign topic", to(foreign), Expect::Answers(vec![vec![0x40, 3, 0, 1, 0x87]]))
    } else {
        ("foreign topic", to(foreign), Expect::Closed(None))
    });
    if v5 {
        let alias = packet(0x30, &[&[0, 1, b'a'][..], &[3, 0x23, 0, 1]].concat());
        table.push(("topic alias", alias, Expect::Closed(Some(0x94))));
        let released = vec![vec![0x70, 3, 0, 4, 0x92]];
        table.push(("PUBREL of an unknown id", vec![0x62, 2, 0, 4], Expect::Answers(released)));
    } else {
        let released = vec![vec![0x70, 2, 0, 4]];
        table.push(("PUBREL of an unknown id", vec![0x62, 2, 0, 4], Expect::Answers(released)));
    }
    table
}

#[tokio::test]
async fn unusual_input_is_answered_as_the_table_says() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    for level in [4u8, 5] {
        for (what, bytes, expect) in unusual(level) {
            let mut client = door.client(level, "table").await.unwrap();
            client.send(&bytes).await.unwrap();
            match expect {
                Expect::Closed(reason) => {
                    let words: Vec<Vec<u8>> =
                        reason.filter(|_| level == 5).map(|code| vec![0xE0, 1, code]).into_iter().collect();
                    assert_eq!(client.rest().await, words, "MQTT {level}, {what}");
                }
                Expect::Answers(answers) => {
                    for answer in answers {
                        assert_eq!(client.next().await, Some(answer), "MQTT {level}, {what}");
                    }
                    client.send(&PING).await.unwrap();
                    assert_eq!(
                        client.next().await.unwrap(),
                        PINGRESP,
                        "MQTT {level}, {what}: it must live on"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn before_connect_little_is_borne() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let half = Hello::new(4, "x").bytes()[..8].to_vec();
    let connect = |name: &str, level: u8| {
        packet(0x10, &[&orderly_tests::mqtt_raw::text(name)[..], &[level, 2, 0, 0, 0, 1, b'x']].concat())
    };
    for (what, bytes, answer) in [
        ("nothing", vec![], vec![]),
        ("half a CONNECT", half, vec![]),
        ("CONNECT of 256 MB", vec![0x10, 0xff, 0xff, 0xff, 0x7f], vec![]),
        ("CONNECT of 5 KiB", packet(0x10, &vec![0; 5 << 10]), vec![]),
        ("PUBLISH first", publish(4, 2, TOPIC, 1, b"{}"), vec![]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![]),
        ("MQTT 3.1", connect("MQIsdp", 3), vec![vec![0x20, 2, 0, 1]]),
        ("MQTT 6", connect("MQTT", 6), vec![vec![0x20, 3, 0, 0x84, 0]]),
        ("another protocol", connect("MQXX", 4), vec![]),
    ] {
        let mut socket = door.socket().await.unwrap();
        socket.send(&bytes).await.unwrap();
        assert_eq!(socket.rest().await, answer, "{what}");
    }
    assert_eq!(door.journal.records(), []);
}

#[tokio::test]
async fn packets_may_come_byte_by_byte() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    for level in [4, 5] {
        let mut client = door.socket().await.unwrap();
        let bytes = [
            Hello::new(level, "slow").bytes(),
            publish(level, 2, TOPIC, 1, b"one"),
            PING.to_vec(),
            publish(level, 2, TOPIC, 2, &[7; 300]),
        ]
        .concat();
        for byte in bytes {
            client.send(&[byte]).await.unwrap();
        }
        assert_eq!(client.next().await.unwrap()[0], 0x20);
        // The ping may overtake the first acknowledgement; nothing else may change places.
        let mut answers = vec![client.next().await.unwrap(), client.next().await.unwrap()];
        answers.sort();
        assert_eq!(answers, [puback(1), PINGRESP.to_vec()]);
        assert_eq!(client.next().await.unwrap(), puback(2));
    }
    let kept: Vec<usize> = door.journal.records().iter().map(|r| r.body.len()).collect();
    assert_eq!(kept, [3, 300, 3, 300]);
}

#[tokio::test]
async fn a_large_message_is_recorded_by_its_head() {
    let door = OpenDoor::open(Disk::Held).await.unwrap();
    for level in [4, 5] {
        let before = door.journal.records().len();
        let mut client = door.client(level, &format!("large{level}")).await.unwrap();
        let large: Vec<u8> = (0..1_000_003u32).map(|n| n as u8).collect();
        client.send(&publish(level, 2, TOPIC, 1, b"before")).await.unwrap();
        client.send(&publish(level, 2, TOPIC, 2, &large)).await.unwrap();
        client.send(&publish(level, 2, TOPIC, 3, b"behind")).await.unwrap();
        client.send(&PING).await.unwrap();
        assert_eq!(client.next().await.unwrap(), PINGRESP, "not acknowledged before it is durable");
        door.journal.wait_for(before + 3).await;
        door.journal.sync();
        for id in 1..=3 {
            assert_eq!(client.next().await.unwrap(), puback(id));
        }
        let records = door.journal.records();
        let [first, oversize, behind] = &records[before..] else { panic!("three records") };
        assert_eq!((&first.body[..], &behind.body[..]), (&b"before"[..], &b"behind"[..]));
        assert!(oversize.flags.has(Flags::OVERSIZE));
        assert_eq!(oversize.address, TOPIC);
        let body: orderly_core::record::Oversize = rmp_serde::from_slice(&oversize.body).unwrap();
        assert_eq!(body.bytes, 1_000_003);
        assert_eq!(body.head, &large[..4096]);
        assert_eq!(body.blake3, blake3::hash(&large).as_bytes());
    }
}

#[tokio::test]
async fn a_message_over_16_mib_ends_the_connection() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let mut client = door.client(5, "huge").await.unwrap();
    let header = publish(5, 2, TOPIC, 1, &vec![0; (16 << 20) + 1]);
    client.send(&header[..100]).await.unwrap();
    assert_eq!(client.rest().await, [[0xE0, 1, 0x95]]);
    assert_eq!(door.journal.records(), []);
}

#[tokio::test]
async fn each_close_for_a_packet_too_large_is_told_with_the_device() {
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let huge = publish(5, 2, TOPIC, 1, &vec![0; (16 << 20) + 1]);
    let foreign = publish(5, 2, "orderly/v1/other/bp_meter/bp-0002/up/reading", 1, &vec![0; (16 << 20) + 1]);
    // Without a login the topic tells, if it is there; with one the login does.
    for (client, length) in [("a", 5), ("b", 100)] {
        let mut anyone = door.client(5, client).await.unwrap();
        anyone.send(&huge[..length]).await.unwrap();
        assert_eq!(anyone.rest().await, [[0xE0, 1, 0x95]]);
    }
    let mut stranger = door.client(5, "c").await.unwrap();
    stranger.send(&foreign[..100]).await.unwrap();
    assert_eq!(stranger.rest().await, [[0xE0, 1, 0x95]]);
    let login = Hello { login: Some(("bp-0001", b"secret")), ..Hello::new(5, "d") };
    let (mut known, _) = door.hello(&login).await.unwrap();
    known.send(&huge[..5]).await.unwrap();
    assert_eq!(known.rest().await, [[0xE0, 1, 0x95]]);
    let told: Vec<String> = door.troubles.too_large().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["bp-0001"; 2], "a topic that is not the client's own says nothing of a device");
}
