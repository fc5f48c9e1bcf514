//! `[notify.<name>]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::amount::Span;

/// One way to tell people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifySettings {
    /// What it speaks.
    pub kind: NotifyKind,
    /// Where a notice is posted.
    pub url: String,
    /// File with a token that is sent as `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
    /// File with a secret; every notice is then signed with it (HMAC-SHA256).
    pub sign_file: Option<PathBuf>,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one attempt may take.
    pub timeout: Span,
    /// A notice that could not be sent for so long is given up and shown.
    pub max_age: Span,
}

/// What a way to tell people speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyKind {
    /// A JSON document posted over HTTP.
    #[default]
    Webhook,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self {
            kind: NotifyKind::Webhook,
            url: String::new(),
            token_file: None,
            sign_file: None,
            ca_file: None,
            timeout: Span::seconds(10),
            max_age: Span::days(1),
        }
    }
}
