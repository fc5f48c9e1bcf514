//! `[http.hooks.<name>]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::amount::Span;

/// A vendor's cloud that posts here and signs what it posts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookSettings {
    /// The header with the signature, an HMAC-SHA256.
    pub header: String,
    /// What stands before it there, as `sha256=`.
    pub prefix: String,
    /// How it is written.
    pub encoding: HookEncoding,
    /// What is signed.
    pub signed: HookSigned,
    /// The header with the time of sending, which is signed too.
    pub timestamp_header: Option<String>,
    /// A request whose time is further away than this is refused: somebody may have recorded it.
    pub tolerance: Span,
    /// File with the secret.
    pub secret_file: Option<PathBuf>,
    /// Environment variable with the secret, instead of a file.
    pub secret_env: Option<String>,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookEncoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64.
    Base64,
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HookSigned {
    /// The body as it is.
    #[default]
    #[serde(rename = "body")]
    Body,
    /// The time as its header has it, a full stop, the body.
    #[serde(rename = "timestamp.body")]
    TimestampBody,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self {
            header: String::new(),
            prefix: String::new(),
            encoding: HookEncoding::Hex,
            signed: HookSigned::Body,
            timestamp_header: None,
            tolerance: Span::seconds(300),
            secret_file: None,
            secret_env: None,
        }
    }
}
