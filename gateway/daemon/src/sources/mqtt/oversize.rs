//! A message too large to keep: read through, hashed, and recorded by its head (DESIGN 7.9).

use orderly_core::record::{Flags, Oversize};

use super::wire::Publish;

/// How much of it is kept.
const HEAD: usize = 4 << 10;

/// A message that is being read through.
pub struct Reading {
    /// Its topic.
    pub topic: String,
    /// Its packet id.
    pub id: u16,
    /// Its QoS.
    pub qos: u8,
    /// It may have been sent before.
    pub dup: bool,
    left: usize,
    bytes: u64,
    hasher: blake3::Hasher,
    head: Vec<u8>,
}

impl Reading {
    /// Begins with a PUBLISH of which `left` bytes of payload are still to come, those in `publish` included.
    pub fn begin(publish: &Publish<'_>, left: usize) -> Self {
        Self {
            topic: publish.topic.to_owned(),
            id: publish.id,
            qos: publish.qos,
            dup: publish.dup,
            left,
            bytes: left as u64,
            hasher: blake3::Hasher::new(),
            head: Vec::new(),
        }
    }

    /// Takes what belongs to it from the front of `input`; how much that was.
    pub fn feed(&mut self, input: &[u8]) -> usize {
        let part = input.get(..self.left).unwrap_or(input);
        self.hasher.update(part);
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(part.get(..room).unwrap_or(part));
        self.left -= part.len();
        part.len()
    }

    /// Whether all of it was read.
    pub const fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The message without its payload.
    #[must_use]
    pub const fn publish<'a>(&self, topic: &'a str) -> Publish<'a> {
        Publish { topic, payload: &[], id: self.id, qos: self.qos, dup: self.dup, retain: false }
    }

    /// The body and the flag of its record.
    pub fn body(self) -> Result<(Vec<u8>, Flags), rmp_serde::encode::Error> {
        let blake3 = self.hasher.finalize().as_bytes().to_vec();
        let body = Oversize { bytes: self.bytes, blake3, head: self.head };
        Ok((rmp_serde::to_vec_named(&body)?, Flags::OVERSIZE))
    }
}
