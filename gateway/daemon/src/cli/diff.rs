//! `orderly check --diff`: what a reload of these files would change, restart and clear.

use std::collections::BTreeSet;
use std::path::Path;

use orderly_core::alert::{Alert, Condition};
use orderly_core::ids::ProfileId;
use orderly_core::output::{DeviceRow, TextRow};
use orderly_core::record::{ConfigKind, ConfigText};
use orderly_store::state::AlertFilter;

use crate::pipeline::StateFile;
use crate::sources::modbus::LinkConfig;

/// How things stand in the data directory.
#[derive(Debug, Default)]
pub struct Standing {
    /// The texts in force.
    pub texts: Vec<TextRow>,
    devices: Vec<DeviceRow>,
    alerts: Vec<Alert>,
}

impl Standing {
    /// Reads the data directory; before the first start nothing is in force.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(dir: &Path) -> Result<Self, String> {
        if !dir.join("state.db").exists() {
            return Ok(Self::default());
        }
        let reader = StateFile(dir.to_owned()).reader()?;
        let filter = AlertFilter { live: true, limit: 100_000, ..AlertFilter::default() };
        let alerts = reader.alerts(&filter).map_err(|e| e.to_string())?;
        Ok(Self {
            texts: reader.texts().map_err(|e| e.to_string())?,
            devices: reader.devices().map_err(|e| e.to_string())?,
            alerts: alerts.into_iter().filter(|alert| alert.condition != Condition::Cleared).collect(),
        })
    }

    fn text(&self, what: &ConfigKind) -> Option<&str> {
        self.texts.iter().find(|row| row.what == *what)?.text.as_deref()
    }

    /// One line for each text that changes.
    #[must_use]
    pub fn lines(&self, changes: &[ConfigText], links: &[LinkConfig]) -> Vec<String> {
        // A rule that moves to another file is not gone.
        let stays: BTreeSet<&str> =
            changes.iter().filter_map(|c| c.text.as_deref()).flat_map(rule_ids).collect();
        let line = |change: &ConfigText| {
            let before = self.text(&change.what);
            let sign = match (&change.text, before) {
                (None, _) => "-",
                (Some(_), Some(_)) => "~",
                (Some(_), None) => "+",
            };
            let (what, effects) = match &change.what {
                ConfigKind::Profile(id) => (format!("profile {id}"), self.of_profile(id, change, links)),
                ConfigKind::Rule(id) => (format!("rules {id}"), self.of_rules(before.unwrap_or(""), &stays)),
            };
            match effects.as_slice() {
                [] => format!("{sign} {what}"),
                effects => format!("{sign} {what}: {}", effects.join("; ")),
            }
        };
        changes.iter().map(line).collect()
    }

    fn of_profile(&self, id: &ProfileId, change: &ConfigText, links: &[LinkConfig]) -> Vec<String> {
        let mut effects = Vec::new();
        let devices = self.devices.iter().filter(|row| row.profile == *id && !row.revoked).count();
        if devices > 0 {
            effects.push(match change.text {
                Some(_) => format!("{devices} devices are read by it"),
                None => format!("the readings of {devices} devices go to quarantine"),
            });
        }
        let polled = links.iter().flat_map(|link| &link.devices).filter(|polled| polled.profile.id() == id);
        let polled: Vec<_> = polled.map(|polled| polled.id.as_str()).collect();
        if !polled.is_empty() {
            effects.push(format!("polled anew: {}", polled.join(", ")));
        }
        effects
    }

    fn of_rules(&self, before: &str, stays: &BTreeSet<&str>) -> Vec<String> {
        let gone: Vec<&str> = rule_ids(before).filter(|id| !stays.contains(id)).collect();
        let cleared = self.alerts.iter().filter(|alert| gone.contains(&alert.rule.as_str())).count();
        let mut effects = Vec::new();
        if !gone.is_empty() {
            effects.push(format!("takes away {}", gone.join(", ")));
        }
        if cleared > 0 {
            effects.push(format!("clears {cleared} alerts"));
        }
        effects
    }
}

/// The names of the rules of a file that was checked before.
fn rule_ids(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("id = \"")?.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orderly_core::ids::DeviceId;

    fn text(what: ConfigKind, text: Option<&str>) -> ConfigText {
        ConfigText { what, text: text.map(str::to_owned) }
    }

    fn row(device: &str, revoked: bool) -> DeviceRow {
        DeviceRow {
            device: DeviceId::new(device).unwrap(),
            class: "cold_store".parse().unwrap(),
            profile: "fridge".parse().unwrap(),
            zone: None,
            epoch: 0,
            credential: None,
            self_registered: false,
            revoked,
            commissioned_at: None,
            firmware: None,
        }
    }

    #[test]
    fn each_text_says_whom_it_concerns_and_what_it_takes_away() {
        let profile = |name: &str| ConfigKind::Profile(name.parse().unwrap());
        let rules = |name: &str| ConfigKind::Rule(name.parse().unwrap());
        let in_force = |what, text: &str| TextRow { what, text: Some(text.to_owned()) };
        let standing = Standing {
            texts: vec![
                in_force(profile("fridge"), "a"),
                in_force(profile("old"), "b"),
                in_force(
                    rules("cold"),
                    "[[rule]]\nid = \"warm\"\n[[rule]]\nid = \"moved\"\n[[rule]]\nid = \"open\"\n",
                ),
            ],
            devices: vec![row("f1", false), row("f2", false), row("f3", true)],
            alerts: Vec::new(),
        };
        let changes = [
            text(profile("fridge"), Some("c")),
            text(profile("new"), Some("d")),
            text(rules("cold"), Some("[[rule]]\nid = \"warm\"\n")),
            text(rules("more"), Some("[[rule]]\nid = \"moved\"\n")),
            text(profile("old"), None),
        ];
        assert_eq!(
            standing.lines(&changes, &[]),
            [
                "~ profile fridge: 2 devices are read by it",
                "+ profile new",
                "~ rules cold: takes away open",
                "+ rules more",
                "- profile old",
            ]
        );
        let gone = standing.lines(&[text(profile("fridge"), None)], &[]);
        assert_eq!(gone, ["- profile fridge: the readings of 2 devices go to quarantine"]);
    }
}
