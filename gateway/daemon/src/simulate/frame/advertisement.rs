//! Bluetooth advertisements as a reader passes them on: BTHome version 2 and iBeacon.

use orderly_core::value::Value;

use super::super::value::{Values, find, is, number_of};
use super::Bytes;

/// Makes the data of one advertisement.
pub(super) type Body = fn(&Values) -> Bytes;

/// The encoder of a profile.
pub(super) fn body(profile: &str) -> Option<Body> {
    Some(match profile {
        "bthome-th" => bthome,
        "ble-ibeacon" => ibeacon,
        _ => return None,
    })
}

/// General discoverable, no classic Bluetooth.
const FLAGS: [u8; 3] = [0x02, 0x01, 0x06];

/// Battery, temperature, humidity and door, by the numbers of their objects.
fn bthome(values: &Values) -> Bytes {
    let mut data = vec![0x16, 0xd2, 0xfc, 0x40, 0x01, number_of(values, "battery") as u8, 0x02];
    data.extend(((number_of(values, "temp") * 100.0).round() as i16).to_le_bytes());
    data.push(0x03);
    data.extend(((number_of(values, "rh") * 100.0).round() as u16).to_le_bytes());
    data.extend([0x1a, u8::from(is(values, "door", "open"))]);
    (with_length(&data), &["battery", "temp", "rh", "door"])
}

/// The beacon's own name and its power at one metre.
fn ibeacon(values: &Values) -> Bytes {
    let mut data = vec![0xff, 0x4c, 0x00, 0x02, 0x15];
    if let Some(Value::State(uuid)) = find(values, "uuid")
        && let Ok(uuid) = uuid::Uuid::parse_str(uuid)
    {
        data.extend(uuid.as_bytes());
    }
    for name in ["major", "minor"] {
        data.extend((number_of(values, name) as u16).to_be_bytes());
    }
    data.push((number_of(values, "power_at_1m") as i8).cast_unsigned());
    (with_length(&data), &["uuid", "major", "minor", "power_at_1m"])
}

fn with_length(data: &[u8]) -> Vec<u8> {
    let mut out = FLAGS.to_vec();
    out.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
    out.extend(data);
    out
}
