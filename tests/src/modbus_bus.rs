//! A Modbus bus in memory or on a port that counts what its units answer. Units may be dead: they say nothing, or the
//! gateway before them says for them that they do not answer.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use orderly::config::{ModbusFraming, ModbusSettings};
use orderly::sources::modbus::wire::{Dial, Endpoint, Framing, Stream};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How long a living unit takes to answer.
const ANSWER: Duration = Duration::from_millis(1);
/// Gateway target device failed to respond.
const NO_TARGET: u8 = 11;

/// How the dead show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Nothing comes.
    Silence,
    /// A gateway waits for them so long and then answers with an exception.
    Exception(Duration),
}

/// The bus; cloned, it is the same one.
#[derive(Debug, Clone)]
pub struct MemoryBus {
    framing: Framing,
    death: Death,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    dead: Vec<u8>,
    /// How often each unit answered.
    answered: BTreeMap<u8, usize>,
    /// How often each dead one was asked.
    in_vain: BTreeMap<u8, usize>,
}

impl MemoryBus {
    /// A bus on which all are alive.
    #[must_use]
    pub fn new(framing: Framing, death: Death) -> Self {
        Self { framing, death, state: Arc::default() }
    }

    /// These units are dead from now on, and no others.
    pub fn kill(&self, units: impl IntoIterator<Item = u8>) {
        self.lock().dead = units.into_iter().collect();
    }

    /// How often a unit answered.
    #[must_use]
    pub fn answers(&self, unit: u8) -> usize {
        self.lock().answered.get(&unit).copied().unwrap_or(0)
    }

    /// How often a dead unit was asked.
    #[must_use]
    pub fn in_vain(&self) -> usize {
        self.lock().in_vain.values().sum()
    }

    /// How many dead units were asked at all.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.lock().in_vain.len()
    }

    /// Serves the bus on a port of loopback until the test ends.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn listen(&self) -> io::Result<SocketAddr> {
        self.accept(|stream| async { Ok(stream) }).await
    }

    /// The same behind TLS: with the certificate and key of these files, and only for clients of this authority, if one
    /// is named.
    ///
    /// # Errors
    /// When there is no free port, or a file cannot be used.
    pub async fn listen_tls(
        &self,
        cert: &Path,
        key: &Path,
        clients: Option<&Path>,
    ) -> anyhow::Result<SocketAddr> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        let builder = match clients {
            Some(file) => {
                let roots = Arc::new(orderly::tls::authorities(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
        let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(self.accept(move |stream| acceptor.accept(stream)).await?)
    }

    async fn accept<S, F>(&self, wrap: impl Fn(TcpStream) -> F + Send + 'static) -> io::Result<SocketAddr>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let bus = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream.set_nodelay(true));
                let (bus, wrapped) = (bus.clone(), wrap(stream));
                tokio::spawn(async move {
                    if let Ok(stream) = wrapped.await {
                        bus.serve(stream).await;
                    }
                });
            }
        });
        Ok(address)
    }

    /// How a link gets there.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        let serial = self.framing == Framing::Rtu;
        let framing = if serial { ModbusFraming::Rtu } else { ModbusFraming::Tcp };
        let settings = ModbusSettings { framing, ..ModbusSettings::default() };
        let address = if serial { "/dev/memory" } else { "memory:502" };
        Endpoint { dial: Arc::new(self.clone()), ..Endpoint::new(address, &settings) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one connection, request by request, until the other side is gone.
    async fn serve(self, mut line: impl AsyncRead + AsyncWrite + Unpin) {
        let head = if self.framing == Framing::Tcp { 6 } else { 0 };
        // Unit, function, first address, how many; and the checksum of a serial line.
        let tail = if self.framing == Framing::Tcp { 6 } else { 8 };
        let mut request = vec![0; head + tail];
        while line.read_exact(&mut request).await.is_ok() {
            let Some(pdu) = self.answer(&request[head..]).await else { continue };
            let mut answer = match self.framing {
                Framing::Tcp => {
                    let length = u16::try_from(pdu.len()).unwrap_or(u16::MAX).to_be_bytes();
                    [&request[..4], &length[..], &pdu].concat()
                }
                Framing::Rtu => pdu,
            };
            if self.framing == Framing::Rtu {
                let sum = crc(&answer);
                answer.extend_from_slice(&sum);
            }
            if line.write_all(&answer).await.is_err() {
                return;
            }
        }
    }

    /// Unit and PDU of the answer to a read of words.
    async fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let [unit, function, _, _, _, count, ..] = *request else { return None };
        if self.lock().dead.contains(&unit) {
            *self.lock().in_vain.entry(unit).or_default() += 1;
            let Death::Exception(after) = self.death else { return None };
            tokio::time::sleep(after).await;
            return Some(vec![unit, function | 0x80, NO_TARGET]);
        }
        tokio::time::sleep(ANSWER).await;
        *self.lock().answered.entry(unit).or_default() += 1;
        let mut pdu = vec![unit, function, 2 * count];
        pdu.resize(3 + 2 * usize::from(count), 0);
        Some(pdu)
    }
}

impl Dial for MemoryBus {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(self.clone().serve(far));
        async { Ok(Box::new(near) as Box<dyn Stream>) }.boxed()
    }
}

/// The checksum of a serial line, bit by bit.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let sum = bytes.iter().fold(0xFFFF_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| (sum >> 1) ^ (0xA001 * (sum & 1)))
    });
    sum.to_le_bytes()
}
