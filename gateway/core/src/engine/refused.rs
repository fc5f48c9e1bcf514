//! Texts that were in force and that this version does not take: they are left out, told, and tried again when
//! another text changes.

use crate::ids::ClassId;
use crate::record::ConfigKind;
use crate::rule::holds_calendars;

use super::Engine;

/// A profile or rule file that was in force and cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedText {
    /// Which text.
    pub what: ConfigKind,
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Engine {
    /// The texts that are left out. Readings of their devices go to quarantine, their rules decide nothing.
    #[must_use]
    pub fn refused(&self) -> &[RefusedText] {
        &self.refused
    }

    /// Why the text is left out, if it is.
    pub(super) fn refusal(&self, what: &ConfigKind) -> Option<&str> {
        self.refused.iter().find(|text| text.what == *what).map(|text| text.reason.as_str())
    }

    /// Tries the texts that are left out, profiles and calendars first, since rules name them. Gives the classes that
    /// must be compiled anew.
    pub(super) fn take_up_refused(&mut self) -> Vec<ClassId> {
        let mut texts = std::mem::take(&mut self.refused);
        texts.sort_by_key(|text| match text.what {
            ConfigKind::Profile(_) => 0,
            ConfigKind::Rule(_) if holds_calendars(&text.text) => 1,
            ConfigKind::Rule(_) => 2,
        });
        let mut classes = Vec::new();
        for text in texts {
            match self.apply(&text.what, Some(&text.text)) {
                Ok(found) => classes.extend(found),
                Err(reason) => self.refused.push(RefusedText { reason, ..text }),
            }
        }
        classes.sort();
        classes.dedup();
        classes
    }
}
