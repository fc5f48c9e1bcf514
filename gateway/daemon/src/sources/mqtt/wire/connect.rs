//! The CONNECT packet.

use super::fields::Reader;
use super::properties::{Place, Properties, Property};
use super::{Bad, Version};

/// What a client says about itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version it speaks.
    pub version: Version,
    /// Its own name for the connection; may be empty.
    pub client_id: &'a str,
    /// It wants to begin afresh (`clean session`, `clean start`).
    pub clean: bool,
    /// Seconds; 0: it may be silent for ever.
    pub keep_alive: u16,
    /// Seconds for which its session outlives the connection; `u32::MAX`: for ever.
    pub session_expiry: u32,
    /// Its last will.
    pub will: Option<Will<'a>>,
    /// User name.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a [u8]>,
}

/// What is to be said for a client that vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// It is to be kept for later subscribers.
    pub retain: bool,
    /// Seconds to wait for the client to come back (MQTT 5).
    pub delay: u32,
}

impl<'a> Connect<'a> {
    /// Reads the body of a CONNECT.
    ///
    /// # Errors
    /// When it breaks the standard or uses what is not offered.
    pub fn read(body: &'a [u8]) -> Result<Self, Bad> {
        let mut reader = Reader::new(body);
        let name = reader.text()?;
        let level = reader.u8()?;
        let version = match (name, level) {
            ("MQTT", 4) => Version::V4,
            ("MQTT", 5) => Version::V5,
            ("MQTT" | "MQIsdp", level) => return Err(Bad::Level(level)),
            _ => return Err(Bad::Protocol("not MQTT")),
        };
        let flags = Flags::check(reader.u8()?, version)?;
        let keep_alive = reader.u16()?;
        let mut session_expiry = if version == Version::V4 && !flags.clean { u32::MAX } else { 0 };
        if version == Version::V5 {
            for property in Properties::take(&mut reader, Place::Connect)? {
                match property? {
                    Property::SessionExpiry(seconds) => session_expiry = seconds,
                    Property::Authentication => return Err(Bad::Authentication),
                    // Nothing is sent to clients that these could limit.
                    Property::ReceiveMaximum(_)
                    | Property::PacketSize(_)
                    | Property::WillDelay(_)
                    | Property::KeepAlive(_)
                    | Property::Other => {}
                }
            }
        }
        let client_id = reader.text()?;
        let will = if flags.will { Some(will(&mut reader, version, flags.will_retain)?) } else { None };
        let username = if flags.username { Some(reader.text()?) } else { None };
        let password = if flags.password { Some(reader.data()?) } else { None };
        reader.end()?;
        let clean = flags.clean;
        Ok(Self { version, client_id, clean, keep_alive, session_expiry, will, username, password })
    }
}

struct Flags {
    clean: bool,
    will: bool,
    will_retain: bool,
    username: bool,
    password: bool,
}

impl Flags {
    fn check(byte: u8, version: Version) -> Result<Self, Bad> {
        let bit = |n: u8| byte >> n & 1 == 1;
        let flags =
            Self { clean: bit(1), will: bit(2), will_retain: bit(5), password: bit(6), username: bit(7) };
        let will_qos = byte >> 3 & 3;
        if bit(0) || will_qos == 3 || (!flags.will && (will_qos != 0 || flags.will_retain)) {
            return Err(Bad::Malformed("flags of a CONNECT"));
        }
        if version == Version::V4 && flags.password && !flags.username {
            return Err(Bad::Malformed("a password without a user name"));
        }
        Ok(flags)
    }
}

fn will<'a>(reader: &mut Reader<'a>, version: Version, retain: bool) -> Result<Will<'a>, Bad> {
    let mut delay = 0;
    if version == Version::V5 {
        for property in Properties::take(reader, Place::Will)? {
            if let Property::WillDelay(seconds) = property? {
                delay = seconds;
            }
        }
    }
    let topic = reader.topic_name()?;
    let payload = reader.data()?;
    Ok(Will { topic, payload, retain, delay })
}
