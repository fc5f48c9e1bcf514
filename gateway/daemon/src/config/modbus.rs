//! `[modbus.<name>]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::amount::Span;
use super::secret::Credentials;
use crate::tls;

/// One Modbus link that we poll: TCP, a serial port, or a serial line behind a converter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModbusSettings {
    /// Host and port, or the path of a serial port such as /dev/ttyS1.
    pub address: String,
    /// Other ways to the same devices, tried when the first cannot be reached.
    pub backup: Vec<String>,
    /// `tcp`, or `rtu` for a serial line behind a TCP converter. A serial port always speaks `rtu`.
    pub framing: ModbusFraming,
    /// Whether TCP is wrapped in TLS, as Modbus/TCP Security wants it on port 802.
    pub tls: bool,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file with our own certificate, for devices that ask who we are.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the key of it, or a systemd credential.
    pub key_file: Option<PathBuf>,
    /// The name in the certificate of the other side; empty: the host of the address.
    pub server_name: String,
    /// Speed of a serial port.
    pub baud: u32,
    /// Parity of a serial port.
    pub parity: Parity,
    /// Stop bits of a serial port, 1 or 2.
    pub stop_bits: u8,
    /// How long an answer may take.
    pub timeout: Span,
    /// How long a serial line must be silent after an answer that did not come in time.
    pub late: Span,
    /// Pause between a new connection and its first request; some gateways need it.
    pub connect_delay: Span,
    /// Pause between two requests; some devices need it.
    pub gap: Span,
    /// The devices behind the link.
    pub device: Vec<ModbusDevice>,
}

/// How requests are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModbusFraming {
    /// Modbus TCP.
    #[default]
    Tcp,
    /// The frames of a serial line.
    Rtu,
}

/// The parity bit of a serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// There is none.
    #[default]
    None,
    /// The number of ones is even.
    Even,
    /// The number of ones is odd.
    Odd,
}

/// One device behind a Modbus link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModbusDevice {
    /// Its name.
    pub id: String,
    /// Its class.
    pub class: String,
    /// Its profile; empty: the only one of the class.
    pub profile: String,
    /// Unit number, 1 to 247 (255 for a device that has none).
    pub unit: u8,
    /// How often it is read.
    pub every: Span,
    /// Where it is; empty: not said.
    pub zone: String,
}

impl ModbusSettings {
    /// The same, with a key that systemd holds named by its path.
    #[must_use]
    pub fn with(&self, credentials: &Credentials) -> Self {
        let key_file = self.key_file.as_deref().map(|file| credentials.find(file));
        Self { key_file, ..self.clone() }
    }

    /// The files of TLS, if it is spoken.
    #[must_use]
    pub fn tls_files(&self) -> Option<tls::Files> {
        let own = self.cert_file.clone().zip(self.key_file.clone());
        self.tls.then(|| tls::Files { ca_file: self.ca_file.clone(), own })
    }
}

impl Default for ModbusSettings {
    fn default() -> Self {
        Self {
            address: String::new(),
            backup: Vec::new(),
            framing: ModbusFraming::Tcp,
            tls: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: String::new(),
            baud: 9_600,
            parity: Parity::None,
            stop_bits: 1,
            timeout: Span::seconds(1),
            late: Span::ms(200),
            connect_delay: Span::ms(0),
            gap: Span::ms(0),
            device: Vec::new(),
        }
    }
}

impl Default for ModbusDevice {
    fn default() -> Self {
        Self {
            id: String::new(),
            class: String::new(),
            profile: String::new(),
            unit: 1,
            every: Span::seconds(5),
            zone: String::new(),
        }
    }
}
