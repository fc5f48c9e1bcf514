//! BTHome version 2: what sensors broadcast, number by number.

use crate::codec::cursor::Cursor;
use crate::codec::document::{CodecError, Document};

/// A thing that a sensor may send.
struct Object {
    id: u8,
    name: &'static str,
    kind: Kind,
}

/// How it is written.
#[derive(Clone, Copy)]
enum Kind {
    /// A number of so many bytes, times ten to this power.
    Unsigned(usize, i8),
    Signed(usize, i8),
    /// A signed byte in steps of 0.35.
    Steps,
    /// Yes or no.
    Flag,
    Button,
    Dimmer,
    /// Seconds since 1970.
    Time,
    Text,
    Raw,
    /// The model of a sensor.
    Model,
    /// A version of four or of three parts, the last of them first.
    Version(usize),
}

const fn object(id: u8, name: &'static str, kind: Kind) -> Object {
    Object { id, name, kind }
}

/// Name and unit in one, where a unit is not plain from the name.
const OBJECTS: &[Object] = &[
    object(0x00, "packet_id", Kind::Unsigned(1, 0)),
    object(0x01, "battery", Kind::Unsigned(1, 0)),
    object(0x02, "temperature", Kind::Signed(2, -2)),
    object(0x03, "humidity", Kind::Unsigned(2, -2)),
    object(0x04, "pressure_hpa", Kind::Unsigned(3, -2)),
    object(0x05, "illuminance_lx", Kind::Unsigned(3, -2)),
    object(0x06, "mass_kg", Kind::Unsigned(2, -2)),
    object(0x07, "mass_lb", Kind::Unsigned(2, -2)),
    object(0x08, "dew_point", Kind::Signed(2, -2)),
    object(0x09, "count", Kind::Unsigned(1, 0)),
    object(0x0a, "energy_kwh", Kind::Unsigned(3, -3)),
    object(0x0b, "power_w", Kind::Unsigned(3, -2)),
    object(0x0c, "voltage", Kind::Unsigned(2, -3)),
    object(0x0d, "pm2_5", Kind::Unsigned(2, 0)),
    object(0x0e, "pm10", Kind::Unsigned(2, 0)),
    object(0x0f, "on", Kind::Flag),
    object(0x10, "power", Kind::Flag),
    object(0x11, "opening", Kind::Flag),
    object(0x12, "co2_ppm", Kind::Unsigned(2, 0)),
    object(0x13, "tvoc", Kind::Unsigned(2, 0)),
    object(0x14, "moisture", Kind::Unsigned(2, -2)),
    object(0x15, "battery_low", Kind::Flag),
    object(0x16, "battery_charging", Kind::Flag),
    object(0x17, "carbon_monoxide", Kind::Flag),
    object(0x18, "cold", Kind::Flag),
    object(0x19, "connected", Kind::Flag),
    object(0x1a, "door", Kind::Flag),
    object(0x1b, "garage_door", Kind::Flag),
    object(0x1c, "gas_found", Kind::Flag),
    object(0x1d, "heat", Kind::Flag),
    object(0x1e, "light", Kind::Flag),
    object(0x1f, "unlocked", Kind::Flag),
    object(0x20, "wet", Kind::Flag),
    object(0x21, "motion", Kind::Flag),
    object(0x22, "moving", Kind::Flag),
    object(0x23, "occupancy", Kind::Flag),
    object(0x24, "plugged", Kind::Flag),
    object(0x25, "presence", Kind::Flag),
    object(0x26, "problem", Kind::Flag),
    object(0x27, "running", Kind::Flag),
    object(0x28, "safe", Kind::Flag),
    object(0x29, "smoke", Kind::Flag),
    object(0x2a, "sound", Kind::Flag),
    object(0x2b, "tamper", Kind::Flag),
    object(0x2c, "vibration", Kind::Flag),
    object(0x2d, "window", Kind::Flag),
    object(0x2e, "humidity", Kind::Unsigned(1, 0)),
    object(0x2f, "moisture", Kind::Unsigned(1, 0)),
    object(0x3a, "button", Kind::Button),
    object(0x3c, "dimmer", Kind::Dimmer),
    object(0x3d, "count", Kind::Unsigned(2, 0)),
    object(0x3e, "count", Kind::Unsigned(4, 0)),
    object(0x3f, "rotation", Kind::Signed(2, -1)),
    object(0x40, "distance_mm", Kind::Unsigned(2, 0)),
    object(0x41, "distance_m", Kind::Unsigned(2, -1)),
    object(0x42, "duration_s", Kind::Unsigned(3, -3)),
    object(0x43, "current_a", Kind::Unsigned(2, -3)),
    object(0x44, "speed", Kind::Unsigned(2, -2)),
    object(0x45, "temperature", Kind::Signed(2, -1)),
    object(0x46, "uv_index", Kind::Unsigned(1, -1)),
    object(0x47, "volume_l", Kind::Unsigned(2, -1)),
    object(0x48, "volume_ml", Kind::Unsigned(2, 0)),
    object(0x49, "flow_m3h", Kind::Unsigned(2, -3)),
    object(0x4a, "voltage", Kind::Unsigned(2, -1)),
    object(0x4b, "gas_m3", Kind::Unsigned(3, -3)),
    object(0x4c, "gas_m3", Kind::Unsigned(4, -3)),
    object(0x4d, "energy_kwh", Kind::Unsigned(4, -3)),
    object(0x4e, "volume_l", Kind::Unsigned(4, -3)),
    object(0x4f, "water_l", Kind::Unsigned(4, -3)),
    object(0x50, "timestamp", Kind::Time),
    object(0x51, "acceleration", Kind::Unsigned(2, -3)),
    object(0x52, "gyroscope", Kind::Unsigned(2, -3)),
    object(0x53, "text", Kind::Text),
    object(0x54, "raw", Kind::Raw),
    object(0x55, "storage_l", Kind::Unsigned(4, -3)),
    object(0x56, "conductivity", Kind::Unsigned(2, 0)),
    object(0x57, "temperature", Kind::Signed(1, 0)),
    object(0x58, "temperature", Kind::Steps),
    object(0x59, "count", Kind::Signed(1, 0)),
    object(0x5a, "count", Kind::Signed(2, 0)),
    object(0x5b, "count", Kind::Signed(4, 0)),
    object(0x5c, "power_w", Kind::Signed(4, -2)),
    object(0x5d, "current_a", Kind::Signed(2, -3)),
    object(0x5e, "direction", Kind::Unsigned(2, -2)),
    object(0x5f, "precipitation_mm", Kind::Unsigned(2, -1)),
    object(0x60, "channel", Kind::Unsigned(1, 0)),
    object(0x61, "rotational_speed_rpm", Kind::Unsigned(2, 0)),
    object(0x62, "speed", Kind::Signed(4, -6)),
    object(0x63, "acceleration", Kind::Signed(4, -6)),
    object(0x64, "light_level", Kind::Unsigned(1, 0)),
    object(0xf0, "device_type", Kind::Model),
    object(0xf1, "firmware", Kind::Version(4)),
    object(0xf2, "firmware", Kind::Version(3)),
];

const BUTTONS: [(u8, &str); 8] = [
    (0x00, "none"),
    (0x01, "press"),
    (0x02, "double_press"),
    (0x03, "triple_press"),
    (0x04, "long_press"),
    (0x05, "long_double_press"),
    (0x06, "long_triple_press"),
    (0x80, "hold_press"),
];
const TURNS: [(u8, &str); 3] = [(0x00, "none"), (0x01, "left"), (0x02, "right")];

/// The bytes behind the number of the service.
pub(super) fn read(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let at = bytes.at();
    let information = bytes.u8("device_information")?;
    if information & 1 != 0 {
        return Err(CodecError::at(
            at,
            "it is encrypted; give the sensor no key, or have the reader take it off",
        ));
    }
    let version = information >> 5;
    if version != 2 {
        return Err(CodecError::at(at, format!("this is BTHome {version}; 2 is read")));
    }
    document.key("on_event");
    document.flag(information >> 2 & 1 == 1);
    // A sensor may send a thing several times, for several probes: they are counted.
    let mut times = [0_u8; OBJECTS.len()];
    while !bytes.rest().is_empty() {
        let at = bytes.at();
        let id = bytes.u8("object")?;
        // Without its length nothing behind an unknown thing can be read; the format says to leave it.
        let Ok(place) = OBJECTS.binary_search_by_key(&id, |object| object.id) else {
            document.key("unknown_object");
            document.whole(id.into());
            break;
        };
        let object = &OBJECTS[place];
        let same = OBJECTS.iter().position(|other| other.name == object.name).unwrap_or(place);
        times[same] = times[same].saturating_add(1);
        match times[same] {
            1 => document.key(object.name),
            u8::MAX => return Err(CodecError::at(at, format!("more than {} parts", u8::MAX - 1))),
            n => document.key(&format!("{}_{n}", object.name)),
        }
        value(object, bytes, document)?;
    }
    Ok(())
}

fn value(object: &Object, bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let name = object.name;
    match object.kind {
        Kind::Unsigned(size, power) => document.decimal(unsigned(bytes.take(size, name)?), power),
        Kind::Signed(size, power) => document.decimal(signed(bytes.take(size, name)?), power),
        Kind::Steps => document.decimal(signed(bytes.take(1, name)?) * 35, -2),
        Kind::Flag => document.flag(bytes.u8(name)? != 0),
        Kind::Button => word(document, bytes.u8(name)?, &BUTTONS),
        Kind::Dimmer => {
            document.begin_object();
            document.key("turned");
            word(document, bytes.u8(name)?, &TURNS);
            document.key("steps");
            document.whole(bytes.u8(name)?.into());
            document.end_object();
        }
        Kind::Time => document.whole(unsigned(bytes.take(4, name)?).into()),
        Kind::Text => {
            let length = bytes.u8(name)?;
            document.text(&String::from_utf8_lossy(bytes.take(length.into(), name)?));
        }
        Kind::Raw => {
            let length = bytes.u8(name)?;
            document.bytes(bytes.take(length.into(), name)?);
        }
        Kind::Model => document.whole(bytes.u16(name)?.into()),
        Kind::Version(parts) => {
            let parts = bytes.take(parts, name)?.iter().rev().map(u8::to_string);
            document.text(&parts.collect::<Vec<_>>().join("."));
        }
    }
    Ok(())
}

/// The lowest byte first.
fn unsigned(bytes: &[u8]) -> i64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

fn signed(bytes: &[u8]) -> i64 {
    let above = 64 - 8 * bytes.len();
    unsigned(bytes) << above >> above
}

fn word(document: &mut Document<'_>, number: u8, words: &[(u8, &str)]) {
    match words.iter().find(|(known, _)| *known == number) {
        Some((_, word)) => document.text(word),
        None => document.whole(number.into()),
    }
}
