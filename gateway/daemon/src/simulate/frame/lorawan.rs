//! LoRaWAN devices behind a ChirpStack: the uplink, and the bytes of each model after its maker's document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::value::{Values, find, is, number_of};
use super::{Bytes, local_time};

/// Makes port and bytes.
pub(super) type Body = fn(&Values) -> (u8, Bytes);

/// The encoder of a profile.
pub(super) fn body(profile: &str) -> Option<Body> {
    Some(match profile {
        "bosch-tps110" => tps110,
        "nwave-nps405" => nps405,
        "dragino-lht65" => lht65,
        "milesight-em300" => em300,
        "dragino-lgt92" => lgt92,
        "seeed-t1000" => t1000,
        _ => return None,
    })
}

/// An uplink as ChirpStack v4 publishes it.
pub(super) fn uplink(device: &str, counter: u64, taken: i64, port: u8, bytes: &[u8]) -> Vec<u8> {
    let uplink = json!({
        "deviceInfo": { "applicationName": "hospital", "devEui": device },
        "devAddr": "01a2b3c4", "time": local_time(taken), "fCnt": counter, "fPort": port,
        "data": STANDARD.encode(bytes),
        "rxInfo": [{ "gatewayId": "0016c001f1500001", "rssi": -97, "snr": 7.5 }],
    });
    uplink.to_string().into_bytes()
}

/// A value in steps of `step`.
fn steps(values: &Values, name: &str, step: f64) -> f64 {
    (number_of(values, name) / step).round()
}

/// A change on port 1; a heartbeat with the temperature on port 2.
fn tps110(values: &Values) -> (u8, Bytes) {
    let occupied = u8::from(is(values, "occupied", "occupied"));
    if is(values, "kind", "change") {
        return (1, (vec![occupied], &["occupied"]));
    }
    let temp = steps(values, "temp", 1.0) as i8;
    (2, (vec![occupied, temp.cast_unsigned()], &["occupied", "temp"]))
}

/// The lowest bit is the bay; the other seven are the length of the state before.
fn nps405(values: &Values) -> (u8, Bytes) {
    let port = if is(values, "kind", "change") { 1 } else { 2 };
    (port, (vec![0x50 | u8::from(is(values, "occupied", "occupied"))], &["occupied"]))
}

/// Battery with its state, room, and a probe that is plugged in.
fn lht65(values: &Values) -> (u8, Bytes) {
    let state = ["very_low", "low", "ok", "good"].iter().position(|state| is(values, "battery_state", state));
    let battery =
        u16::try_from(state.unwrap_or(0)).unwrap_or(0) << 14 | steps(values, "battery_voltage", 0.001) as u16;
    let mut out = battery.to_be_bytes().to_vec();
    out.extend((steps(values, "room_temp", 0.01) as i16).to_be_bytes());
    out.extend((steps(values, "room_rh", 0.1) as u16).to_be_bytes());
    out.push(1);
    out.extend((steps(values, "temp", 0.01) as i16).to_be_bytes());
    out.extend([0x7f, 0xff]);
    (2, (out, &["battery_state", "battery_voltage", "room_temp", "room_rh", "temp"]))
}

/// Channel, type and value, one after the other.
fn em300(values: &Values) -> (u8, Bytes) {
    let mut out = vec![0x01, 0x75, steps(values, "battery", 1.0) as u8, 0x03, 0x67];
    out.extend((steps(values, "temp", 0.1) as i16).to_le_bytes());
    out.extend([0x04, 0x68, steps(values, "rh", 0.5) as u8]);
    out.extend([0x06, 0x00, u8::from(is(values, "door", "open"))]);
    (85, (out, &["battery", "temp", "rh", "door"]))
}

/// A place in ten-thousandths of a degree, alarm and battery.
fn lgt92(values: &Values) -> (u8, Bytes) {
    let mut out = Vec::new();
    for name in ["lat", "lon"] {
        out.extend(&(steps(values, name, 0.0001) as i32).to_be_bytes()[1..]);
    }
    let battery =
        u16::from(is(values, "alarm", "yes")) << 14 | steps(values, "battery_voltage", 0.001) as u16;
    out.extend(battery.to_be_bytes());
    (2, (out, &["lat", "lon", "alarm", "battery_voltage"]))
}

/// A place by satellite (packet 0x09), or the heartbeat (0x05) where there is none.
fn t1000(values: &Values) -> (u8, Bytes) {
    let battery = steps(values, "battery", 1.0) as u8;
    if find(values, "lat").is_none() {
        let mode = ["standby", "periodic", "event"].iter().position(|mode| is(values, "mode", mode));
        return (
            5,
            (vec![0x05, battery, u8::try_from(mode.unwrap_or(1)).unwrap_or(1), 0, 1], &["battery", "mode"]),
        );
    }
    let mut out = vec![0x09, 0, 0, u8::from(is(values, "alarm", "yes")) << 6, 0, 0, 0, 0, 0];
    for name in ["lon", "lat"] {
        out.extend((steps(values, name, 0.000_001) as i32).to_be_bytes());
    }
    out.push(battery);
    (5, (out, &["battery", "lat", "lon", "alarm"]))
}
