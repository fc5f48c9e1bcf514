//! `[privacy]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::amount::Span;

/// What comes from sources that say who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacySettings {
    /// The raw messages can be read so long; then their key is destroyed.
    pub keep: Span,
    /// Where the keys of the days are; `None`: in `keys` of the data folder.
    pub keys: Option<PathBuf>,
}

impl Default for PrivacySettings {
    fn default() -> Self {
        Self { keep: Span::days(30), keys: None }
    }
}
