//! MQTT 3.1.1 and 5 as this door speaks it: pure, borrowing, nothing is allocated per packet.
//!
//! The rest of the room sees [`Packet`] only. Nothing here reads a socket, a clock or the settings.

pub mod broker;
mod connect;
mod fields;
mod message;
mod properties;
mod reply;
#[cfg(test)]
mod tests;

pub use connect::{Connect, Will};
pub use message::{Message, message};
pub use reply::{Announce, ack, connack, disconnect, pingresp, refuse, suback, unsuback};

use fields::Reader;
use properties::Place;

/// Protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

/// What is wrong with the bytes of a client. Every one of them ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// The packet ends inside a field.
    #[error("a packet ends inside a field")]
    Short,
    /// Bytes that the standard does not allow there.
    #[error("malformed packet: {0}")]
    Malformed(&'static str),
    /// A packet that may not come from a client, or not now.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// A topic name that is empty or holds a wildcard.
    #[error("a topic name must not be empty and must not hold + or #")]
    TopicName,
    /// A topic alias, although none is offered.
    #[error("topic aliases are not offered")]
    TopicAlias,
    /// Larger than is taken.
    #[error("a packet is larger than is taken")]
    TooLarge,
    /// A protocol level that is not spoken here.
    #[error("protocol level {0} is not spoken here, only 4 (3.1.1) and 5")]
    Level(u8),
    /// Enhanced authentication, which is not offered.
    #[error("enhanced authentication is not offered")]
    Authentication,
}

impl Bad {
    /// The MQTT 5 reason code that tells it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Short | Self::Malformed(_) => 0x81,
            Self::Protocol(_) => 0x82,
            Self::TopicName => 0x90,
            Self::TopicAlias => 0x94,
            Self::TooLarge => 0x95,
            Self::Level(_) => 0x84,
            Self::Authentication => 0x8C,
        }
    }

    /// The label under which it is counted.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Short | Self::Malformed(_) => "malformed",
            Self::Protocol(_) => "protocol",
            Self::TopicName => "topic_name",
            Self::TopicAlias => "topic_alias",
            Self::TooLarge => "too_large",
            Self::Level(_) => "version",
            Self::Authentication => "authentication",
        }
    }
}

/// The fixed header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Type and flags.
    pub first: u8,
    /// Length of the fixed header itself.
    pub head: usize,
    /// Length of what follows it.
    pub body: usize,
}

impl Header {
    /// Whether it begins a PUBLISH.
    #[must_use]
    pub const fn is_publish(&self) -> bool {
        self.first >> 4 == 3
    }

    /// Whether it begins a CONNECT.
    #[must_use]
    pub const fn is_connect(&self) -> bool {
        self.first == 0x10
    }
}

/// Reads a fixed header; `None`: more bytes are needed.
///
/// # Errors
/// When the length is longer than four bytes.
pub fn header(buffer: &[u8]) -> Result<Option<Header>, Bad> {
    let Some((&first, rest)) = buffer.split_first() else { return Ok(None) };
    let mut body = 0usize;
    for (i, &byte) in rest.iter().take(4).enumerate() {
        body |= usize::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok(Some(Header { first, head: i + 2, body }));
        }
    }
    if rest.len() >= 4 { Err(Bad::Malformed("the length is longer than four bytes")) } else { Ok(None) }
}

/// What a connected client can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A message.
    Publish(Publish<'a>),
    /// It wants to hear topics.
    Subscribe(Filters<'a>),
    /// It no longer wants to.
    Unsubscribe(Filters<'a>),
    /// A step of an acknowledgement.
    Ack(Ack, u16),
    /// It asks whether we are there.
    Ping,
    /// It leaves.
    Disconnect(Leave),
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The topic name.
    pub topic: &'a str,
    /// The payload; of an oversize message, what is there of it.
    pub payload: &'a [u8],
    /// Packet id; 0 with QoS 0.
    pub id: u16,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The sender says that it may have sent this before.
    pub dup: bool,
    /// The sender wants it kept for later subscribers.
    pub retain: bool,
}

/// Which step of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// QoS 1: taken over.
    PubAck,
    /// QoS 2, step one: taken over.
    PubRec,
    /// QoS 2, step two: the sender forgets the message.
    PubRel,
    /// QoS 2, step three: the receiver forgets the id.
    PubComp,
}

impl Ack {
    const fn first_byte(self) -> u8 {
        match self {
            Self::PubAck => 0x40,
            Self::PubRec => 0x50,
            Self::PubRel => 0x62,
            Self::PubComp => 0x70,
        }
    }
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leave {
    /// The last will is to be published all the same (MQTT 5, reason 0x04).
    pub with_will: bool,
    /// A new session expiry in seconds (MQTT 5).
    pub expiry: Option<u32>,
}

/// Topic filters of a SUBSCRIBE or UNSUBSCRIBE, checked when the packet was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filters<'a> {
    /// Packet id of the request.
    pub id: u16,
    rest: &'a [u8],
    options: bool,
}

impl<'a> Filters<'a> {
    fn new(mut reader: Reader<'a>, id: u16, version: Version, options: bool) -> Result<Self, Bad> {
        let rest = reader.rest();
        let mut some = false;
        while !reader.is_empty() {
            some = true;
            reader.filter()?;
            if options {
                // 3.1.1 has the QoS alone, 5 has three more options above it.
                let reserved = if version == Version::V4 { 0xFC } else { 0xC0 };
                let byte = reader.u8()?;
                if byte & reserved != 0 || byte & 3 == 3 {
                    return Err(Bad::Malformed("subscription options"));
                }
            }
        }
        if some { Ok(Self { id, rest, options }) } else { Err(Bad::Protocol("no topic filter")) }
    }
}

impl<'a> Iterator for Filters<'a> {
    /// The filter and the greatest QoS that is asked for.
    type Item = (&'a str, u8);

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = Reader::new(self.rest);
        let filter = reader.filter().ok()?;
        let qos = if self.options { reader.u8().ok()? & 3 } else { 0 };
        self.rest = reader.rest();
        Some((filter, qos))
    }
}

/// Reads the body of a packet whose header was read by [`header`].
///
/// # Errors
/// When it breaks the standard or uses what is not offered.
pub fn packet(version: Version, first: u8, body: &[u8]) -> Result<Packet<'_>, Bad> {
    let mut reader = Reader::new(body);
    match first {
        0x30..=0x3F => publish(version, first, body).map(Packet::Publish),
        0x40 => acknowledgement(version, Ack::PubAck, reader),
        0x50 => acknowledgement(version, Ack::PubRec, reader),
        0x62 => acknowledgement(version, Ack::PubRel, reader),
        0x70 => acknowledgement(version, Ack::PubComp, reader),
        0x82 | 0xA2 => {
            let id = reader.packet_id()?;
            let place = if first == 0x82 { Place::Subscribe } else { Place::Unsubscribe };
            properties::skip(&mut reader, version, place)?;
            let filters = Filters::new(reader, id, version, first == 0x82)?;
            Ok(if first == 0x82 { Packet::Subscribe(filters) } else { Packet::Unsubscribe(filters) })
        }
        0xC0 if body.is_empty() => Ok(Packet::Ping),
        0xE0 => leave(version, reader),
        0x10..=0x1F => Err(Bad::Protocol("a second CONNECT")),
        0xF0 if version == Version::V5 => Err(Bad::Authentication),
        0x20..=0x2F | 0x90..=0x9F | 0xB0..=0xBF | 0xD0..=0xDF => {
            Err(Bad::Protocol("a packet that only servers send"))
        }
        _ => Err(Bad::Malformed("packet type or flags")),
    }
}

/// Reads a PUBLISH, or as much of its payload as is there. [`Bad::Short`]: the payload has not begun yet.
///
/// # Errors
/// When it breaks the standard or uses what is not offered.
pub fn publish(version: Version, first: u8, body: &[u8]) -> Result<Publish<'_>, Bad> {
    let mut reader = Reader::new(body);
    let qos = first >> 1 & 3;
    let dup = first & 8 != 0;
    if qos == 3 || (qos == 0 && dup) {
        return Err(Bad::Malformed("flags of a PUBLISH"));
    }
    let topic = reader.topic_name()?;
    let id = if qos == 0 { 0 } else { reader.packet_id()? };
    properties::skip(&mut reader, version, Place::Publish)?;
    Ok(Publish { topic, payload: reader.rest(), id, qos, dup, retain: first & 1 != 0 })
}

fn acknowledgement(version: Version, ack: Ack, mut reader: Reader<'_>) -> Result<Packet<'_>, Bad> {
    let id = reader.packet_id()?;
    if version == Version::V5 && !reader.is_empty() {
        reader.u8()?;
        if !reader.is_empty() {
            properties::skip(&mut reader, version, Place::Ack)?;
        }
    }
    reader.end()?;
    Ok(Packet::Ack(ack, id))
}

fn leave(version: Version, mut reader: Reader<'_>) -> Result<Packet<'_>, Bad> {
    let mut leave = Leave::default();
    if version == Version::V5 && !reader.is_empty() {
        leave.with_will = reader.u8()? == 0x04;
        if !reader.is_empty() {
            leave.expiry = properties::session_expiry(&mut reader, Place::Disconnect)?;
        }
    }
    reader.end()?;
    Ok(Packet::Disconnect(leave))
}
