//! `[profiles]` and `[rules]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the site keeps device profiles of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfilesSettings {
    /// A folder laid over the built-in profiles: a file of the same `id` wins.
    pub dir: Option<PathBuf>,
}

/// Where the site keeps rules of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesSettings {
    /// A folder laid over the built-in rules: a rule of the same `id` wins.
    pub dir: Option<PathBuf>,
    /// Whether the built-in rules are in force.
    pub defaults: bool,
}

impl Default for RulesSettings {
    fn default() -> Self {
        Self { dir: None, defaults: true }
    }
}
