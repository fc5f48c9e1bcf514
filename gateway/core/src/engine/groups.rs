//! Groups of devices: counted as their rules change, never by asking all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::{Alert, Condition, Handling};
use crate::ids::{ClassId, DeviceId, RuleId, ZoneId};
use crate::record::Seq;
use crate::rule::{Fill, GroupBy, GroupTrack, NEVER, Rule, Step, Tally, Track, show_number};

use super::Engine;
use super::alerts::alert_id;

/// The rule and the zone of a group; the whole site has none.
pub(super) type Key = (RuleId, Option<ZoneId>);

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    tallies: BTreeMap<Key, Tally>,
    tracks: BTreeMap<Key, GroupTrack>,
    /// Groups of which something changed with the record under way.
    touched: BTreeSet<Key>,
    /// Devices came, went or moved: all must be counted again.
    uncounted: bool,
}

impl Groups {
    /// Takes up what was written.
    pub(super) fn new(tracks: Vec<(Key, GroupTrack)>) -> Self {
        Self { tracks: tracks.into_iter().collect(), uncounted: true, ..Self::default() }
    }

    /// What must be written.
    pub(super) fn written(&self) -> Vec<(Key, GroupTrack)> {
        let on = self.tracks.iter().filter(|(_, track)| track.began.is_some());
        on.map(|(key, track)| (key.clone(), *track)).collect()
    }

    /// When the first hold or clear delay of a group ends, in even time.
    pub(super) fn due(&self) -> i64 {
        self.tracks.values().map(|track| track.due).min().unwrap_or(NEVER)
    }

    /// Devices came, went or moved, or the rules changed.
    pub(super) const fn count_again(&mut self) {
        self.uncounted = true;
    }
}

impl Engine {
    /// The rule of a group began or ceased to be so for a device.
    pub(super) fn member(&mut self, number: usize, rule: &Rule, place: u16) {
        let Some(key) = self.group_of(number, rule) else { return };
        let device = self.register.get_mut(number);
        let is_so = device.twin.rules.tracks.get(usize::from(place)).is_some_and(Track::is_firing);
        match device.counted.iter().position(|counted| *counted == place) {
            Some(at) if !is_so => drop(device.counted.remove(at)),
            None if is_so => device.counted.push(place),
            _ => return,
        }
        let tally = self.groups.tallies.entry(key.clone()).or_default();
        tally.so = if is_so { tally.so.saturating_add(1) } else { tally.so.saturating_sub(1) };
        self.groups.touched.insert(key);
    }

    /// Looks at the groups that the record has changed, and at those whose time has come.
    pub(super) fn run_groups(&mut self, seq: Seq) {
        if self.groups.uncounted {
            self.count_groups();
        }
        if self.groups.tracks.is_empty() && self.groups.touched.is_empty() {
            return;
        }
        let clocks = self.clock.clocks();
        let due = self.groups.tracks.iter().filter(|(_, track)| track.due <= clocks.even);
        let mut keys: BTreeSet<Key> = due.map(|(key, _)| key.clone()).collect();
        keys.append(&mut self.groups.touched);
        for key in keys {
            let Some((class, rule)) = self.group_rule(&key.0) else { continue };
            let Some(group) = rule.group else { continue };
            let tally = self.groups.tallies.get(&key).copied().unwrap_or_default();
            let mut track = self.groups.tracks.get(&key).copied().unwrap_or_default();
            // What is due goes first; what was counted since may begin anew.
            let steps = [track.expire(&group, clocks), track.look(&group, tally, clocks)];
            self.groups.tracks.insert(key.clone(), track);
            for step in steps.into_iter().flatten() {
                self.tell_group(&key, &class, &rule, tally, step, seq);
            }
        }
    }

    fn group_of(&self, number: usize, rule: &Rule) -> Option<Key> {
        let row = &self.register.get(number).row;
        match rule.group?.by {
            GroupBy::Site => Some((rule.id.clone(), None)),
            GroupBy::Zone => Some((rule.id.clone(), Some(row.zone.clone()?))),
        }
    }

    fn group_rule(&self, id: &RuleId) -> Option<(ClassId, Rule)> {
        let mut sets = self.config.all_rules();
        sets.find_map(|set| Some((set.class.clone(), set.rules.iter().find(|rule| rule.id == *id)?.clone())))
    }

    /// Counts every group from the tracks of its devices.
    fn count_groups(&mut self) {
        self.groups.uncounted = false;
        let before = std::mem::take(&mut self.groups.tallies);
        let mut tallies: BTreeMap<Key, Tally> = BTreeMap::new();
        for number in 0..self.register.len() {
            let device = self.register.get(number);
            let set = self.config.rules(device.class);
            if !set.has_groups || device.row.revoked {
                continue;
            }
            let mut counted = Vec::new();
            for (place, (rule, track)) in (0_u16..).zip(set.rules.iter().zip(&device.twin.rules.tracks)) {
                let Some(key) = self.group_of(number, rule) else { continue };
                let tally = tallies.entry(key).or_default();
                tally.devices += 1;
                tally.so += u32::from(track.is_firing());
                counted.extend(track.is_firing().then_some(place));
            }
            self.register.get_mut(number).counted = counted;
        }
        let known: BTreeSet<Key> = before.into_keys().chain(tallies.keys().cloned()).collect();
        self.groups.touched.extend(known);
        self.groups.tallies = tallies;
        let rules: BTreeSet<RuleId> = {
            let rules = self.config.all_rules().flat_map(|set| &set.rules);
            rules.filter(|rule| rule.group.is_some()).map(|rule| rule.id.clone()).collect()
        };
        self.groups.tracks.retain(|(rule, _), _| rules.contains(rule));
    }

    fn tell_group(&mut self, key: &Key, class: &ClassId, rule: &Rule, tally: Tally, step: Step, seq: Seq) {
        let zone = key.1.as_ref();
        let named = zone.map_or(self.settings.site.as_str(), |zone| zone.as_str());
        // A device may be called like a zone.
        let Ok(subject) = DeviceId::new(&format!("{class}:{named}")).or_else(|_| DeviceId::new(named)) else {
            return;
        };
        match step {
            Step::Fired { began, at } => {
                let filling = Filling { subject: named, class, tally };
                let alert = Alert {
                    id: alert_id(&rule.id, &subject, began, 0),
                    rule: rule.id.clone(),
                    text: rule.text.fill(&filling),
                    device: subject,
                    class: class.clone(),
                    zone: zone.cloned(),
                    metric: None,
                    severity: rule.severity,
                    team: Arc::clone(&rule.team),
                    condition: Condition::Firing,
                    handling: Handling::Open,
                    handled_by: None,
                    outcome: None,
                    began_at: began,
                    fired_at: Some(at),
                    cleared_at: None,
                    cleared_reason: None,
                    transition: 0,
                };
                let id = Arc::clone(&alert.id);
                self.alerts.insert(Arc::clone(&id), alert);
                self.step(&id, at, seq, true);
            }
            Step::Cleared { began, at } => self.clear(&alert_id(&rule.id, &subject, began, 0), at, None, seq),
        }
    }
}

struct Filling<'a> {
    subject: &'a str,
    class: &'a ClassId,
    tally: Tally,
}

impl Fill for Filling<'_> {
    fn device(&self) -> &str {
        self.subject
    }

    fn zone(&self) -> Option<&str> {
        Some(self.subject)
    }

    fn class(&self) -> &str {
        self.class.as_str()
    }

    fn metric(&self, metric: &str) -> Option<String> {
        match metric {
            "count" => Some(self.tally.so.to_string()),
            "members" => Some(self.tally.devices.to_string()),
            _ => Some(show_number(100.0 * f64::from(self.tally.so) / f64::from(self.tally.devices.max(1)))),
        }
    }
}
