//! What the door says.

use super::{Ack, Version};

/// What a CONNACK of MQTT 5 announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce<'a> {
    /// How many messages of QoS 1 and 2 may be under way.
    pub receive_maximum: u16,
    /// The largest packet that is taken.
    pub packet_size: u32,
    /// The session expiry in force, when it is not what the client asked for.
    pub session_expiry: Option<u32>,
    /// The client id given to a client without one.
    pub client_id: Option<&'a str>,
}

/// Accepts a client.
pub fn connack(out: &mut Vec<u8>, version: Version, session_present: bool, announce: Announce<'_>) {
    let flags = u8::from(session_present);
    if version == Version::V4 {
        out.extend_from_slice(&[0x20, 2, flags, 0]);
        return;
    }
    // Topic aliases are 0 when nothing is said. Subscription ids and shared subscriptions are refused. Retained
    // messages and wildcards are not: a device's retained status and its `cmd/+` need them (DESIGN 4).
    let mut properties = vec![0x29, 0, 0x2A, 0, 0x21];
    properties.extend_from_slice(&announce.receive_maximum.to_be_bytes());
    properties.push(0x27);
    properties.extend_from_slice(&announce.packet_size.to_be_bytes());
    if let Some(seconds) = announce.session_expiry {
        properties.push(0x11);
        properties.extend_from_slice(&seconds.to_be_bytes());
    }
    if let Some(id) = announce.client_id {
        properties.push(0x12);
        properties.extend_from_slice(&u16::try_from(id.len()).unwrap_or(0).to_be_bytes());
        properties.extend_from_slice(id.as_bytes());
    }
    out.push(0x20);
    length(out, properties.len() + 3);
    out.extend_from_slice(&[flags, 0]);
    length(out, properties.len());
    out.extend_from_slice(&properties);
}

/// Refuses a client: a CONNACK of its version with this code.
pub fn refuse(out: &mut Vec<u8>, version: Version, code: u8) {
    match version {
        Version::V4 => out.extend_from_slice(&[0x20, 2, 0, code]),
        Version::V5 => out.extend_from_slice(&[0x20, 3, 0, code, 0]),
    }
}

/// A step of an acknowledgement; a `code` other than 0 is for MQTT 5 only.
pub fn ack(out: &mut Vec<u8>, ack: Ack, id: u16, code: u8) {
    let [high, low] = id.to_be_bytes();
    if code == 0 {
        out.extend_from_slice(&[ack.first_byte(), 2, high, low]);
    } else {
        out.extend_from_slice(&[ack.first_byte(), 3, high, low, code]);
    }
}

/// Answers a SUBSCRIBE, one code for each filter.
pub fn suback(out: &mut Vec<u8>, version: Version, id: u16, codes: &[u8]) {
    answer(out, 0x90, version, id, codes);
}

/// Answers an UNSUBSCRIBE; only MQTT 5 carries the codes.
pub fn unsuback(out: &mut Vec<u8>, version: Version, id: u16, codes: &[u8]) {
    answer(out, 0xB0, version, id, if version == Version::V4 { &[] } else { codes });
}

/// Answers a PINGREQ.
pub fn pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xD0, 0]);
}

/// Tells a client of MQTT 5 why it is left; 3.1.1 has no word for it.
pub fn disconnect(out: &mut Vec<u8>, version: Version, code: u8) {
    if version == Version::V5 {
        out.extend_from_slice(&[0xE0, 1, code]);
    }
}

fn answer(out: &mut Vec<u8>, first: u8, version: Version, id: u16, codes: &[u8]) {
    out.push(first);
    length(out, 2 + usize::from(version == Version::V5) + codes.len());
    out.extend_from_slice(&id.to_be_bytes());
    if version == Version::V5 {
        out.push(0);
    }
    out.extend_from_slice(codes);
}

pub(super) fn length(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
