//! `[http]`

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hooks::HookSettings;

/// REST, boards, health, metrics, and the HTTP ingest doors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port of everything; loopback only until accounts exist.
    pub bind: String,
    /// A second address that serves the ingest doors alone and may lie off loopback; empty: none.
    pub ingest_bind: String,
    /// Clouds of vendors that post to the ingest doors, by name.
    pub hooks: BTreeMap<String, HookSettings>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { bind: "127.0.0.1:8080".to_owned(), ingest_bind: String::new(), hooks: BTreeMap::new() }
    }
}
