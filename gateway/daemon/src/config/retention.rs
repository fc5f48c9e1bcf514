//! `[retention]`

use serde::{Deserialize, Serialize};

use super::amount::Span;

/// How long the local stores keep things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Readings themselves.
    pub readings: Span,
    /// One-minute summaries.
    pub minutes: Span,
    /// One-hour summaries.
    pub hours: Span,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { readings: Span::days(400), minutes: Span::days(800), hours: Span::days(3_650) }
    }
}
