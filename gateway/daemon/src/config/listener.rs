//! `[listener]`

use serde::{Deserialize, Serialize};

/// Our own MQTT front door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerSettings {
    /// Whether it is opened.
    pub enabled: bool,
    /// Address and port; off loopback every device must have a credential.
    pub bind: String,
    /// Connections at the same time.
    pub max_connections: u32,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self { enabled: true, bind: "127.0.0.1:1883".to_owned(), max_connections: 20_000 }
    }
}
