//! The encoders against the makers' own worked examples, byte for byte, where their documents have one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orderly_core::value::Missing;

use super::super::value::{missing, whole, word};
use super::*;

/// 2026-11-21T07:30:00+08:00
const HALF_PAST_SEVEN: i64 = 1_795_217_400_000;

fn lora(profile: &str, values: &Values) -> (u8, String) {
    let (port, (bytes, _)) = lorawan::body(profile).unwrap()(values);
    (port, STANDARD.encode(bytes))
}

#[test]
fn the_bytes_of_lorawan_devices_are_those_of_their_makers() {
    let taken = vec![word("occupied", "occupied"), word("kind", "change")];
    assert_eq!(lora("bosch-tps110", &taken), (1, "AQ==".to_owned()));
    let heartbeat = vec![word("occupied", "occupied"), word("kind", "heartbeat"), whole("temp", -1)];
    assert_eq!(lora("bosch-tps110", &heartbeat), (2, "Af8=".to_owned()));
    let fridge = vec![
        word("battery_state", "good"),
        number("battery_voltage", 3.062),
        number("room_temp", 28.29),
        number("room_rh", 88.6),
        number("temp", 27.81),
    ];
    assert_eq!(lora("dragino-lht65", &fridge), (2, "y/YLDQN2AQrdf/8=".to_owned()));
    let fridge =
        vec![whole("battery", 100), number("temp", 27.2), number("rh", 56.5), word("door", "closed")];
    assert_eq!(
        lora("milesight-em300", &fridge),
        (85, STANDARD.encode(unhex("017564 03671001 046871 060000")))
    );
    let chair = vec![
        number("lat", 42.3519),
        number("lon", -87.9094),
        word("alarm", "yes"),
        number("battery_voltage", 2.885),
    ];
    // The manual's example has the angles of the motion sensor behind it.
    assert_eq!(lora("dragino-lgt92", &chair), (2, STANDARD.encode(unhex("06765ff2960a4b45"))));
    let tracker = vec![whole("battery", 100), word("mode", "periodic")];
    assert_eq!(lora("seeed-t1000", &tracker), (5, "BWQBAAE=".to_owned()));
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

#[test]
fn the_bytes_of_bluetooth_devices_are_those_of_the_standards() {
    let pressure = vec![
        whole("sys", 126),
        whole("dia", 80),
        whole("map", 95),
        whole("pulse", 72),
        word("rhythm", "irregular"),
    ];
    let (bytes, _) = gatt::pressure(&pressure, HALF_PAST_SEVEN);
    assert_eq!(bytes, unhex("16 7E00 5000 5F00 EA070B15071E00 4800 0400"));
    let glucose = vec![number("glucose", 6.4), word("sample", "capillary"), word("strip", "ok")];
    let (bytes, _) = gatt::glucose(&glucose, HALF_PAST_SEVEN, 5);
    assert_eq!(bytes, unhex("0F 0500 EA070B15071E00 0000 40C0 11 0000"));
    let high = vec![missing("glucose", Missing::High), word("sample", "control"), word("range", "above")];
    let (bytes, _) = gatt::glucose(&high, HALF_PAST_SEVEN, 6);
    assert_eq!(bytes, unhex("0F 0600 EA070B15071E00 0000 FE07 1A 2000"));

    let beacon = vec![
        word("uuid", "b9407f30-f5f8-466e-aff9-25556b57fe6d"),
        whole("major", 1),
        whole("minor", 2),
        whole("power_at_1m", -59),
    ];
    let (bytes, _) = advertisement::body("ble-ibeacon").unwrap()(&beacon);
    assert_eq!(bytes, unhex("020106 1aff4c000215 b9407f30f5f8466eaff925556b57fe6d 0001 0002 c5"));
    let fridge = vec![whole("battery", 97), number("temp", 25.0), number("rh", 50.55), word("door", "open")];
    let (bytes, _) = advertisement::body("bthome-th").unwrap()(&fridge);
    assert_eq!(bytes, unhex("020106 0e16d2fc40 0161 02c409 03bf13 1a01"));
}

fn sheet(id: &str) -> Arc<Sheet> {
    Arc::clone(&shipped().unwrap()[id])
}

fn said(values: Values) -> Said {
    Said { stream: "state", taken: HALF_PAST_SEVEN + 250, values }
}

#[test]
fn json_is_written_as_the_profile_reads_it() {
    let frame = Frame::new(&sheet("orderly-ps-1"), 0, true).unwrap();
    let bay = said(vec![word("occupied", "vacant"), number("battery", 3.587), whole("temp", 4)]);
    let written = frame.write("main", "bay-1", &bay, 3);
    assert_eq!(written.topic, "orderly/v1/main/parking_sensor/bay-1/up/state");
    assert_eq!(written.device_time, Some(HALF_PAST_SEVEN));
    let payload: Json = serde_json::from_slice(&written.payload).unwrap();
    assert_eq!(payload, json!({ "occupied": false, "battery_mv": 3587, "t": HALF_PAST_SEVEN / 1_000 }));
    assert_eq!(written.values.len(), 2, "it has no thermometer: {:?}", written.values);

    let frame = Frame::new(&sheet("openmhealth-blood-glucose"), 0, false).unwrap();
    let written = frame.write("main", "gm-1", &said(vec![number("glucose", 6.4)]), 1);
    let payload: Json = serde_json::from_slice(&written.payload).unwrap();
    assert_eq!(payload["body"]["blood_glucose"], json!({ "value": 6.4, "unit": "mmol/L" }));
}

#[test]
fn makers_have_their_own_topics_where_there_is_a_broker() {
    let values = vec![number("temp", 4.5), word("reader", "r-pharmacy"), whole("rssi", -60)];
    let at = |id: &str, broker| {
        Frame::new(&sheet(id), 0, broker).unwrap().write("main", "d-1", &said(values.clone()), 1)
    };
    assert_eq!(at("zigbee2mqtt-th", true).topic, "zigbee2mqtt/d-1");
    assert_eq!(at("zigbee2mqtt-th", false).topic, "orderly/v1/main/cold_store/d-1/up/state");
    let heard = at("bthome-th", true);
    assert_eq!(heard.topic, "ble/r-pharmacy/d-1/advertisement");
    assert!(heard.values.iter().any(|(name, _)| name == "reader"), "{:?}", heard.values);
    assert_eq!(at("nwave-nps405", true).topic, "application/1/device/d-1/event/up");
}

#[test]
fn registers_stand_where_the_profile_reads_them() {
    let sign = vec![whole("shown", 128), word("colour", "green"), whole("acks", 65_543)];
    let (sign, carried) = registers(&sheet("orderly-gs-1"), &sign);
    assert_eq!((sign.holding[&0], sign.holding[&1]), (128, 1));
    assert_eq!((sign.input[&1], sign.input[&2]), (7, 1), "the low word first");
    assert_eq!((carried.len(), sign.settable), (3, vec![0]));

    let meter = vec![number("voltage", 230.5), number("current", 4.25)];
    let (meter, _) = registers(&sheet("eastron-sdm120"), &meter);
    assert_eq!((meter.input[&0], meter.input[&1], meter.input[&6]), (0x4366, 0x8000, 0x4088));
    assert_eq!(meter.input[&3], 0, "what lies between is answered");

    let (keba, _) = registers(&sheet("keba-p30"), &vec![word("status", "charging"), number("power", 7.04)]);
    assert_eq!((keba.holding[&1_001], keba.holding[&1_020], keba.holding[&1_021]), (3, 0x006B, 0x6C00));
    assert!(!keba.holding.contains_key(&1_002), "too far away to be answered");
}
