//! Settings of one webhook.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{NotifySettings, Span};

/// One address that notices are posted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name, for people.
    pub name: String,
    /// Where a notice is posted. Redirects are not followed.
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
    /// Shortest wait after a failed attempt.
    pub retry_least: Span,
    /// Longest wait after a failed attempt.
    pub retry_most: Span,
    /// So many failures in a row, and only one attempt is made in each pause.
    pub breaker_after: u32,
    /// How long that pause is.
    pub breaker_pause: Span,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            name: "webhook".to_owned(),
            url: String::new(),
            token_file: None,
            sign_file: None,
            ca_file: None,
            timeout: Span::seconds(10),
            max_age: Span::days(1),
            retry_least: Span::ms(500),
            retry_most: Span::seconds(60),
            breaker_after: 8,
            breaker_pause: Span::seconds(15),
        }
    }
}

impl WebhookConfig {
    /// The settings of the webhook with this name.
    #[must_use]
    pub fn from_settings(name: &str, settings: &NotifySettings) -> Self {
        Self {
            name: name.to_owned(),
            url: settings.url.clone(),
            token_file: settings.token_file.clone(),
            sign_file: settings.sign_file.clone(),
            ca_file: settings.ca_file.clone(),
            timeout: settings.timeout,
            max_age: settings.max_age,
            ..Self::default()
        }
    }
}
