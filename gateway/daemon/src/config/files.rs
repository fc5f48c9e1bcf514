//! `[profiles]` and `[rules]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::amount::Span;

/// Where the site keeps device profiles of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfilesSettings {
    /// A folder laid over the built-in profiles: a file of the same `id` wins.
    pub dir: Option<PathBuf>,
    /// A folder of overlays: parameters of profiles and rules that the site changes. Without it `device-profiles.d` beside
    /// the settings file, if it is there.
    pub overlays: Option<PathBuf>,
    /// How often it is looked whether files of profiles and rules changed.
    pub watch: Span,
}

impl Default for ProfilesSettings {
    fn default() -> Self {
        Self { dir: None, overlays: None, watch: Span::seconds(1) }
    }
}

/// Where the site keeps its registry of places and things.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// A folder of tables that name all rows of theirs. Without it `registry` beside the settings file, if it is there.
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
