//! MQTT by hand: packets byte by byte, also wrong ones, over any stream.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a text field.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    data(text.as_bytes())
}

/// Bytes of a data field.
#[must_use]
pub fn data(bytes: &[u8]) -> Vec<u8> {
    let n = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&n.to_be_bytes(), bytes].concat()
}

/// A whole packet around its body.
#[must_use]
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut n = body.len();
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out.extend_from_slice(body);
    out
}

/// What a test wants to say in its CONNECT.
#[derive(Debug, Clone)]
pub struct Hello<'a> {
    /// 4 or 5.
    pub level: u8,
    /// Client id.
    pub client_id: &'a str,
    /// Clean session or clean start.
    pub clean: bool,
    /// Seconds.
    pub keep_alive: u16,
    /// Session expiry in seconds; MQTT 5 only.
    pub expiry: u32,
    /// Topic, payload, retained, delay.
    pub will: Option<(&'a str, &'a [u8], bool, u32)>,
    /// User name and password.
    pub login: Option<(&'a str, &'a [u8])>,
}

impl<'a> Hello<'a> {
    /// A clean connection without keep-alive.
    #[must_use]
    pub const fn new(level: u8, client_id: &'a str) -> Self {
        Self { level, client_id, clean: true, keep_alive: 0, expiry: 0, will: None, login: None }
    }

    /// The packet.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut body = text("MQTT");
        if let Some((_, _, retain, _)) = self.will {
            flags |= 4 | u8::from(retain) << 5;
        }
        if self.login.is_some() {
            flags |= 0xC0;
        }
        body.extend_from_slice(&[self.level, flags]);
        body.extend_from_slice(&self.keep_alive.to_be_bytes());
        if self.level == 5 {
            body.extend_from_slice(&[5, 0x11]);
            body.extend_from_slice(&self.expiry.to_be_bytes());
        }
        body.extend(text(self.client_id));
        if let Some((topic, payload, _, delay)) = self.will {
            if self.level == 5 {
                body.extend_from_slice(&[5, 0x18]);
                body.extend_from_slice(&delay.to_be_bytes());
            }
            body.extend(text(topic));
            body.extend(data(payload));
        }
        if let Some((user, password)) = self.login {
            body.extend(text(user));
            body.extend(data(password));
        }
        packet(0x10, &body)
    }
}

/// A PUBLISH; `flags` are DUP (8), QoS (2 or 4) and RETAIN (1).
#[must_use]
pub fn publish(level: u8, flags: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 6 != 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    if level == 5 {
        body.push(0);
    }
    body.extend_from_slice(payload);
    packet(0x30 | flags, &body)
}

/// A SUBSCRIBE to one filter with QoS 1.
#[must_use]
pub fn subscribe(level: u8, id: u16, filter: &str) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if level == 5 {
        body.push(0);
    }
    body.extend(text(filter));
    body.push(1);
    packet(0x82, &body)
}

/// The next packet of a stream, its first byte and its body; `None` when the other side closed.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let mut length = 0usize;
    for i in 0..4 {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((first, body))
}

/// The other side of a connection.
#[derive(Debug)]
pub struct Raw<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// On an open stream.
    pub const fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the stream is closed.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next packet, fixed header included; `None` when the other side closed.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let (first, body) = read(&mut self.stream).await?;
        Some(packet(first, &body))
    }

    /// All packets until the other side closes.
    pub async fn rest(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(packet) = self.next().await {
            all.push(packet);
        }
        all
    }
}
