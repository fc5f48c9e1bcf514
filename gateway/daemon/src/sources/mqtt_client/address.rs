//! Where a broker is, and how to get there.

use std::io;

use tokio::net::TcpStream;

/// A broker's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or number.
    pub host: String,
    /// Port.
    pub port: u16,
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

impl Address {
    /// Reads `mqtt://host[:port]`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let wrong = |why| AddressError { url: url.to_owned(), why };
        let rest = match url.split_once("://") {
            Some(("mqtt" | "tcp", rest)) => rest.trim_end_matches('/'),
            Some(("mqtts", _)) => {
                return Err(wrong("TLS to a broker is not there yet; put it behind stunnel"));
            }
            _ => return Err(wrong("it must begin with mqtt://")),
        };
        if rest.contains('@') {
            return Err(wrong("user name and password are keys of their own"));
        }
        // A bracketed IPv6 address holds colons of its own.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong("the port is no number up to 65535"))?)
            }
            _ => (rest, 1883),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('/') {
            return Err(wrong("it names no host"));
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_says_what_is_wrong() {
        let at = |host: &str, port| Ok(Address { host: host.to_owned(), port });
        assert_eq!(Address::parse("mqtt://broker"), at("broker", 1883));
        assert_eq!(Address::parse("mqtt://10.0.0.1:8883/"), at("10.0.0.1", 8883));
        assert_eq!(Address::parse("mqtt://[::1]:1884"), at("::1", 1884));
        assert_eq!(Address::parse("mqtt://[::1]"), at("::1", 1883));
        for bad in
            ["broker:1883", "mqtt://", "mqtt://a:b", "mqtt://u:p@h", "http://h", "mqtts://h", "mqtt://h/x"]
        {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
