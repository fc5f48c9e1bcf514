//! `[modbus.<name>]`

use serde::{Deserialize, Serialize};

use super::amount::Span;

/// One Modbus TCP link that we poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModbusSettings {
    /// Host and port.
    pub address: String,
    /// How long an answer may take.
    pub timeout: Span,
    /// Pause between a new connection and its first request; some gateways need it.
    pub connect_delay: Span,
    /// Pause between two requests; some devices need it.
    pub gap: Span,
    /// The devices behind the link.
    pub device: Vec<ModbusDevice>,
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

impl Default for ModbusSettings {
    fn default() -> Self {
        Self {
            address: String::new(),
            timeout: Span::seconds(1),
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
