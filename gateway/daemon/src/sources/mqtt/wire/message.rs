//! A message from us: to a device at our own listener, or to a broker.

use super::Version;
use super::reply::length;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Packet id of a message of QoS 1; `None`: QoS 0.
    pub id: Option<u16>,
    /// To be kept by a broker.
    pub retain: bool,
    /// Seconds after which nobody may pass it on any more (MQTT 5).
    pub expiry: Option<u32>,
}

/// Writes a PUBLISH.
pub fn message(out: &mut Vec<u8>, version: Version, message: &Message<'_>) {
    let mut head = Vec::with_capacity(message.topic.len() + 12);
    let topic = message.topic.get(..usize::from(u16::MAX)).unwrap_or(message.topic);
    head.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
    head.extend_from_slice(topic.as_bytes());
    head.extend(message.id.into_iter().flat_map(u16::to_be_bytes));
    if version == Version::V5 {
        match message.expiry {
            Some(seconds) => {
                head.extend_from_slice(&[5, 0x02]);
                head.extend_from_slice(&seconds.to_be_bytes());
            }
            None => head.push(0),
        }
    }
    out.push(0x30 | u8::from(message.id.is_some()) << 1 | u8::from(message.retain));
    length(out, head.len() + message.payload.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(message.payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_bytes_of_the_standard() {
        let mut out = Vec::new();
        let said = Message { topic: "a/b", payload: b"x", id: Some(10), retain: false, expiry: Some(5) };
        message(&mut out, Version::V4, &said);
        assert_eq!(out, [0x32, 8, 0, 3, b'a', b'/', b'b', 0, 10, b'x']);
        out.clear();
        message(&mut out, Version::V5, &said);
        assert_eq!(out, [0x32, 14, 0, 3, b'a', b'/', b'b', 0, 10, 5, 2, 0, 0, 0, 5, b'x']);
        out.clear();
        message(&mut out, Version::V5, &Message { id: None, retain: true, expiry: None, ..said });
        assert_eq!(out, [0x31, 7, 0, 3, b'a', b'/', b'b', 0, b'x']);
    }
}
