//! Profiles and rules: built in, overlaid by the site's folders, checked, and brought into force by records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderly_core::diagnostic::Diagnostic;
use orderly_core::ids::{ProfileId, RuleId};
use orderly_core::output::TextRow;
use orderly_core::profile::Profile;
use orderly_core::record::{ConfigKind, ConfigText, Entry, Flags, Kind};
use orderly_core::rule::{ClassTable, RuleFile};
use rust_embed::RustEmbed;

use super::core::Core;
use crate::config::Settings;
use crate::sources::intake::append_durably;

/// Profiles and default rules that come with the program.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../device-profiles"]
struct BuiltIn;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// As a person finds it.
    pub name: String,
    /// The whole text.
    pub text: String,
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
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The file.
    pub file: TextFile,
    /// Everything that is wrong in it.
    pub found: Vec<Diagnostic>,
}

/// Profiles and rules that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", sentences(.0))]
pub struct BrokenTexts(pub Vec<Broken>);

fn sentences(broken: &[Broken]) -> String {
    let all: Vec<String> = broken.iter().flat_map(|b| &b.found).map(ToString::to_string).collect();
    all.join("\n")
}

/// Collects and checks everything that the settings ask for; the site's files win over built-in ones.
///
/// # Errors
/// Everything that is wrong in any file.
pub fn gather(settings: &Settings) -> Result<Texts, BrokenTexts> {
    let texts = gather_usable(settings);
    if texts.broken.is_empty() { Ok(texts) } else { Err(BrokenTexts(texts.broken)) }
}

/// Collects and checks everything that the settings ask for, and leaves aside what cannot be used.
#[must_use]
pub fn gather_usable(settings: &Settings) -> Texts {
    let mut gathering = Gathering::default();
    for path in BuiltIn::iter() {
        let Some(file) = BuiltIn::get(&path).filter(|_| path.ends_with(".toml")) else { continue };
        let file = TextFile {
            name: format!("device-profiles/{path}"),
            text: String::from_utf8_lossy(&file.data).into_owned(),
        };
        if settings.rules.defaults || !holds_rules(&file.text) {
            gathering.file(file);
        }
    }
    for folder in [&settings.profiles.dir, &settings.rules.dir].into_iter().flatten() {
        gathering.folder(folder);
    }
    gathering.finish()
}

#[derive(Default)]
struct Gathering {
    texts: Texts,
    broken: Vec<Broken>,
}

impl Gathering {
    fn folder(&mut self, folder: &Path) {
        let mut files = Vec::new();
        match toml_files(folder, &mut files) {
            Ok(()) => {}
            Err(e) => return self.unreadable(folder, &e),
        }
        files.sort();
        for path in files {
            match std::fs::read_to_string(&path) {
                Ok(text) => self.file(TextFile { name: path.display().to_string(), text }),
                Err(e) => self.unreadable(&path, &e),
            }
        }
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        let name = path.display().to_string();
        let found = vec![Diagnostic {
            file: name.clone(),
            line: 1,
            column: 1,
            key: String::new(),
            message: format!("cannot be read: {error}"),
            hint: None,
        }];
        self.broken.push(Broken { file: TextFile { name, text: String::new() }, found });
    }

    /// A file is what it holds: `[[rule]]` tables make it a rule file, anything else must be a profile.
    fn file(&mut self, file: TextFile) {
        if holds_rules(&file.text) {
            match rule_file_name(&file.name) {
                Ok(name) => drop(self.texts.rules.insert(name, file)),
                Err(message) => {
                    let found = Diagnostic {
                        file: file.name.clone(),
                        line: 1,
                        column: 1,
                        key: String::new(),
                        message,
                        hint: Some("rename the file".to_owned()),
                    };
                    self.broken.push(Broken { file, found: vec![found] });
                }
            }
            return;
        }
        match Profile::parse(&file.text, &file.name) {
            Ok(profile) => {
                drop(self.texts.profiles.insert(profile.id().clone(), (file, Arc::new(profile))));
            }
            Err(found) => self.broken.push(Broken { file, found }),
        }
    }

    fn finish(mut self) -> Texts {
        let classes = ClassTable::new(self.texts.profiles.values().map(|(_, profile)| &**profile));
        let broken = &mut self.broken;
        self.texts.rules.retain(|_, file| match RuleFile::parse(&file.text, &file.name, &classes) {
            Ok(_) => true,
            Err(found) => {
                broken.push(Broken { file: file.clone(), found });
                false
            }
        });
        Texts { broken: self.broken, ..self.texts }
    }
}

fn holds_rules(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("[[rule"))
}

/// The name of a rule file: its stem, or its folder's name when it is just called `rules.toml`.
fn rule_file_name(file: &str) -> Result<RuleId, String> {
    let path = Path::new(file);
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).and_then(|s| s.to_str()).unwrap_or_default();
    RuleId::new(if stem == "rules" { folder } else { stem }).map_err(|e| e.to_string())
}

fn toml_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            toml_files(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

impl Texts {
    /// All profiles.
    #[must_use]
    pub fn all_profiles(&self) -> Vec<Arc<Profile>> {
        self.profiles.values().map(|(_, profile)| Arc::clone(profile)).collect()
    }

    /// How often a device of each profile is expected to report, in milliseconds.
    #[must_use]
    pub fn expected(&self) -> BTreeMap<ProfileId, i64> {
        let every = |profile: &Profile| i64::try_from(profile.every_ms()?).ok();
        self.profiles.iter().filter_map(|(id, (_, profile))| Some((id.clone(), every(profile)?))).collect()
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

/// Writes the records that are needed and waits until they are committed: no door opens before.
///
/// # Errors
/// When they cannot be journalled.
pub async fn bring_into_force(core: &Core, wanted: &Texts) -> anyhow::Result<()> {
    let changes = wanted.changes_from(&core.found.texts);
    if changes.is_empty() {
        return Ok(());
    }
    let bodies: Vec<Vec<u8>> = changes.iter().map(rmp_serde::to_vec_named).collect::<Result<_, _>>()?;
    let entries: Vec<Entry<'_>> = bodies
        .iter()
        .map(|body| Entry {
            kind: Kind::Config,
            flags: Flags::default(),
            source: "config",
            connection: 0,
            address: "",
            body,
        })
        .collect();
    append_durably(&*core.intake, &entries).await?;
    tracing::info!(texts = changes.len(), "profiles and rules changed");
    core.caught_up().await
}
