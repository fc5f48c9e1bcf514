//! MQTT 5 properties: checked for shape and place, nearly all of them then passed over.

use super::fields::Reader;
use super::{Bad, Version};

/// In which packet a list of properties stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Connect,
    ConnAck,
    Will,
    Publish,
    Subscribe,
    Unsubscribe,
    Ack,
    Disconnect,
}

/// One property that somebody here looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    SessionExpiry(u32),
    ReceiveMaximum(u16),
    PacketSize(u32),
    WillDelay(u32),
    Authentication,
    KeepAlive(u16),
    /// Well formed, of no concern to the door.
    Other,
}

/// Walks the properties of a packet.
pub struct Properties<'a> {
    reader: Reader<'a>,
    place: Place,
    /// Which identifiers were seen, one bit each: all but user properties may stand once only.
    seen: u64,
}

impl<'a> Properties<'a> {
    /// Takes the whole list out of `reader`.
    pub fn take(reader: &mut Reader<'a>, place: Place) -> Result<Self, Bad> {
        let length = reader.length()?;
        Ok(Self { reader: Reader::new(reader.take(length)?), place, seen: 0 })
    }

    fn one(&mut self) -> Result<Property, Bad> {
        use Place::{Ack, ConnAck, Connect, Disconnect, Publish, Subscribe, Will};
        let place = self.place;
        let reader = &mut self.reader;
        let id = reader.u8()?;
        let (allowed, property) = match id {
            // Payload format: taken on trust, the decoder finds out.
            0x01 => (matches!(place, Publish | Will), reader.u8().map(|_| Property::Other)),
            // Message expiry: a reading does not go stale on its way into the journal.
            0x02 => (matches!(place, Publish | Will), reader.u32().map(|_| Property::Other)),
            // Content type, response topic, correlation data.
            0x03 | 0x08 => (matches!(place, Publish | Will), reader.text().map(|_| Property::Other)),
            0x09 => (matches!(place, Publish | Will), reader.data().map(|_| Property::Other)),
            0x0B => (place == Subscribe, reader.length().map(|_| Property::Other)),
            0x11 => {
                (matches!(place, Connect | ConnAck | Disconnect), reader.u32().map(Property::SessionExpiry))
            }
            // Assigned client id, response information, reason: read past.
            0x12 | 0x1A => (place == ConnAck, reader.text().map(|_| Property::Other)),
            0x13 => (place == ConnAck, reader.u16().map(Property::KeepAlive)),
            0x15 => (matches!(place, Connect | ConnAck), reader.text().map(|_| Property::Authentication)),
            0x16 => (matches!(place, Connect | ConnAck), reader.data().map(|_| Property::Other)),
            // Request problem information, request response information.
            0x17 | 0x19 => (place == Connect, reader.u8().map(|_| Property::Other)),
            0x18 => (place == Will, reader.u32().map(Property::WillDelay)),
            // Server reference, reason.
            0x1C => (matches!(place, ConnAck | Disconnect), reader.text().map(|_| Property::Other)),
            0x1F => (matches!(place, ConnAck | Ack | Disconnect), reader.text().map(|_| Property::Other)),
            0x21 => (matches!(place, Connect | ConnAck), reader.u16().map(Property::ReceiveMaximum)),
            0x22 => (matches!(place, Connect | ConnAck), reader.u16().map(|_| Property::Other)),
            // What a broker does not offer.
            0x24 | 0x25 | 0x28..=0x2A => (place == ConnAck, reader.u8().map(|_| Property::Other)),
            0x23 if place == Publish => return Err(Bad::TopicAlias),
            0x26 => {
                reader.text()?;
                reader.text()?;
                return Ok(Property::Other);
            }
            0x27 => (matches!(place, Connect | ConnAck), reader.u32().map(Property::PacketSize)),
            _ => return Err(Bad::Malformed("a property that has no place there")),
        };
        if !allowed {
            return Err(Bad::Malformed("a property that has no place there"));
        }
        let bit = 1u64 << (id & 63);
        if self.seen & bit != 0 {
            return Err(Bad::Protocol("a property stands twice"));
        }
        self.seen |= bit;
        match property? {
            Property::ReceiveMaximum(0) | Property::PacketSize(0) => Err(Bad::Protocol("a limit of 0")),
            property => Ok(property),
        }
    }
}

impl Iterator for Properties<'_> {
    type Item = Result<Property, Bad>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        // The list is there in full, so a field that runs over its end is wrong and not late.
        Some(self.one().map_err(|bad| if bad == Bad::Short { Bad::Malformed("properties") } else { bad }))
    }
}

/// Passes over the properties of a packet; 3.1.1 has none.
pub fn skip(reader: &mut Reader<'_>, version: Version, place: Place) -> Result<(), Bad> {
    if version == Version::V4 {
        return Ok(());
    }
    Properties::take(reader, place)?.try_for_each(|property| property.map(drop))
}

/// The session expiry among the properties, if it is there.
pub fn session_expiry(reader: &mut Reader<'_>, place: Place) -> Result<Option<u32>, Bad> {
    let mut expiry = None;
    for property in Properties::take(reader, place)? {
        if let Property::SessionExpiry(seconds) = property? {
            expiry = Some(seconds);
        }
    }
    Ok(expiry)
}
