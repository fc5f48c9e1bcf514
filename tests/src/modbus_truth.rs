//! Modbus units whose registers tell unit, address and the request that read them, and a judge who knows which
//! requests were made: a value of another address, or older than the request that it is taken for, is wrong.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use orderly::config::{ModbusFraming, ModbusSettings};
use orderly::sources::modbus::wire::{Dial, Endpoint, Framing, Stream};
use rustix::fs::{Mode, OFlags};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_serial::SerialStream;

use crate::fault_proxy::{FaultProxy, Odds, between};

/// First addresses of the two blocks that are polled, of the same function and length: the worst case.
pub const BLOCKS: [u16; 2] = [0, 100];
/// Registers of a block.
pub const LENGTH: u16 = 4;
/// Units of a link, from 1.
pub const UNITS: u8 = 3;
/// Requests are counted up to here, and then from 0 again.
const GENERATIONS: u16 = 1 << 11;

/// The units of one link: how many requests each has answered, and how many when each block was asked for last.
#[derive(Debug, Default)]
pub struct Units {
    answered: [AtomicU16; UNITS as usize + 1],
    floors: Mutex<[[u16; 2]; UNITS as usize + 1]>,
}

impl Units {
    /// A request goes out for this block of this unit: what was answered until now is old.
    pub fn asked(&self, unit: u8, start: u16) {
        let Some(block) = BLOCKS.iter().position(|s| *s == start) else { return };
        let now = self.answered[usize::from(unit)].load(Ordering::SeqCst);
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(unit)][block] = now;
    }

    /// What is wrong with these registers as the answer to the last request for this block.
    #[must_use]
    pub fn judge(&self, unit: u8, start: u16, words: &[u16]) -> Option<String> {
        let block = BLOCKS.iter().position(|s| *s == start)?;
        let floor = self.floors.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(unit)][block];
        let fault = |what: String| Some(format!("unit {unit} at {start}: {what}"));
        if words.len() != usize::from(LENGTH) {
            return fault(format!("{} registers", words.len()));
        }
        for (address, word) in (start..).zip(words) {
            let (from, id, generation) = (word >> 14, word >> 11 & 7, word % GENERATIONS);
            if from != u16::from(unit) || id != place(address) {
                return fault(format!("register {address} is place {id} of unit {from}"));
            }
            // Newer by less than half a round; equal is old.
            let newer = generation.wrapping_sub(floor) % GENERATIONS;
            if newer == 0 || newer > GENERATIONS / 2 {
                return fault(format!(
                    "generation {generation} is older than the request, which is after {floor}"
                ));
            }
            if *word % GENERATIONS != words[0] % GENERATIONS {
                return fault("registers of two answers".to_owned());
            }
        }
        None
    }

    fn words(&self, unit: u8, start: u16, count: u16) -> Vec<u16> {
        let generation = self.answered[usize::from(unit)].fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        (start..start + count)
            .map(|address| u16::from(unit) << 14 | place(address) << 11 | (generation % GENERATIONS))
            .collect()
    }
}

/// Three bits that tell the eight addresses apart.
const fn place(address: u16) -> u16 {
    (address / 100 * LENGTH + address % 100) & 7
}

/// The units as a server of the customer's crate answers for them.
#[derive(Debug, Clone)]
struct Service(Arc<Units>);

impl tokio_modbus::server::Service for Service {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        std::future::ready(match asked.request {
            Request::ReadHoldingRegisters(start, count) if (1..=UNITS).contains(&asked.slave) => {
                Ok(Response::ReadHoldingRegisters(self.0.words(asked.slave, start, count)))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

/// A running server with its proxy.
#[derive(Debug)]
pub struct Simulated {
    /// The units.
    pub units: Arc<Units>,
    /// Where a client finds them: host and port, or the path of a serial port.
    pub address: String,
    tasks: Vec<JoinHandle<()>>,
    proxy: Option<FaultProxy>,
    spoilt: Arc<AtomicU64>,
    /// Keeps the serial port from being gone while nobody has it open.
    _port: Option<OwnedFd>,
}

impl std::fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultProxy").field("address", &self.address()).finish()
    }
}

impl Simulated {
    /// Over TCP. A header turned in any bit can be told; a value could not, since nothing but TCP's own checksum
    /// guards it: so only headers are spoilt.
    ///
    /// # Panics
    /// When no port can be opened.
    pub async fn tcp(odds: Odds) -> Self {
        let units = Arc::new(Units::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let upstream = listener.local_addr().expect("a bound socket has an address");
        let service = Service(Arc::clone(&units));
        let server = tokio::spawn(async move {
            let connected = |stream, peer| {
                let service = service.clone();
                async move { accept_tcp_connection(stream, peer, |_| Ok(Some(service.clone()))) }
            };
            drop(Server::new(listener).serve(&connected, |_| {}).await);
        });
        let proxy = FaultProxy::start(upstream).await;
        proxy.odds(Odds { flip_within: 9, ..odds });
        Self {
            units,
            address: proxy.address().to_string(),
            tasks: vec![server],
            proxy: Some(proxy),
            spoilt: Arc::default(),
            _port: None,
        }
    }

    /// Over a pair of pseudo-terminals with the proxy in the middle.
    ///
    /// # Panics
    /// When there are no pseudo-terminals.
    pub fn serial(odds: Odds) -> Self {
        let units = Arc::new(Units::default());
        let (near, port) = SerialStream::pair().expect("a pseudo-terminal");
        let (far, slave) = SerialStream::pair().expect("a pseudo-terminal");
        let address = tokio_serial::SerialPort::name(&port).expect("a terminal has a name");
        // A port is locked by whoever opens it as one; a plain file is not.
        let kept = rustix::fs::open(&address, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
        let kept = kept.expect("a terminal can be opened twice");
        drop(port);
        let service = Service(Arc::clone(&units));
        let server = tokio::spawn(async move {
            let server = tokio_modbus::server::rtu::Server::new(slave);
            drop(server.serve_forever(service).await);
        });
        let spoilt = Arc::<AtomicU64>::default();
        let marks = Arc::clone(&spoilt);
        let proxy = tokio::spawn(async move { between(near, far, odds, &marks).await });
        Self { units, address, tasks: vec![server, proxy], proxy: None, spoilt, _port: Some(kept) }
    }

    /// How a link gets there, its requests watched for the judge.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        let framing = if self.proxy.is_some() { ModbusFraming::Tcp } else { ModbusFraming::Rtu };
        let settings = ModbusSettings { framing, baud: 115_200, ..ModbusSettings::default() };
        let endpoint = Endpoint::new(&self.address, &settings);
        let watch = Watch {
            units: Arc::clone(&self.units),
            head: if endpoint.framing == Framing::Tcp { 6 } else { 0 },
            dial: endpoint.dial,
        };
        Endpoint { dial: Arc::new(watch), silence: Duration::ZERO, ..endpoint }
    }

    /// Answers spoilt so far.
    #[must_use]
    pub fn spoilt(&self) -> u64 {
        self.spoilt.load(Ordering::Relaxed) + self.proxy.as_ref().map_or(0, FaultProxy::spoilt)
    }

    /// Whether server and proxy still run.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.tasks.iter().all(|task| !task.is_finished())
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Notes each request as it goes out.
#[derive(Debug, Clone)]
struct Watch {
    units: Arc<Units>,
    /// Bytes before the unit number.
    head: usize,
    dial: Arc<dyn Dial>,
}

impl Dial for Watch {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async {
            let stream = self.dial.dial().await?;
            Ok(Box::new(Watched { stream, watch: self.clone() }) as Box<dyn Stream>)
        }
        .boxed()
    }
}

#[derive(Debug)]
struct Watched {
    stream: Box<dyn Stream>,
    watch: Watch,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let [unit, _, s0, s1, ..] = bytes[self.watch.head..] {
            self.watch.units.asked(unit, u16::from_be_bytes([s0, s1]));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
