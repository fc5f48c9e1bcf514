//! Reads what the settings ask for: built-in files, and the site's folders laid over them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderly_core::diagnostic::Diagnostic;
use orderly_core::ids::{ProfileId, RuleId};
use orderly_core::overlay::{Target, lay_over, target};
use orderly_core::profile::Profile;
use orderly_core::record::ConfigKind;
use orderly_core::rule::{ClassTable, RuleFile, holds_calendars};

use super::script::{complete, read_profile};
use super::{Broken, BrokenTexts, Claim, TextFile, Texts};
use crate::config::Settings;
use crate::shipped::BuiltIn;

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
    gather_again(settings, &[])
}

/// The same; a text that one of these profiles was read from is not read again.
#[must_use]
pub fn gather_again(settings: &Settings, known: &[Arc<Profile>]) -> Texts {
    let known = known.iter().map(|profile| (&**profile.text(), profile)).collect();
    let mut gathering = Gathering { known, texts: Texts::default(), broken: Vec::new() };
    for path in BuiltIn::iter() {
        let Some(file) = BuiltIn::get(&path).filter(|_| path.ends_with(".toml")) else { continue };
        let name = format!("device-profiles/{path}");
        let beside = |name: &str| {
            let script = BuiltIn::get(&Path::new(&*path).with_file_name(name).display().to_string())?;
            Some(String::from_utf8_lossy(&script.data).into_owned())
        };
        let text = complete(String::from_utf8_lossy(&file.data).into_owned(), beside);
        let file = TextFile { name, text, built_in: true };
        if settings.rules.defaults || !holds_rules(&file.text) {
            gathering.file(file);
        }
    }
    for folder in [&settings.profiles.dir, &settings.rules.dir].into_iter().flatten() {
        gathering.folder(folder);
    }
    if let Some(folder) = overlays(settings) {
        gathering.overlays(&folder);
    }
    gathering.finish()
}

/// The folders of the site.
pub(super) fn folders(settings: &Settings) -> Vec<PathBuf> {
    let named = [&settings.profiles.dir, &settings.rules.dir].into_iter().flatten().cloned();
    named.chain(overlays(settings)).collect()
}

/// The folder of overlays: the one that is named, or else the one beside the settings file, if it is there.
fn overlays(settings: &Settings) -> Option<PathBuf> {
    let beside = || Some(settings.beside.as_ref()?.join(OVERLAYS)).filter(|folder| folder.is_dir());
    settings.profiles.overlays.clone().or_else(beside)
}

/// The folder of overlays beside the settings file.
const OVERLAYS: &str = "device-profiles.d";

struct Gathering<'k> {
    /// Profiles that are read already, by their text.
    known: HashMap<&'k str, &'k Arc<Profile>>,
    texts: Texts,
    broken: Vec<Broken>,
}

impl Gathering<'_> {
    fn folder(&mut self, folder: &Path) {
        for file in self.files(folder, false) {
            self.file(file);
        }
    }

    /// Every file of a folder that can be read.
    fn files(&mut self, folder: &Path, overlay: bool) -> Vec<TextFile> {
        let mut paths = Vec::new();
        if let Err(error) = files_in(folder, &["toml"], &mut paths) {
            self.unreadable(folder, &error, overlay);
        }
        paths.sort();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            match read_profile(&path) {
                Ok(text) => files.push(TextFile { name: path.display().to_string(), text, built_in: false }),
                Err(error) => self.unreadable(&path, &error, overlay),
            }
        }
        files
    }

    /// Lays every overlay over what it names, one after the other in the order of their names.
    fn overlays(&mut self, folder: &Path) {
        for file in self.files(folder, true) {
            if let Err((found, claim)) = self.overlay(&file) {
                self.broken.push(Broken { file, found, claim, overlay: true });
            }
        }
    }

    fn overlay(&mut self, overlay: &TextFile) -> Result<(), (Vec<Diagnostic>, Claim)> {
        let target = {
            let profiles: Vec<&str> = self.texts.profiles.keys().map(ProfileId::as_str).collect();
            let rules: Vec<&str> = self.texts.rules.keys().map(RuleId::as_str).collect();
            target(&overlay.name, &overlay.text, &profiles, &rules)
                .map_err(|found| (found, Claim::Unknown))?
        };
        match target {
            Target::Profile(name) => {
                let known = self.texts.profiles.iter_mut().find(|(id, _)| id.as_str() == name);
                let Some((id, (file, profile))) = known else { return Ok(()) };
                let text = lay_over(&file.text, &overlay.name, &overlay.text);
                *profile = match self.known.get(&*text) {
                    Some(profile) => Arc::clone(profile),
                    None => Profile::parse(&text, &file.name)
                        .map(Arc::new)
                        .map_err(|found| (found, Claim::Text(ConfigKind::Profile(id.clone()))))?,
                };
                file.text = text;
            }
            Target::Rules(name) => {
                let classes = self.classes();
                let known = self.texts.rules.iter_mut().find(|(id, _)| id.as_str() == name);
                let Some((id, file)) = known else { return Ok(()) };
                let text = lay_over(&file.text, &overlay.name, &overlay.text);
                let parsed = RuleFile::parse(&text, &file.name, &classes);
                parsed.map_err(|found| (found, Claim::Text(ConfigKind::Rule(id.clone()))))?;
                file.text = text;
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error, overlay: bool) {
        let name = path.display().to_string();
        let found = whole(&name, format!("cannot be read: {error}"), None);
        let file = TextFile { name, text: String::new(), built_in: false };
        self.broken.push(Broken { file, found: vec![found], claim: Claim::Unknown, overlay });
    }

    /// What rules may name: metrics, and the calendars of every rule file that can be read.
    fn classes(&self) -> ClassTable {
        let mut classes = ClassTable::new(self.texts.profiles.values().map(|(_, profile)| &**profile));
        for (name, file) in self.texts.rules.iter().filter(|(_, file)| holds_calendars(&file.text)) {
            if let Ok(rules) = RuleFile::parse(&file.text, &file.name, &classes) {
                classes.set_calendars(name.as_str(), rules.calendars);
            }
        }
        classes
    }

    /// A file is what it holds: `[[rule]]` tables and calendars make it a rule file, anything else must be a profile.
    fn file(&mut self, file: TextFile) {
        if holds_rules(&file.text) || holds_calendars(&file.text) {
            match rule_file_name(&file.name) {
                Ok(name) => drop(self.texts.rules.insert(name, file)),
                Err(message) => {
                    let found = vec![whole(&file.name, message, Some("rename the file".to_owned()))];
                    self.broken.push(Broken { file, found, claim: Claim::Nothing, overlay: false });
                }
            }
            return;
        }
        let parsed = match self.known.get(&*file.text) {
            Some(profile) => Ok(Arc::clone(profile)),
            None => Profile::parse(&file.text, &file.name).map(Arc::new),
        };
        match parsed {
            Ok(profile) => drop(self.texts.profiles.insert(profile.id().clone(), (file, profile))),
            Err(found) => {
                let claim =
                    claimed_id(&file.text).map_or(Claim::Unknown, |id| Claim::Text(ConfigKind::Profile(id)));
                self.broken.push(Broken { file, found, claim, overlay: false });
            }
        }
    }

    fn finish(mut self) -> Texts {
        let classes = self.classes();
        // Files of the site come last: where they say a rule again, it is they who must change.
        let mut rules: Vec<(RuleId, TextFile)> = std::mem::take(&mut self.texts.rules).into_iter().collect();
        rules.sort_by_key(|(_, file)| !file.built_in);
        let mut taken: BTreeMap<RuleId, RuleId> = BTreeMap::new();
        for (name, file) in rules {
            let parsed = RuleFile::parse(&file.text, &file.name, &classes).and_then(|rules| {
                let twice = rules.rules.iter().find_map(|rule| Some((&rule.id, taken.get(&rule.id)?)));
                twice.map_or(Ok(()), |(rule, other)| Err(vec![said_again(&file, rule, other)]))?;
                let twice = classes.calendars().said_elsewhere(name.as_str(), &rules.calendars);
                twice.map_or(Ok(()), |message| Err(vec![whole(&file.name, message, None)]))?;
                Ok(rules)
            });
            match parsed {
                Ok(rules) => {
                    taken.extend(rules.rules.into_iter().map(|rule| (rule.id, name.clone())));
                    self.texts.rules.insert(name, file);
                }
                Err(found) => {
                    let claim = Claim::Text(ConfigKind::Rule(name));
                    self.broken.push(Broken { file, found, claim, overlay: false });
                }
            }
        }
        Texts { broken: self.broken, calendars: classes.calendars().clone(), ..self.texts }
    }
}

/// A rule that stands in two files; neither could be told from the other.
fn said_again(file: &TextFile, rule: &RuleId, other: &RuleId) -> Diagnostic {
    let key = format!("\"{rule}\"");
    let line = file.text.lines().position(|line| line.contains(&key)).unwrap_or(0);
    Diagnostic {
        line: u32::try_from(line + 1).unwrap_or(u32::MAX),
        key: "rule.id".to_owned(),
        ..whole(
            &file.name,
            format!("the rule {rule:?} is already in the rules {other:?}"),
            Some(format!("to replace those rules, call the file {other}.toml")),
        )
    }
}

/// A mistake of a file as a whole.
fn whole(file: &str, message: String, hint: Option<String>) -> Diagnostic {
    Diagnostic { file: file.to_owned(), line: 1, column: 1, key: String::new(), message, hint }
}

/// The name that a text gives itself, also when the rest of it cannot be read.
fn claimed_id(text: &str) -> Option<ProfileId> {
    let value = |line: &str| {
        let value = line.trim_start().strip_prefix("id")?.trim_start().strip_prefix('=')?.trim_start();
        ProfileId::new(value.strip_prefix('"')?.split('"').next()?).ok()
    };
    text.lines().find_map(value)
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

/// Every file with one of these endings in a folder and those below.
pub(in crate::runtime) fn files_in(
    folder: &Path,
    endings: &[&str],
    files: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files_in(&path, endings, files)?;
        } else if path.extension().is_some_and(|ending| endings.iter().any(|e| ending == *e)) {
            files.push(path);
        }
    }
    Ok(())
}
