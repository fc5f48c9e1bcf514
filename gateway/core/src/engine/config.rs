//! Profiles and rules in force, and what they make together for each class.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, nearest};
use crate::ids::{ClassId, ProfileId, RuleId};
use crate::output::DeviceRow;
use crate::profile::Profile;
use crate::rule::{ClassTable, Hours, Rule, RuleFile, RuleSet, Slot, late_ms};

/// Profiles and rules in force.
#[derive(Debug, Default)]
pub(super) struct Config {
    profiles: BTreeMap<ProfileId, Arc<Profile>>,
    files: BTreeMap<RuleId, RuleFile>,
    classes: ClassTable,
    numbers: BTreeMap<ClassId, usize>,
    sets: Vec<Arc<RuleSet>>,
}

/// Names of the class and how it changed.
#[derive(Debug)]
pub(super) struct Recompiled {
    pub(super) class: usize,
    pub(super) before: Arc<RuleSet>,
    pub(super) after: Arc<RuleSet>,
    /// Rules that do not fit the class any more, with the reason.
    pub(super) dropped: Vec<(RuleId, String)>,
}

impl Config {
    /// The working days, with the public holidays in force.
    pub(super) fn workdays(&self) -> Hours {
        self.classes.calendars().workdays()
    }

    /// Reads a profile; nothing is in force yet.
    pub(super) fn read_profile(id: &ProfileId, text: &str) -> Result<Profile, String> {
        let profile = Profile::parse(text, &format!("{id}.toml")).map_err(|found| sentence(&found))?;
        if profile.id() != id {
            return Err(format!("the text is of the profile {:?}, not {id:?}", profile.id()));
        }
        Ok(profile)
    }

    /// Reads a rule file; nothing is in force yet.
    pub(super) fn read_rules(&self, name: &RuleId, text: &str) -> Result<RuleFile, String> {
        let file = RuleFile::parse(text, &format!("{name}.toml"), &self.classes)
            .map_err(|found| sentence(&found))?;
        if let Some(twice) = self.classes.calendars().said_elsewhere(name.as_str(), &file.calendars) {
            return Err(twice);
        }
        for (other, known) in self.files.iter().filter(|(other, _)| *other != name) {
            if let Some(twice) = file.rules.iter().find(|rule| known.rules.iter().any(|k| k.id == rule.id)) {
                return Err(format!("the rule {:?} is already in the file {other:?}", twice.id));
            }
        }
        Ok(file)
    }

    /// Puts a profile into force, or takes it away. Gives the classes that it concerns.
    pub(super) fn set_profile(&mut self, id: &ProfileId, profile: Option<Arc<Profile>>) -> Vec<ClassId> {
        let mut classes: Vec<ClassId> = profile.iter().map(|profile| profile.class().clone()).collect();
        let before = match profile {
            Some(profile) => self.profiles.insert(id.clone(), profile),
            None => self.profiles.remove(id),
        };
        classes.extend(before.map(|before| before.class().clone()));
        classes.sort();
        classes.dedup();
        for class in &classes {
            let profiles = self.profiles.values().map(|profile| &**profile);
            self.classes.set(class, profiles.filter(|profile| profile.class() == class));
        }
        classes
    }

    /// Puts a rule file into force, or takes it away. Gives the classes that it concerns.
    pub(super) fn set_rules(&mut self, name: &RuleId, file: Option<RuleFile>) -> Vec<ClassId> {
        let of = |file: &RuleFile| file.rules.iter().map(|rule| rule.class.clone()).collect::<Vec<_>>();
        let mut classes = file.as_ref().map(of).unwrap_or_default();
        let calendars = file.as_ref().map(|file| file.calendars.clone()).unwrap_or_default();
        if self.classes.set_calendars(name.as_str(), calendars) {
            let rules = self.files.values().flat_map(|file| &file.rules);
            classes.extend(rules.filter(|rule| rule.calendar().is_some()).map(|rule| rule.class.clone()));
        }
        let before = match file {
            Some(file) => self.files.insert(name.clone(), file),
            None => self.files.remove(name),
        };
        classes.extend(before.as_ref().map(of).unwrap_or_default());
        classes.sort();
        classes.dedup();
        classes
    }

    /// Puts the rules of a class together anew.
    pub(super) fn recompile(&mut self, class: &ClassId) -> Recompiled {
        let number = self.class(class);
        let mut parsed: Vec<_> =
            self.files.values().flat_map(|file| &file.rules).filter(|rule| rule.class == *class).collect();
        parsed.sort_by(|a, b| a.id.cmp(&b.id));
        let (mut rules, mut slots, mut dropped) = (Vec::<Rule>::new(), Vec::<Slot>::new(), Vec::new());
        for rule in parsed {
            match rule.lower(&self.classes, &mut slots) {
                Ok(rule) => rules.push(rule),
                Err(reason) => dropped.push((rule.id.clone(), reason)),
            }
        }
        let after = Arc::new(RuleSet::new(class.clone(), rules, slots, late_ms(class.as_str())));
        let before = std::mem::replace(&mut self.sets[number], Arc::clone(&after));
        Recompiled { class: number, before, after, dropped }
    }

    /// The number of a class.
    pub(super) fn class(&mut self, class: &ClassId) -> usize {
        if let Some(number) = self.numbers.get(class) {
            return *number;
        }
        let number = self.sets.len();
        self.numbers.insert(class.clone(), number);
        self.sets.push(Arc::new(RuleSet::new(
            class.clone(),
            Vec::new(),
            Vec::new(),
            late_ms(class.as_str()),
        )));
        number
    }

    /// The rules of a class.
    pub(super) fn rules(&self, class: usize) -> &Arc<RuleSet> {
        &self.sets[class]
    }

    /// The rules of all classes.
    pub(super) fn all_rules(&self) -> impl Iterator<Item = &Arc<RuleSet>> {
        self.sets.iter()
    }

    /// A profile by name.
    pub(super) fn profile(&self, id: &ProfileId) -> Option<&Arc<Profile>> {
        self.profiles.get(id)
    }

    /// The profile of a device, as it is for its firmware.
    pub(super) fn profile_of(&self, row: &DeviceRow) -> Option<Arc<Profile>> {
        self.profile(&row.profile).map(|profile| profile.for_firmware(row.firmware.as_ref()))
    }

    /// All profiles, by name.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.values()
    }

    /// The profile of a device that only says its class: the only one that speaks on our own topics, or the
    /// only one at all.
    pub(super) fn only_profile(&self, class: &str) -> Result<Arc<Profile>, (&'static str, String)> {
        let of_class = || self.profiles().filter(|profile| profile.class().as_str() == class);
        let some = of_class().any(|profile| profile.is_for_any_of_its_class());
        let mut found = of_class().filter(|profile| !some || profile.is_for_any_of_its_class());
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(Arc::clone(only)),
            (None, _) => {
                let near = nearest(class, self.classes.names());
                let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                Err(("unknown_class", format!("no profile is of the class {class:?}{hint}")))
            }
            (Some(one), Some(other)) => Err((
                "ambiguous_profile",
                format!(
                    "the class {class:?} has the profiles {:?} and {:?}; register the device with one of them",
                    one.id(),
                    other.id()
                ),
            )),
        }
    }
}

fn sentence(found: &[Diagnostic]) -> String {
    let shown: Vec<String> = found.iter().take(5).map(ToString::to_string).collect();
    shown.join("; ")
}
