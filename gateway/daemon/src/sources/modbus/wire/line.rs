//! One request at a time over any stream of bytes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::call::{Answer, Call};
use super::endpoint::Stream;
use super::frame::{Framing, MBAP, answer_to, crc, mbap};

/// Bytes that are thrown away at most before a noisy line is given up.
const MOST_NOISE: usize = 64 * 1024;

/// A connection on which requests are made. After an error it must not be used before [`Line::quiet`] was, or must be
/// dropped: what still comes may be the answer to an old question.
#[derive(Debug)]
pub struct Line {
    stream: Box<dyn Stream>,
    framing: Framing,
    transaction: u16,
    frame: Vec<u8>,
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The stream had ended before the request was sent: it may be opened anew and the request made there.
    Ended(String),
    /// The stream has ended; it must be opened anew.
    Gone(String),
    /// Nothing came in time, or nothing that fits.
    Wrong(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

impl Line {
    /// A line over this stream; transaction numbers start after this one, so that two connections rarely share any.
    #[must_use]
    pub fn new(stream: Box<dyn Stream>, framing: Framing, transaction: u16) -> Self {
        Self { stream, framing, transaction, frame: Vec::with_capacity(260) }
    }

    /// Asks a unit; gives what it answers to exactly this.
    ///
    /// # Errors
    /// A sentence: no answer in time, one that does not fit, or the line is gone.
    pub async fn ask(&mut self, unit: u8, call: &Call, patience: Duration) -> Result<Answer, Trouble> {
        if !call.is_legal() {
            return Err(format!("{call:?} is more than the protocol allows").into());
        }
        let early = self.drain().await.map_err(|e| Trouble::Ended(how(&e)))?;
        if early > 0 && self.framing == Framing::Tcp {
            return Err(format!("{early} bytes came that nobody asked for").into());
        }
        match timeout(patience, self.exchange(unit, call)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} ms", patience.as_millis()).into()),
        }
    }

    async fn exchange(&mut self, unit: u8, call: &Call) -> Result<Answer, Trouble> {
        self.transaction = self.transaction.wrapping_add(1);
        let mut pdu = Vec::with_capacity(8);
        call.encode(&mut pdu);
        self.frame.clear();
        match self.framing {
            Framing::Tcp => self.frame.extend_from_slice(&mbap(self.transaction, unit, pdu.len())),
            Framing::Rtu => self.frame.push(unit),
        }
        self.frame.extend_from_slice(&pdu);
        if self.framing == Framing::Rtu {
            let sum = crc(&self.frame);
            self.frame.extend_from_slice(&sum);
        }
        self.stream.write_all(&self.frame).await.map_err(|e| gone(&e))?;
        self.stream.flush().await.map_err(|e| gone(&e))?;
        match self.framing {
            Framing::Tcp => self.tcp_answer(unit, call).await,
            Framing::Rtu => self.rtu_answer(unit, call).await,
        }
    }

    async fn tcp_answer(&mut self, unit: u8, call: &Call) -> Result<Answer, Trouble> {
        let mut head = [0; MBAP];
        self.stream.read_exact(&mut head).await.map_err(|e| gone(&e))?;
        let length = answer_to(head, self.transaction, unit)?;
        if length != 2 && length != call.answer_len() {
            return Err(format!("{call:?} was answered with {length} bytes").into());
        }
        self.frame.resize(length, 0);
        self.stream.read_exact(&mut self.frame).await.map_err(|e| gone(&e))?;
        Ok(call.check(&self.frame)?)
    }

    async fn rtu_answer(&mut self, unit: u8, call: &Call) -> Result<Answer, Trouble> {
        self.frame.resize(2, 0);
        self.stream.read_exact(&mut self.frame).await.map_err(|e| gone(&e))?;
        if self.frame[0] != unit {
            return Err(format!("asked unit {unit}, unit {} answered", self.frame[0]).into());
        }
        let Some(length) = call.len_of(self.frame[1]) else {
            return Err(format!("{call:?} was answered with function code {}", self.frame[1]).into());
        };
        self.frame.resize(length + 3, 0);
        self.stream.read_exact(&mut self.frame[2..]).await.map_err(|e| gone(&e))?;
        let (body, sum) = self.frame.split_at(length + 1);
        if crc(body) != *sum {
            return Err("the checksum of the answer is wrong".to_owned().into());
        }
        Ok(call.check(&body[1..])?)
    }

    /// Throws away what has come already; says how much it was.
    async fn drain(&mut self) -> io::Result<usize> {
        let mut thrown = 0;
        loop {
            let mut piece = [0; 512];
            let mut piece = ReadBuf::new(&mut piece);
            let ready = poll_fn(|cx| match Pin::new(&mut self.stream).poll_read(cx, &mut piece) {
                Poll::Ready(read) => Poll::Ready(Some(read)),
                Poll::Pending => Poll::Ready(None),
            });
            match ready.await {
                None => return Ok(thrown),
                Some(Err(error)) => return Err(error),
                Some(Ok(())) if piece.filled().is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(Ok(())) => thrown += piece.filled().len(),
            }
            if thrown > MOST_NOISE {
                return Err(io::Error::other("the line is full of noise"));
            }
        }
    }

    /// Throws away what comes until nothing has come for so long.
    ///
    /// # Errors
    /// When the line is gone, or never falls silent.
    pub async fn quiet(&mut self, silence: Duration) -> Result<(), Trouble> {
        let mut piece = [0; 512];
        let mut thrown = 0;
        loop {
            match timeout(silence, self.stream.read(&mut piece)).await {
                Err(_) => return Ok(()),
                Ok(Err(error)) => return Err(gone(&error)),
                Ok(Ok(0)) => return Err(gone(&io::ErrorKind::UnexpectedEof.into())),
                Ok(Ok(n)) => thrown += n,
            }
            if thrown > MOST_NOISE {
                return Err("the line never falls silent".to_owned().into());
            }
        }
    }
}

fn gone(error: &io::Error) -> Trouble {
    Trouble::Gone(how(error))
}

fn how(error: &io::Error) -> String {
    // A server of TLS 1.3 says only now what it thinks of our certificate.
    if let Some(why) = crate::tls::why(error) {
        return why;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        _ => format!("the connection was lost: {error}"),
    }
}
