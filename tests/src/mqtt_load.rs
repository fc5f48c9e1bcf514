//! A small MQTT 3.1.1 publisher that knows exactly which of its messages were acknowledged.
//!
//! Client libraries hide acknowledgements and re-send on their own; a ledger needs neither.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, bail};
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that publishes with QoS 1.
#[derive(Debug)]
pub struct Publisher {
    stream: TcpStream,
    read: BytesMut,
    next_id: u16,
    /// Packet id -> the caller's number of the message, for all that are not acknowledged.
    waiting: BTreeMap<u16, usize>,
    acked: VecDeque<usize>,
}

impl Publisher {
    /// Connects with a clean session and waits for the CONNACK.
    ///
    /// # Errors
    /// When there is no connection or it is refused.
    pub async fn connect(port: u16, client_id: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut packet = BytesMut::new();
        packet.put_u8(0x10);
        put_length(&mut packet, 10 + 2 + client_id.len());
        packet.put_slice(&[0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0]);
        packet.put_u16(u16::try_from(client_id.len())?);
        packet.put_slice(client_id.as_bytes());
        stream.write_all(&packet).await?;
        let mut answer = [0u8; 4];
        stream.read_exact(&mut answer).await.context("no CONNACK")?;
        if answer[..2] != [0x20, 2] || answer[3] != 0 {
            bail!("CONNACK says {answer:?}");
        }
        Ok(Self {
            stream,
            read: BytesMut::new(),
            next_id: 0,
            waiting: BTreeMap::new(),
            acked: VecDeque::new(),
        })
    }

    /// Messages that left and are not acknowledged.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    /// Publishes several messages with one write; `number` is what [`Publisher::acked`] gives back.
    ///
    /// # Errors
    /// When the connection is gone; some of them may have left.
    pub async fn publish(&mut self, messages: &[(usize, &str, &[u8], bool)]) -> anyhow::Result<()> {
        let mut packet = BytesMut::new();
        for (number, topic, payload, again) in messages {
            self.next_id = if self.next_id == u16::MAX { 1 } else { self.next_id + 1 };
            self.waiting.insert(self.next_id, *number);
            packet.put_u8(if *again { 0x3a } else { 0x32 });
            put_length(&mut packet, 2 + topic.len() + 2 + payload.len());
            packet.put_u16(u16::try_from(topic.len())?);
            packet.put_slice(topic.as_bytes());
            packet.put_u16(self.next_id);
            packet.put_slice(payload);
        }
        self.stream.write_all(&packet).await?;
        Ok(())
    }

    /// Waits for the next acknowledged message and gives its number.
    ///
    /// # Errors
    /// When the connection ends. Safe to drop half way.
    pub async fn acked(&mut self) -> anyhow::Result<usize> {
        loop {
            if let Some(number) = self.acked.pop_front() {
                return Ok(number);
            }
            while self.read.len() >= 4 {
                if self.read[..2] != [0x40, 2] {
                    bail!("expected a PUBACK, got {:02x?}", &self.read[..4]);
                }
                let id = u16::from_be_bytes([self.read[2], self.read[3]]);
                self.read.advance(4);
                let number =
                    self.waiting.remove(&id).with_context(|| format!("PUBACK {id} that nobody waits for"))?;
                self.acked.push_back(number);
            }
            if self.acked.is_empty() && self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the connection ended");
            }
        }
    }
}

fn put_length(packet: &mut BytesMut, mut length: usize) {
    loop {
        let byte = u8::try_from(length % 128).unwrap_or(0);
        length /= 128;
        packet.put_u8(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
}
