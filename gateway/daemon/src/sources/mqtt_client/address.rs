//! Where a broker is, and how to get there: in the clear or over TLS.

use std::io;
use std::path::Path;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::tls;

/// A broker's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or number.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Over TLS.
    pub tls: bool,
}

/// Why a text is no broker's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no broker's address: {why}")]
pub struct AddressError {
    /// The text.
    pub url: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The two halves of a connection.
pub(super) type Halves = (Pin<Box<dyn AsyncRead + Send>>, Pin<Box<dyn AsyncWrite + Send>>);

impl Address {
    /// Reads `mqtt://host[:1883]` or `mqtts://host[:8883]`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let wrong = |why| AddressError { url: url.to_owned(), why };
        let (rest, tls) = match url.split_once("://") {
            Some(("mqtt" | "tcp", rest)) => (rest.trim_end_matches('/'), false),
            Some(("mqtts" | "ssl", rest)) => (rest.trim_end_matches('/'), true),
            _ => return Err(wrong("it must begin with mqtt:// or mqtts://")),
        };
        if rest.contains('@') {
            return Err(wrong("user name and password are keys of their own"));
        }
        // A bracketed IPv6 address holds colons of its own.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong("the port is no number up to 65535"))?)
            }
            _ => (rest, if tls { 8883 } else { 1883 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('/') {
            return Err(wrong("it names no host"));
        }
        Ok(Self { host: host.to_owned(), port, tls })
    }

    /// Opens a connection; `ca_file` replaces the certificates of the system.
    pub(super) async fn connect(&self, ca_file: Option<&Path>) -> io::Result<Halves> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        if !self.tls {
            let (reader, writer) = stream.into_split();
            return Ok((Box::pin(reader), Box::pin(writer)));
        }
        // Read anew for each connection, so that a renewed certificate file needs no restart.
        let client = tls::Client::new(tls::Files { ca_file: ca_file.map(Path::to_owned), own: None });
        let (reader, writer) = tokio::io::split(client.connect(&self.host, stream).await?);
        Ok((Box::pin(reader), Box::pin(writer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_says_what_is_wrong() {
        let at = |host: &str, port, tls| Ok(Address { host: host.to_owned(), port, tls });
        assert_eq!(Address::parse("mqtt://broker"), at("broker", 1883, false));
        assert_eq!(Address::parse("mqtts://broker"), at("broker", 8883, true));
        assert_eq!(Address::parse("mqtt://10.0.0.1:8883/"), at("10.0.0.1", 8883, false));
        assert_eq!(Address::parse("mqtt://[::1]:1884"), at("::1", 1884, false));
        assert_eq!(Address::parse("mqtts://[::1]"), at("::1", 8883, true));
        for bad in ["broker:1883", "mqtt://", "mqtt://a:b", "mqtt://u:p@h", "http://h", "mqtt://h/x"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
