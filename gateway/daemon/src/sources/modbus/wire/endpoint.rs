//! Where a link goes: a host, or a serial port.

use std::fmt::{self, Debug};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_serial::{SerialPortBuilderExt as _, SerialStream};

use super::frame::Framing;
use super::names::Names;
use crate::config::{ModbusFraming, ModbusSettings, Parity};
use crate::tls;

/// A connection gets at least so long.
const CONNECT: Duration = Duration::from_secs(1);
/// Small devices take seconds to work out a handshake.
const SHAKE_HANDS: Duration = Duration::from_secs(8);

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + Debug> Stream for T {}

/// What opens a stream.
pub trait Dial: Send + Sync + Debug {
    /// Opens it; a name is looked up anew each time.
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
}

/// One way to the devices of a link.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its address, for people.
    pub name: String,
    /// How requests are framed there.
    pub framing: Framing,
    /// The silence between two frames that a serial line needs.
    pub silence: Duration,
    /// How long opening it may take at least.
    pub patience: Duration,
    /// Whether it stays open after an error: a serial line has nobody who could hang up.
    pub stays: bool,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// What opens it.
    pub dial: Arc<dyn Dial>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match (self.framing, self.stays, self.tls) {
            (Framing::Rtu, false, false) => f.write_str(" (RTU over TCP)"),
            (Framing::Rtu, false, true) => f.write_str(" (RTU over TLS)"),
            (Framing::Tcp, _, true) => f.write_str(" (TLS)"),
            _ => Ok(()),
        }
    }
}

impl Endpoint {
    /// The endpoint at an address: a path is a serial port, all else host and port.
    #[must_use]
    pub fn new(address: &str, settings: &ModbusSettings) -> Self {
        Self::beside(address, settings, &Names::default())
    }

    /// The same, of one link among many: all look up names together.
    #[must_use]
    pub fn beside(address: &str, settings: &ModbusSettings, names: &Names) -> Self {
        let framing = match settings.framing {
            ModbusFraming::Tcp => Framing::Tcp,
            ModbusFraming::Rtu => Framing::Rtu,
        };
        if address.starts_with('/') {
            return Self::serial(address, settings);
        }
        let tcp = Tcp { address: address.to_owned(), names: names.clone() };
        let files = settings.tls_files();
        Self {
            name: address.to_owned(),
            framing,
            silence: Duration::ZERO,
            patience: if files.is_some() { SHAKE_HANDS } else { CONNECT },
            stays: false,
            tls: files.is_some(),
            dial: match files {
                Some(files) => Arc::new(Tls::new(tcp, &settings.server_name, files)),
                None => Arc::new(tcp),
            },
        }
    }

    fn serial(path: &str, settings: &ModbusSettings) -> Self {
        let port = Serial {
            path: path.to_owned(),
            baud: settings.baud,
            parity: settings.parity,
            stop_bits: settings.stop_bits,
        };
        Self {
            name: path.to_owned(),
            framing: Framing::Rtu,
            silence: silence(settings.baud),
            patience: CONNECT,
            stays: true,
            tls: false,
            dial: Arc::new(port),
        }
    }
}

/// Three and a half characters of eleven bits; above 19,200 baud the specification fixes it.
fn silence(baud: u32) -> Duration {
    match baud {
        0..=19_200 => Duration::from_micros(38_500_000 / u64::from(baud.max(300))),
        _ => Duration::from_micros(1_750),
    }
}

#[derive(Debug)]
struct Tcp {
    address: String,
    names: Names,
}

impl Tcp {
    async fn open(&self) -> io::Result<TcpStream> {
        let addresses = self.names.look_up(&self.address).await?;
        let stream = TcpStream::connect(&*addresses).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Dial for Tcp {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async { Ok(Box::new(self.open().await?) as Box<dyn Stream>) }.boxed()
    }
}

#[derive(Debug)]
struct Tls {
    tcp: Tcp,
    /// The name in the certificate.
    server: String,
    client: tls::Client,
}

impl Tls {
    fn new(tcp: Tcp, server: &str, files: tls::Files) -> Self {
        let host = tcp.address.rsplit_once(':').map_or(&*tcp.address, |(host, _)| host);
        let server = if server.is_empty() { host.trim_matches(['[', ']']) } else { server };
        Self { server: server.to_owned(), tcp, client: tls::Client::new(files) }
    }
}

impl Dial for Tls {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async {
            let stream = self.client.connect(&self.server, self.tcp.open().await?).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        }
        .boxed()
    }
}

#[derive(Debug)]
struct Serial {
    path: String,
    baud: u32,
    parity: Parity,
    stop_bits: u8,
}

impl Dial for Serial {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async { self.open().map(|port| Box::new(port) as Box<dyn Stream>) }.boxed()
    }
}

impl Serial {
    fn open(&self) -> io::Result<SerialStream> {
        let parity = match self.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        };
        let stop_bits = match self.stop_bits {
            2 => tokio_serial::StopBits::Two,
            _ => tokio_serial::StopBits::One,
        };
        let port = tokio_serial::new(&self.path, self.baud).parity(parity).stop_bits(stop_bits);
        Ok(port.open_native_async()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silence_follows_the_speed() {
        assert_eq!(silence(9_600), Duration::from_micros(4_010));
        assert_eq!(silence(19_200), Duration::from_micros(2_005));
        assert_eq!(silence(115_200), Duration::from_micros(1_750));
    }

    #[test]
    fn the_certificate_is_for_the_host_unless_another_name_is_given() {
        let server = |address: &str, name: &str| {
            let tcp = Tcp { address: address.to_owned(), names: Names::default() };
            Tls::new(tcp, name, tls::Files::default()).server
        };
        assert_eq!(server("plc.hospital:802", ""), "plc.hospital");
        assert_eq!(server("[::1]:802", ""), "::1");
        assert_eq!(server("10.0.0.7:802", "plc.hospital"), "plc.hospital");
    }

    #[test]
    fn a_path_is_a_serial_port() {
        let settings = ModbusSettings { framing: ModbusFraming::Rtu, ..ModbusSettings::default() };
        let serial = Endpoint::new("/dev/ttyS1", &settings);
        assert_eq!(
            (serial.framing, serial.stays, serial.to_string().as_str()),
            (Framing::Rtu, true, "/dev/ttyS1")
        );
        let over = Endpoint::new("10.0.0.7:4001", &settings);
        assert_eq!((over.framing, over.stays), (Framing::Rtu, false));
        assert_eq!(over.to_string(), "10.0.0.7:4001 (RTU over TCP)");
        let tcp = Endpoint::new("10.0.0.7:502", &ModbusSettings::default());
        assert_eq!((tcp.framing, tcp.silence), (Framing::Tcp, Duration::ZERO));
        let tls = ModbusSettings { tls: true, ..ModbusSettings::default() };
        assert_eq!(Endpoint::new("10.0.0.7:802", &tls).to_string(), "10.0.0.7:802 (TLS)");
        let rtu = ModbusSettings { framing: ModbusFraming::Rtu, ..tls };
        assert_eq!(Endpoint::new("10.0.0.7:802", &rtu).to_string(), "10.0.0.7:802 (RTU over TLS)");
    }
}
