//! The few shapes of which MQTT packets are made.

use super::Bad;

/// Takes fields from the front of a packet's body.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Says that nothing may be left.
    pub const fn end(&self) -> Result<(), Bad> {
        if self.rest.is_empty() { Ok(()) } else { Err(Bad::Malformed("bytes after the last field")) }
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn u8(&mut self) -> Result<u8, Bad> {
        let (&byte, rest) = self.rest.split_first().ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(byte)
    }

    pub fn u16(&mut self) -> Result<u16, Bad> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    pub fn u32(&mut self) -> Result<u32, Bad> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// A length of one to four bytes, seven bits each.
    pub fn length(&mut self) -> Result<usize, Bad> {
        let mut length = 0;
        for i in 0..4 {
            let byte = self.u8()?;
            length |= usize::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return Ok(length);
            }
        }
        Err(Bad::Malformed("a length is longer than four bytes"))
    }

    /// Bytes behind a length of two.
    pub fn data(&mut self) -> Result<&'a [u8], Bad> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }

    /// UTF-8 without NUL.
    pub fn text(&mut self) -> Result<&'a str, Bad> {
        let text = std::str::from_utf8(self.data()?).map_err(|_| Bad::Malformed("a text is not UTF-8"))?;
        if text.as_bytes().contains(&0) { Err(Bad::Malformed("a text holds NUL")) } else { Ok(text) }
    }

    pub fn packet_id(&mut self) -> Result<u16, Bad> {
        match self.u16()? {
            0 => Err(Bad::Protocol("packet id 0")),
            id => Ok(id),
        }
    }

    /// A topic that a message can be sent to.
    pub fn topic_name(&mut self) -> Result<&'a str, Bad> {
        let topic = self.text()?;
        let wild = topic.bytes().any(|b| b == b'+' || b == b'#');
        if topic.is_empty() || wild { Err(Bad::TopicName) } else { Ok(topic) }
    }

    /// A topic filter: wildcards are whole levels, `#` only at the end.
    pub fn filter(&mut self) -> Result<&'a str, Bad> {
        let filter = self.text()?;
        let well_formed = |(at, level): (usize, &str)| match level {
            "+" => true,
            "#" => at + 1 == filter.len(),
            other => !other.contains(['+', '#']),
        };
        let mut at = 0;
        let levels = filter.split('/').map(|level| {
            let start = at;
            at += level.len() + 1;
            (start, level)
        });
        if filter.is_empty() || !levels.into_iter().all(well_formed) {
            return Err(Bad::Malformed("a topic filter"));
        }
        Ok(filter)
    }
}
