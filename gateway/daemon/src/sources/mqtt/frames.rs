//! The bytes that came and were not handled, cut into packets. A message too large to keep is read through, so that it
//! does not stop the one behind it.

use super::oversize;
use super::wire::{self, Bad, Version};

/// How large a packet may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Version that is spoken.
    pub version: Version,
    /// Messages up to this size are kept whole; in bytes.
    pub max_kept: usize,
    /// Larger messages are not taken at all; in bytes.
    pub max_taken: usize,
}

/// What came on one connection and was not handled.
pub struct Frames {
    inbox: Vec<u8>,
    /// How much of `inbox` was handled.
    at: usize,
    large: Option<Box<oversize::Reading>>,
    limits: Limits,
}

/// Where a message stands that is too large to keep.
pub enum Large {
    /// There is none.
    No,
    /// More of it is to come.
    Partly,
    /// It was read through.
    Whole(Box<oversize::Reading>),
}

impl Frames {
    /// Begins with what came already.
    #[must_use]
    pub const fn new(inbox: Vec<u8>, limits: Limits) -> Self {
        Self { inbox, at: 0, large: None, limits }
    }

    /// Where new bytes are put, at the end.
    pub const fn inbox(&mut self) -> &mut Vec<u8> {
        &mut self.inbox
    }

    /// Reads on in a message that is too large to keep.
    pub fn large(&mut self) -> Large {
        let Some(mut large) = self.large.take() else { return Large::No };
        self.at += large.feed(self.inbox.get(self.at..).unwrap_or_default());
        if large.is_done() {
            return Large::Whole(large);
        }
        self.large = Some(large);
        Large::Partly
    }

    /// Whether a message that is too large to keep has begun.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.large.is_some()
    }

    /// The whole packets that came.
    pub fn packets(&mut self) -> Packets<'_> {
        let Self { inbox, at, large, limits } = self;
        Packets { inbox, at, large, limits: *limits }
    }

    /// The topic of the message that comes next, if that much of it has come; also of one that is not taken.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        let rest = self.inbox.get(self.at..)?;
        let header = wire::header(rest).ok()?.filter(wire::Header::is_publish)?;
        let body = rest.get(header.head..)?;
        let body = body.get(..header.body).unwrap_or(body);
        wire::publish(self.limits.version, header.first, body).ok().map(|publish| publish.topic)
    }

    /// Lets go of what was handled. An idle connection holds no buffer.
    pub fn tidy(&mut self) {
        if self.at == self.inbox.len() {
            self.inbox = Vec::new();
        } else {
            self.inbox.drain(..self.at);
        }
        self.at = 0;
    }
}

/// The whole packets that came, one after the other.
pub struct Packets<'a> {
    inbox: &'a [u8],
    at: &'a mut usize,
    large: &'a mut Option<Box<oversize::Reading>>,
    limits: Limits,
}

impl<'a> Packets<'a> {
    /// First byte and body of the next packet. `None`: more bytes are needed, or a large message began.
    ///
    /// # Errors
    /// When what came breaks the standard or is too large to be taken.
    pub fn take(&mut self) -> Result<Option<(u8, &'a [u8])>, Bad> {
        let rest = self.inbox.get(*self.at..).unwrap_or_default();
        let Some(header) = wire::header(rest)? else { return Ok(None) };
        if header.body > self.limits.max_kept {
            *self.at += self.begin_large(header, rest)?;
            return Ok(None);
        }
        let Some(body) = rest.get(header.head..header.head + header.body) else { return Ok(None) };
        *self.at += header.head + header.body;
        Ok(Some((header.first, body)))
    }

    /// Begins a message that is too large to keep; how long all before its payload is. 0: more bytes are needed.
    fn begin_large(&mut self, header: wire::Header, rest: &[u8]) -> Result<usize, Bad> {
        if !header.is_publish() || header.body > self.limits.max_taken {
            return Err(Bad::TooLarge);
        }
        let body = rest.get(header.head..).unwrap_or_default();
        let body = body.get(..header.body).unwrap_or(body);
        match wire::publish(self.limits.version, header.first, body) {
            Ok(publish) => {
                let head = body.len() - publish.payload.len();
                *self.large = Some(Box::new(oversize::Reading::begin(&publish, header.body - head)));
                Ok(header.head + head)
            }
            Err(Bad::Short) if body.len() < self.limits.max_kept => Ok(0),
            Err(bad) => Err(bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { version: Version::V4, max_kept: 8, max_taken: 100 };

    /// A PUBLISH of QoS 0 on topic `t`.
    fn publish(payload: usize) -> Vec<u8> {
        let mut packet = vec![0x30, 3 + payload as u8, 0, 1, b't'];
        packet.resize(packet.len() + payload, b'x');
        packet
    }

    /// Bodies of the packets, and sizes of the large messages, when so many bytes come at a time.
    fn read(bytes: &[u8], step: usize) -> Result<(Vec<usize>, usize), Bad> {
        let mut frames = Frames::new(Vec::new(), LIMITS);
        let (mut whole, mut large) = (Vec::new(), 0);
        for part in bytes.chunks(step) {
            frames.inbox().extend_from_slice(part);
            loop {
                match frames.large() {
                    Large::Partly => break,
                    Large::Whole(_) => large += 1,
                    Large::No => {}
                }
                let mut packets = frames.packets();
                while let Some((first, body)) = packets.take()? {
                    assert_eq!(first, 0x30);
                    whole.push(body.len());
                }
                if !frames.is_large() {
                    break;
                }
            }
            frames.tidy();
        }
        assert_eq!(frames.inbox().capacity(), 0, "an idle connection holds no buffer");
        Ok((whole, large))
    }

    #[test]
    fn packets_are_the_same_however_the_bytes_come() {
        let bytes = [publish(1), publish(50), publish(5), publish(0), publish(97)].concat();
        for step in 1..=bytes.len() {
            assert_eq!(read(&bytes, step), Ok((vec![4, 8, 3], 2)), "{step} bytes at a time");
        }
    }

    #[test]
    fn what_is_larger_than_is_taken_ends_it() {
        assert_eq!(read(&publish(98), 7), Err(Bad::TooLarge));
        let ping = [vec![0xC0, 9], vec![0; 9]].concat();
        assert_eq!(read(&ping, 20), Err(Bad::TooLarge), "only messages may be large");
    }
}
