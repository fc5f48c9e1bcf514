//! `[journal]`

use serde::{Deserialize, Serialize};

use super::amount::{Size, Span};

/// How long the journal of inputs is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSettings {
    /// Consumed segments older than this are deleted.
    pub keep: Span,
    /// Above this the oldest consumed segments are deleted first.
    pub keep_bytes: Size,
    /// A segment is closed at this size.
    pub segment_bytes: Size,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self { keep: Span::days(30), keep_bytes: Size(20 << 30), segment_bytes: Size(32 << 20) }
    }
}
