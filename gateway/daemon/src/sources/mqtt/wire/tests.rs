use bytes::BytesMut;
use proptest::prelude::*;
use rumqttc::mqttbytes::v4 as theirs;
use rumqttc::{QoS, SubscribeFilter};

use super::*;

/// Splits one whole packet and reads it.
fn read(version: Version, bytes: &[u8]) -> Result<Packet<'_>, Bad> {
    let header = header(bytes)?.ok_or(Bad::Short)?;
    assert_eq!(bytes.len(), header.head + header.body, "one whole packet");
    packet(version, header.first, &bytes[header.head..])
}

fn written(packet: theirs::Packet) -> BytesMut {
    let mut out = BytesMut::new();
    packet.write(&mut out, 1 << 20).unwrap();
    out
}

fn theirs_reads(bytes: &[u8]) -> theirs::Packet {
    theirs::Packet::read(&mut BytesMut::from(bytes), 1 << 20).unwrap()
}

#[test]
fn reads_what_another_implementation_writes() {
    let subscribe = theirs::Subscribe {
        pkid: 7,
        filters: vec![
            SubscribeFilter::new("a/cmd/#".into(), QoS::AtLeastOnce),
            SubscribeFilter::new("b/+".into(), QoS::AtMostOnce),
        ],
    };
    let bytes = written(theirs::Packet::Subscribe(subscribe));
    let Ok(Packet::Subscribe(filters)) = read(Version::V4, &bytes) else { panic!("not a SUBSCRIBE") };
    assert_eq!(filters.id, 7);
    assert_eq!(filters.collect::<Vec<_>>(), [("a/cmd/#", 1), ("b/+", 0)]);

    for (packet, ack) in [
        (theirs::Packet::PubAck(theirs::PubAck { pkid: 9 }), Ack::PubAck),
        (theirs::Packet::PubRec(theirs::PubRec { pkid: 9 }), Ack::PubRec),
        (theirs::Packet::PubRel(theirs::PubRel { pkid: 9 }), Ack::PubRel),
        (theirs::Packet::PubComp(theirs::PubComp { pkid: 9 }), Ack::PubComp),
    ] {
        assert_eq!(read(Version::V4, &written(packet)), Ok(Packet::Ack(ack, 9)));
    }
    assert_eq!(read(Version::V4, &written(theirs::Packet::PingReq)), Ok(Packet::Ping));
    assert_eq!(
        read(Version::V4, &written(theirs::Packet::Disconnect)),
        Ok(Packet::Disconnect(Leave::default()))
    );
}

#[test]
fn another_implementation_reads_what_is_written_here() {
    let mut out = Vec::new();
    connack(&mut out, Version::V4, true, ANNOUNCE);
    let theirs::Packet::ConnAck(answer) = theirs_reads(&out) else { panic!("not a CONNACK") };
    assert!(answer.session_present);
    assert_eq!(answer.code, theirs::ConnectReturnCode::Success);

    for (step, packet) in [
        (Ack::PubAck, theirs::Packet::PubAck(theirs::PubAck { pkid: 300 })),
        (Ack::PubRec, theirs::Packet::PubRec(theirs::PubRec { pkid: 300 })),
        (Ack::PubRel, theirs::Packet::PubRel(theirs::PubRel { pkid: 300 })),
        (Ack::PubComp, theirs::Packet::PubComp(theirs::PubComp { pkid: 300 })),
    ] {
        out.clear();
        ack(&mut out, step, 300, 0);
        assert_eq!(theirs_reads(&out), packet);
    }
    out.clear();
    suback(&mut out, Version::V4, 5, &[1, 0x80]);
    let theirs::Packet::SubAck(answer) = theirs_reads(&out) else { panic!("not a SUBACK") };
    let codes =
        [theirs::SubscribeReasonCode::Success(QoS::AtLeastOnce), theirs::SubscribeReasonCode::Failure];
    assert_eq!((answer.pkid, &answer.return_codes[..]), (5, &codes[..]));
    out.clear();
    unsuback(&mut out, Version::V4, 6, &[0]);
    assert_eq!(theirs_reads(&out), theirs::Packet::UnsubAck(theirs::UnsubAck { pkid: 6 }));
    out.clear();
    pingresp(&mut out);
    assert_eq!(theirs_reads(&out), theirs::Packet::PingResp);
}

const ANNOUNCE: Announce<'_> =
    Announce { receive_maximum: 1_024, packet_size: 1 << 24, session_expiry: None, client_id: None };

#[test]
fn another_implementation_reads_the_client_side_and_is_read() {
    let mut out = Vec::new();
    let hello = broker::Introduce {
        version: Version::V4,
        client_id: "orderly",
        clean: false,
        keep_alive: 30,
        session_expiry: 0,
        receive_maximum: 100,
        username: Some("u"),
        password: Some("p"),
    };
    broker::connect(&mut out, &hello);
    let theirs::Packet::Connect(read) = theirs_reads(&out) else { panic!("not a CONNECT") };
    assert_eq!((&*read.client_id, read.clean_session, read.keep_alive), ("orderly", false, 30));
    assert!(read.auth.validate("u", "p"));
    out.clear();
    broker::subscribe(&mut out, Version::V4, 1, ["a/#", "$share/g/b"], 1);
    let theirs::Packet::Subscribe(read) = theirs_reads(&out) else { panic!("not a SUBSCRIBE") };
    let filters: Vec<&str> = read.filters.iter().map(|f| &*f.path).collect();
    assert_eq!((read.pkid, &filters[..]), (1, &["a/#", "$share/g/b"][..]));

    let connack = theirs::ConnAck { session_present: true, code: theirs::ConnectReturnCode::Success };
    let bytes = written(theirs::Packet::ConnAck(connack));
    let expected = broker::ConnAck { session_present: true, code: 0, keep_alive: None };
    let read = broker::from_broker(Version::V4, bytes[0], &bytes[2..]);
    assert_eq!(read, Ok(broker::FromBroker::ConnAck(expected)));
    let codes =
        vec![theirs::SubscribeReasonCode::Success(QoS::AtLeastOnce), theirs::SubscribeReasonCode::Failure];
    let bytes = written(theirs::Packet::SubAck(theirs::SubAck { pkid: 9, return_codes: codes }));
    let read = broker::from_broker(Version::V4, bytes[0], &bytes[2..]);
    assert_eq!(read, Ok(broker::FromBroker::SubAck(9, &[1, 0x80])));
}

#[test]
fn a_connack_of_mqtt_5_announces_the_limits() {
    let mut out = Vec::new();
    let announce = Announce { session_expiry: Some(60), client_id: Some("auto-1"), ..ANNOUNCE };
    connack(&mut out, Version::V5, false, announce);
    let expected = [
        &[0x20, 29, 0, 0, 26, 0x29, 0, 0x2A, 0, 0x21, 4, 0, 0x27, 1, 0, 0, 0, 0x11, 0, 0, 0, 60][..],
        &[0x12, 0, 6],
        b"auto-1",
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn properties_are_checked_for_place_and_shape() {
    let publish = |properties: &[u8]| {
        let body = [&[0, 1, b'a', properties.len() as u8][..], properties, b"x"].concat();
        super::publish(Version::V5, 0x30, &body).map(|p| p.payload.to_vec())
    };
    let user = [0x26, 0, 1, b'k', 0, 1, b'v', 0x26, 0, 1, b'k', 0, 1, b'v'];
    assert_eq!(publish(&user), Ok(b"x".to_vec()), "user properties may stand twice");
    assert_eq!(publish(&[0x01, 1, 0x02, 0, 0, 0, 9]), Ok(b"x".to_vec()));
    assert_eq!(publish(&[0x01, 1, 0x01, 1]), Err(Bad::Protocol("a property stands twice")));
    assert_eq!(publish(&[0x23, 0, 1]), Err(Bad::TopicAlias));
    assert_eq!(publish(&[0x02, 0, 0]), Err(Bad::Malformed("properties")));
    assert!(matches!(publish(&[0x11, 0, 0, 0, 1]), Err(Bad::Malformed(_))), "not in a PUBLISH");
}

proptest! {
    #[test]
    fn reads_every_publish_of_another_implementation(
        topic in "[a-zA-Z0-9/_-]{1,40}", payload in proptest::collection::vec(any::<u8>(), 0..300),
        qos in 0u8..3, dup: bool, retain: bool, id in 1u16..,
    ) {
        let level = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
        let mut packet = theirs::Publish::new(topic.clone(), level, payload.clone());
        packet.retain = retain;
        (packet.dup, packet.pkid) = if qos == 0 { (false, 0) } else { (dup, id) };
        let (dup, id) = (packet.dup, packet.pkid);
        let bytes = written(theirs::Packet::Publish(packet));
        let expected = Publish { topic: &topic, payload: &payload, id, qos, dup, retain };
        prop_assert_eq!(read(Version::V4, &bytes), Ok(Packet::Publish(expected)));
    }

    #[test]
    fn reads_every_connect_of_another_implementation(
        client_id in "[a-z0-9]{0,30}", begin_clean: bool, keep_alive: u16,
        login in proptest::option::of(("[a-z]{1,10}", proptest::collection::vec(any::<u8>(), 0..20))),
        will in proptest::option::of(("[a-z/]{1,20}", proptest::collection::vec(any::<u8>(), 0..20), any::<bool>())),
    ) {
        // The other implementation keeps to the standard: without a client id there is no session to resume.
        let clean = begin_clean || client_id.is_empty();
        let mut packet = theirs::Connect::new(client_id.clone());
        packet.clean_session = clean;
        packet.keep_alive = keep_alive;
        if let Some((user, password)) = &login {
            packet.set_credentials(user.clone(), password.clone());
        }
        packet.last_will = will.clone().map(|(topic, payload, retain)| {
            theirs::LastWill::new(topic, payload, QoS::AtLeastOnce, retain)
        });
        let bytes = written(theirs::Packet::Connect(packet));
        let header = header(&bytes).unwrap().unwrap();
        let expected = Connect {
            version: Version::V4,
            client_id: &client_id,
            clean,
            keep_alive,
            session_expiry: if clean { 0 } else { u32::MAX },
            will: will.as_ref().map(|(topic, payload, retain)| Will { topic, payload, retain: *retain, delay: 0 }),
            username: login.as_ref().map(|(user, _)| &**user),
            password: login.as_ref().map(|(_, password)| &**password),
        };
        prop_assert!(header.is_connect());
        prop_assert_eq!(Connect::read(&bytes[header.head..]), Ok(expected));
    }

    /// Arbitrary bytes behind every possible first byte: an answer, never a panic; and a cut packet is never whole.
    #[test]
    fn bears_arbitrary_bytes(first: u8, body in proptest::collection::vec(any::<u8>(), 0..60)) {
        for version in [Version::V4, Version::V5] {
            let Ok(packet) = packet(version, first, &body) else { continue };
            if let Packet::Subscribe(filters) | Packet::Unsubscribe(filters) = packet {
                prop_assert!(filters.clone().count() > 0);
                let bytes: usize = filters.map(|(filter, _)| filter.len()).sum();
                prop_assert!(bytes < body.len());
            }
        }
        for version in [Version::V4, Version::V5] {
            if let Ok(broker::FromBroker::Publish(publish)) = broker::from_broker(version, first, &body) {
                prop_assert!(publish.topic.len() + publish.payload.len() < body.len());
            }
        }
        prop_assert!(Connect::read(&body).is_err(), "not even the name of the protocol");
    }

    /// Well-formed beginnings with arbitrary properties and ends.
    #[test]
    fn bears_nearly_right_bytes(
        kind in 0usize..6, id: u16, tail in proptest::collection::vec(any::<u8>(), 0..40), length in 0u8..40,
    ) {
        let [high, low] = id.to_be_bytes();
        let connect = [0, 4, b'M', b'Q', b'T', b'T', 5, low, 0, 60, length];
        let body = match kind {
            0 => [&[0, 1, b'a', high, low, length], &tail[..]].concat(),
            1 => [&connect, &tail[..]].concat(),
            _ => [&[high, low, length], &tail[..]].concat(),
        };
        let first = [0x32, 0x10, 0x82, 0xA2, 0x40, 0x62][kind];
        let read = packet(Version::V5, first, &body);
        prop_assert!(kind != 1 || read.is_err());
        prop_assert!(Connect::read(&body).is_err() || kind == 1);
    }

    #[test]
    fn a_header_is_whole_or_asks_for_more(bytes in proptest::collection::vec(any::<u8>(), 0..8)) {
        if let Ok(Some(header)) = header(&bytes) {
            prop_assert!(header.head <= bytes.len() && header.head <= 5 && header.body < 1 << 28);
        }
    }
}
