//! A configuration record: compile, swap, carry the state of rules over, clear what has lost its rule.

use std::sync::Arc;

use crate::ids::ClassId;
use crate::output::TextRow;
use crate::record::{ConfigKind, ConfigText, Record, Reload, Seq};
use crate::rule::{Kind, NEVER, Phase, Rule, RuleSet, RuleState, Track, holds_calendars, life};

use super::Engine;
use super::config::{Config, Recompiled};
use super::technical::is_technical;

/// Why an alert was cleared whose rule is not there any more.
const RULE_REMOVED: &str = "rule_removed";

impl Engine {
    /// Puts texts into force together; one that cannot be used is put aside, the rest applies.
    pub(super) fn reload(&mut self, record: &Record<'_>) {
        let reload = match Reload::read(record.entry.body) {
            Ok(reload) => reload,
            Err(error) => {
                let reason = format!("the configuration record cannot be read: {error}");
                return self.batch.quarantine(record, 0, "bad_config", reason, record.entry.body);
            }
        };
        let mut classes = Vec::new();
        let mut index = 0;
        for (text, reason) in self.apply_all(reload.texts, &mut classes) {
            self.batch.quarantine(
                record,
                index,
                "bad_config",
                reason,
                text.text.unwrap_or_default().as_bytes(),
            );
            index += 1;
        }
        // What was left out may be readable beside the new texts.
        classes.extend(self.take_up_refused());
        classes.sort();
        classes.dedup();
        for class in &classes {
            let recompiled = self.config.recompile(class);
            for (rule, reason) in &recompiled.dropped {
                let reason = format!("the rule {rule:?} does not fit its class any more: {reason}");
                self.batch.quarantine(record, index, "bad_config", reason, &[]);
                index += 1;
            }
            self.swap(class, &recompiled, record);
            // What a device promised may have changed with its profile.
            for number in 0..self.register.len() {
                if self.register.get(number).class == recompiled.class {
                    self.note_presence(number);
                    self.schedule(number);
                }
            }
        }
    }

    /// Takes texts in, in an order in which they can follow one another, and gives those that cannot be used.
    fn apply_all(
        &mut self,
        mut texts: Vec<ConfigText>,
        classes: &mut Vec<ClassId>,
    ) -> Vec<(ConfigText, String)> {
        // Rules name the metrics of profiles, so they come after those that come and before those that go.
        texts.sort_by_key(|text| match (&text.what, &text.text) {
            (ConfigKind::Rule(_), None) => 0,
            (ConfigKind::Profile(_), Some(_)) => 1,
            (ConfigKind::Rule(_), Some(text)) if holds_calendars(text) => 2,
            (ConfigKind::Rule(_), Some(_)) => 3,
            (ConfigKind::Profile(_), None) => 4,
        });
        let mut aside: Vec<(ConfigText, String)> = Vec::new();
        // A rule that moves to another file is taken in when it has left the first.
        for _ in 0..2 {
            aside.clear();
            for text in std::mem::take(&mut texts) {
                match self.apply(&text.what, text.text.as_deref()) {
                    Ok(found) => {
                        classes.extend(found);
                        // The successor of a text that was left out takes its place.
                        self.refused.retain(|refused| refused.what != text.what);
                        self.batch.texts.push(TextRow { what: text.what, text: text.text });
                    }
                    Err(reason) => aside.push((text, reason)),
                }
            }
            texts = aside.iter().map(|(text, _)| text.clone()).collect();
        }
        aside
    }

    /// Takes a text in and tells which classes must be compiled anew.
    pub(super) fn apply(&mut self, what: &ConfigKind, text: Option<&str>) -> Result<Vec<ClassId>, String> {
        match what {
            ConfigKind::Profile(id) => {
                let profile = text.map(|text| Config::read_profile(id, text)).transpose()?.map(Arc::new);
                let classes = self.config.set_profile(id, profile.clone());
                for device in self.register.iter_mut().filter(|device| device.row.profile == *id) {
                    let firmware = device.row.firmware.as_ref();
                    device.profile = profile.as_ref().map(|profile| profile.for_firmware(firmware));
                }
                Ok(classes)
            }
            ConfigKind::Rule(name) => {
                let file = text.map(|text| self.config.read_rules(name, text)).transpose()?;
                Ok(self.config.set_rules(name, file))
            }
        }
    }

    fn swap(&mut self, class: &ClassId, recompiled: &Recompiled, record: &Record<'_>) {
        let (before, after) = (&recompiled.before, &recompiled.after);
        let stays = |id: &crate::ids::RuleId| {
            let find = |set: &RuleSet| set.rules.iter().find(|rule| rule.id == *id).map(number);
            find(after).is_some() && (find(before).is_none() || find(before) == find(after))
        };
        self.clear_where(RULE_REMOVED, record.seq, |alert| {
            alert.class == *class && !is_technical(alert) && !stays(&alert.rule)
        });
        self.put_standing_on_lists(after, record.seq);
        self.groups.count_again();
        if before == after {
            return;
        }
        for number in 0..self.register.len() {
            let device = self.register.get_mut(number);
            if device.class != recompiled.class {
                continue;
            }
            let state = std::mem::take(&mut device.twin.rules);
            self.register.get_mut(number).twin.rules = self.carried(state, before, after, record.seq);
            self.touch_twin(number);
            self.schedule(number);
        }
    }

    /// The state of one device's rules under the new set.
    fn carried(&self, state: RuleState, before: &RuleSet, after: &RuleSet, seq: Seq) -> RuleState {
        let clocks = self.clock.clocks();
        let mut carried = state.carry(&before.layout, after, clocks, seq);
        // What the old rules decided on the kept samples is not decided again by the new ones.
        carried.collapse();
        for (n, (rule, track)) in (0_u16..).zip(after.rules.iter().zip(&mut carried.tracks)) {
            // A calendar that is new or another one is looked at at once.
            (track.edge, track.closed) = match &rule.hours {
                Some(_) => (clocks.wall.0, track.closed),
                None => (NEVER, false),
            };
            let old = before.rules.iter().find(|old| old.id == rule.id);
            match (&rule.kind, old.map(|old| number(old) == number(rule))) {
                (_, Some(false)) => {
                    let (edge, closed) = (track.edge, track.closed);
                    let fresh = Track { mark: clocks.wall, life: life(seq), ..Track::default() };
                    *track = Track { edge, closed, ..fresh };
                    carried.raised.retain(|raised| raised.rule != n);
                }
                (Kind::Threshold(threshold), Some(true)) => match track.phase {
                    Phase::Pending => track.due = clocks.due(track.began.plus_ms(threshold.hold_ms)),
                    Phase::Clearing => track.due = clocks.due(track.mark.plus_ms(threshold.clear_after_ms)),
                    Phase::Calm | Phase::Firing => track.due = NEVER,
                },
                _ => {}
            }
            if let Kind::MetricSilence { after_ms, once: false, .. } = rule.kind
                && !track.is_firing()
                && !track.closed
            {
                track.due = clocks.due(track.mark.plus_ms(after_ms));
            }
        }
        carried
    }
}

/// What kind of rule it is, to see whether a changed rule can keep its state.
const fn number(rule: &Rule) -> u8 {
    let of_group = if rule.group.is_some() { 3 } else { 0 };
    of_group
        + match rule.kind {
            Kind::Threshold(_) => 0,
            Kind::MetricSilence { .. } => 1,
            Kind::DeviceSilence { .. } => 2,
        }
}
