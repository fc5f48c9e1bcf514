//! `[mqtt.<name>]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::amount::{Size, Span};

/// One MQTT broker that we subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttSettings {
    /// `mqtt://host:1883` or `mqtts://host:8883`.
    pub url: String,
    /// Version of the protocol.
    pub version: MqttVersion,
    /// Kept by the broker with our session; must be ours alone. Empty: `orderly-<site>-<name>`.
    pub client_id: String,
    /// What we subscribe to.
    pub subscribe: Vec<String>,
    /// User name, if the broker wants one.
    pub username: Option<String>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// PEM file with the authorities to trust instead of the system's, for `mqtts://`.
    pub ca_file: Option<PathBuf>,
    /// Quality of service that we ask for: 0, 1 or 2.
    pub qos: u8,
    /// Interval of pings.
    pub keep_alive: Span,
    /// Messages that we take before the first is acknowledged.
    pub receive_maximum: u16,
    /// Longer messages are read through and kept by their first 4 KiB.
    pub max_kept: Size,
    /// How long the broker keeps our session while we are away (MQTT 5).
    pub session_expiry: Span,
}

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MqttVersion {
    /// MQTT 3.1.1.
    #[default]
    #[serde(rename = "3.1.1")]
    V311,
    /// MQTT 5.
    #[serde(rename = "5")]
    V5,
}

impl Default for MqttSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            version: MqttVersion::V311,
            client_id: String::new(),
            subscribe: vec!["orderly/v1/#".to_owned()],
            username: None,
            password_file: None,
            ca_file: None,
            qos: 1,
            keep_alive: Span::seconds(30),
            receive_maximum: 1_000,
            max_kept: Size(256 << 10),
            session_expiry: Span::days(7),
        }
    }
}
