//! `[retention]`

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::amount::Span;

/// How long the local stores keep things. Roll-ups and latest values stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Readings of every class that is not named below.
    pub readings: Span,
    /// Readings of single classes.
    pub class: BTreeMap<String, Span>,
    /// Alerts that are over and closed, with their steps, counted from the last step.
    pub alerts: Span,
    /// Notices that were delivered or given up.
    pub notices: Span,
}

impl RetentionSettings {
    /// How long readings of a class are kept.
    #[must_use]
    pub fn of(&self, class: &str) -> Span {
        self.class.get(class).copied().unwrap_or(self.readings)
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            readings: Span::days(400),
            class: BTreeMap::new(),
            alerts: Span::days(3 * 365),
            notices: Span::days(7),
        }
    }
}
