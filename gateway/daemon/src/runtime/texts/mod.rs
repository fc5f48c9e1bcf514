//! Profiles and rules: built in, overlaid by the site's folders, checked, and brought into force by records.

mod force;
mod gather;
mod script;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_core::diagnostic::Diagnostic;
use orderly_core::ids::{ProfileId, RuleId};
use orderly_core::output::TextRow;
use orderly_core::overlay::split;
use orderly_core::profile::Profile;
use orderly_core::record::{ConfigKind, ConfigText};
use orderly_core::rule::Calendars;

pub use force::{Force, bring_into_force};
pub(super) use gather::files_in;
pub use gather::{gather, gather_again, gather_usable};
pub use script::read_profile;
pub use watch::Look;

/// How a text is called whose file is not there any more, or cannot be used.
const IN_FORCE: &str = "(in force)";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// As a person finds it.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// It came with the program.
    pub built_in: bool,
}

/// What should be in force.
#[derive(Debug, Default)]
pub struct Texts {
    /// Profiles, read.
    pub profiles: BTreeMap<ProfileId, (TextFile, Arc<Profile>)>,
    /// Rule files by name.
    pub rules: BTreeMap<RuleId, TextFile>,
    /// Files that cannot be used. While there are any, nothing that is in force is taken out of it: it may be theirs.
    pub broken: Vec<Broken>,
    /// The calendars of all rule files.
    pub calendars: Calendars,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The file.
    pub file: TextFile,
    /// Everything that is wrong in it.
    pub found: Vec<Diagnostic>,
    /// What it would be if it could be used, or what it would be laid over.
    pub claim: Claim,
    /// It is an overlay: without it the text that it is laid over is not what was in force.
    pub overlay: bool,
}

/// What a file that cannot be used would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing that ever was in force: it has no proper name.
    Nothing,
    /// This text.
    Text(ConfigKind),
    /// Nobody can tell.
    Unknown,
}

/// Profiles and rules that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", sentences(.0))]
pub struct BrokenTexts(pub Vec<Broken>);

fn sentences(broken: &[Broken]) -> String {
    let all: Vec<String> = broken.iter().flat_map(|b| &b.found).map(ToString::to_string).collect();
    all.join("\n")
}

impl Texts {
    /// All profiles.
    #[must_use]
    pub fn all_profiles(&self) -> Vec<Arc<Profile>> {
        self.profiles.values().map(|(_, profile)| Arc::clone(profile)).collect()
    }

    /// Where a file cannot be used, what is in force stays: also in place of the built-in text that the file is laid
    /// over.
    pub fn keep(&mut self, stored: &[TextRow]) {
        if self.broken.is_empty() {
            return;
        }
        let covered = |what: &ConfigKind, text: &str, built_in: bool| {
            self.broken.iter().any(|broken| match &broken.claim {
                Claim::Nothing => false,
                Claim::Text(claim) => claim == what && (built_in || broken.overlay),
                Claim::Unknown if broken.overlay => {
                    split(text).1.iter().any(|layer| layer.name == broken.file.name)
                }
                Claim::Unknown => built_in,
            })
        };
        for row in stored {
            let Some(text) = &row.text else { continue };
            let file = TextFile { name: IN_FORCE.to_owned(), text: text.clone(), built_in: false };
            match &row.what {
                ConfigKind::Profile(id) => {
                    let stays =
                        self.profiles.get(id).is_none_or(|(file, _)| covered(&row.what, text, file.built_in));
                    if let Some(profile) = stays.then(|| Profile::parse(text, IN_FORCE).ok()).flatten() {
                        self.profiles.insert(id.clone(), (file, Arc::new(profile)));
                    }
                }
                ConfigKind::Rule(id) => {
                    if self.rules.get(id).is_none_or(|file| covered(&row.what, text, file.built_in)) {
                        self.rules.insert(id.clone(), file);
                    }
                }
            }
        }
    }

    /// The records that turn what is in force into this: profiles before the rules that name their metrics,
    /// rules that go before the profiles that go.
    #[must_use]
    pub fn changes_from(&self, stored: &[TextRow]) -> Vec<ConfigText> {
        let in_force = |what: &ConfigKind| {
            stored.iter().find(|row| row.what == *what).and_then(|row| row.text.as_deref())
        };
        let profiles =
            self.profiles.iter().map(|(id, (file, _))| (ConfigKind::Profile(id.clone()), &file.text));
        let rules = self.rules.iter().map(|(id, file)| (ConfigKind::Rule(id.clone()), &file.text));
        let mut changes: Vec<ConfigText> = profiles
            .chain(rules)
            .filter(|(what, text)| in_force(what) != Some(text.as_str()))
            .map(|(what, text)| ConfigText { what, text: Some(text.clone()) })
            .collect();
        let mut gone: Vec<ConfigText> = stored
            .iter()
            .filter(|row| self.broken.is_empty() && row.text.is_some() && !self.names(&row.what))
            .map(|row| ConfigText { what: row.what.clone(), text: None })
            .collect();
        gone.sort_by_key(|text| matches!(text.what, ConfigKind::Profile(_)));
        changes.extend(gone);
        changes
    }

    /// What is wrong, one sentence for each file that cannot be used.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.broken.iter().map(|broken| sentences(std::slice::from_ref(broken))).collect()
    }

    fn names(&self, what: &ConfigKind) -> bool {
        match what {
            ConfigKind::Profile(id) => self.profiles.contains_key(id),
            ConfigKind::Rule(id) => self.rules.contains_key(id),
        }
    }
}
