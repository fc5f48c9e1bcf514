//! The other direction: what a broker says to its client, and what a client says to its broker.

use super::fields::Reader;
use super::properties::{self, Place, Properties, Property};
use super::reply::length;
use super::{Ack, Bad, Publish, Version, publish};

/// What a broker can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromBroker<'a> {
    /// The answer to CONNECT.
    ConnAck(ConnAck),
    /// A message.
    Publish(Publish<'a>),
    /// The answer to SUBSCRIBE: packet id and one code for each filter.
    SubAck(u16, &'a [u8]),
    /// The answer to UNSUBSCRIBE.
    UnsubAck(u16),
    /// A step of an acknowledgement.
    Ack(Ack, u16),
    /// It is there.
    Pong,
    /// It ends the connection, with a reason (MQTT 5).
    Disconnect(u8),
}

/// The answer to CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnAck {
    /// The broker had kept our session.
    pub session_present: bool,
    /// 0: let in.
    pub code: u8,
    /// The broker's own idea of the keep-alive, in seconds (MQTT 5).
    pub keep_alive: Option<u16>,
}

/// Reads the body of a packet from a broker.
///
/// # Errors
/// When it breaks the standard.
pub fn from_broker(version: Version, first: u8, body: &[u8]) -> Result<FromBroker<'_>, Bad> {
    let mut reader = Reader::new(body);
    match first {
        0x20 => connack(version, reader).map(FromBroker::ConnAck),
        0x30..=0x3F => publish(version, first, body).map(FromBroker::Publish),
        0x40 | 0x50 | 0x62 | 0x70 => {
            let ack = match first {
                0x40 => Ack::PubAck,
                0x50 => Ack::PubRec,
                0x62 => Ack::PubRel,
                _ => Ack::PubComp,
            };
            let id = reader.packet_id()?;
            if version == Version::V5 && !reader.is_empty() {
                reader.u8()?;
                if !reader.is_empty() {
                    properties::skip(&mut reader, version, Place::Ack)?;
                }
            }
            reader.end()?;
            Ok(FromBroker::Ack(ack, id))
        }
        0x90 => {
            let id = reader.packet_id()?;
            properties::skip(&mut reader, version, Place::Ack)?;
            Ok(FromBroker::SubAck(id, reader.rest()))
        }
        0xB0 => Ok(FromBroker::UnsubAck(reader.packet_id()?)),
        0xD0 if body.is_empty() => Ok(FromBroker::Pong),
        0xE0 if version == Version::V5 => Ok(FromBroker::Disconnect(reader.u8().unwrap_or(0))),
        _ => Err(Bad::Malformed("packet type or flags")),
    }
}

fn connack(version: Version, mut reader: Reader<'_>) -> Result<ConnAck, Bad> {
    let flags = reader.u8()?;
    let code = reader.u8()?;
    let mut answer = ConnAck { session_present: flags & 1 != 0, code, keep_alive: None };
    // A broker that does not speak version 5 says so in the shape of 3.1.1, without properties.
    if version == Version::V5 && !reader.is_empty() {
        for property in Properties::take(&mut reader, Place::ConnAck)? {
            if let Property::KeepAlive(seconds) = property? {
                answer.keep_alive = Some(seconds);
            }
        }
    }
    reader.end()?;
    Ok(answer)
}

/// What a client says first.
#[derive(Debug, Clone, Copy)]
pub struct Introduce<'a> {
    /// Version to be spoken.
    pub version: Version,
    /// Client id.
    pub client_id: &'a str,
    /// Begin afresh.
    pub clean: bool,
    /// Seconds.
    pub keep_alive: u16,
    /// Seconds (MQTT 5).
    pub session_expiry: u32,
    /// How many messages may be under way to us (MQTT 5).
    pub receive_maximum: u16,
    /// User name.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
}

/// Writes a CONNECT.
pub fn connect(out: &mut Vec<u8>, hello: &Introduce<'_>) {
    let level = if hello.version == Version::V4 { 4 } else { 5 };
    // 3.1.1 knows no password without a user name.
    let username = hello.username.or(hello.password.map(|_| ""));
    let flags = u8::from(hello.clean) << 1
        | u8::from(username.is_some()) << 7
        | u8::from(hello.password.is_some()) << 6;
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, flags];
    body.extend_from_slice(&hello.keep_alive.to_be_bytes());
    if hello.version == Version::V5 {
        body.extend_from_slice(&[8, 0x11]);
        body.extend_from_slice(&hello.session_expiry.to_be_bytes());
        body.push(0x21);
        body.extend_from_slice(&hello.receive_maximum.to_be_bytes());
    }
    for field in [Some(hello.client_id), username, hello.password].into_iter().flatten() {
        text(&mut body, field);
    }
    packet(out, 0x10, &body);
}

/// Writes a SUBSCRIBE. In version 5 retained messages come only for filters that are new to the broker.
pub fn subscribe<'a>(
    out: &mut Vec<u8>,
    version: Version,
    id: u16,
    filters: impl IntoIterator<Item = &'a str>,
    qos: u8,
) {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    for filter in filters {
        text(&mut body, filter);
        body.push(if version == Version::V5 { qos | 0x10 } else { qos });
    }
    packet(out, 0x82, &body);
}

/// Writes an UNSUBSCRIBE.
pub fn unsubscribe<'a>(
    out: &mut Vec<u8>,
    version: Version,
    id: u16,
    filters: impl IntoIterator<Item = &'a str>,
) {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    for filter in filters {
        text(&mut body, filter);
    }
    packet(out, 0xA2, &body);
}

/// Asks whether the broker is there.
pub fn pingreq(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xC0, 0]);
}

/// Leaves in peace; the session stays.
pub fn goodbye(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xE0, 0]);
}

fn packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    length(out, body.len());
    out.extend_from_slice(body);
}

/// A text field; the settings keep texts far below 64 KiB.
fn text(out: &mut Vec<u8>, text: &str) {
    let text = text.get(..usize::from(u16::MAX)).unwrap_or(text);
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
