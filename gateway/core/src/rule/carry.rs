//! Carries the state of a device's rules from one layout to another, by name.

use crate::expr::{Aspect, Over};
use crate::record::Seq;

use super::set::{Layout, RuleSet};
use super::state::{Base, RuleState};
use super::track::{Clocks, Track};
use super::window::Window;

impl RuleState {
    /// The same state under another set of rules; what the set does not know is dropped, what it knows
    /// and the state does not begins fresh, in a life that begins with the record `seq`.
    #[must_use]
    pub fn carry(self, from: &Layout, to: &RuleSet, now: Clocks, seq: Seq) -> Self {
        if *from == to.layout && self.tracks.len() == to.rules.len() {
            return self;
        }
        let fresh = Self::new(to, now).born(seq);
        let (old_slots, old_rules) = (from.slots(), from.rules());
        let slots: Vec<Option<usize>> =
            to.layout.slots().iter().map(|slot| old_slots.iter().position(|old| old == slot)).collect();
        let rules: Vec<Option<usize>> =
            to.layout.rules().iter().map(|rule| old_rules.iter().position(|old| old == rule)).collect();
        let values = |old: &[f64]| -> Vec<f64> {
            slots.iter().map(|slot| slot.and_then(|n| old.get(n).copied()).unwrap_or(f64::NAN)).collect()
        };
        let tracks = |old: &[Track]| -> Vec<Track> {
            let old = |rule: &Option<usize>| rule.and_then(|n| old.get(n).copied());
            rules.iter().zip(&fresh.tracks).map(|(rule, fresh)| old(rule).unwrap_or(*fresh)).collect()
        };
        let old_overs: Vec<&str> = old_slots
            .iter()
            .filter(|slot| slot.1 == Aspect::Over.number())
            .map(|slot| slot.0.as_str())
            .collect();
        let windows = |old: &[Window]| -> Vec<Window> {
            let place = |over: &Over| old_overs.iter().position(|old| *old == over.text);
            let one = |over: &Over| place(over).and_then(|n| old.get(n).cloned()).unwrap_or_default();
            to.overs.iter().map(|(_, over)| one(over)).collect()
        };
        let raised = self.raised.into_iter().filter_map(|mut raised| {
            let new = rules.iter().position(|rule| *rule == Some(usize::from(raised.rule)))?;
            raised.rule = u16::try_from(new).ok()?;
            Some(raised)
        });
        Self {
            values: values(&self.values),
            tracks: tracks(&self.tracks),
            raised: raised.collect(),
            base: self.base.map(|base| {
                let (values, tracks) = (values(&base.values), tracks(&base.tracks));
                Box::new(Base { values, tracks, windows: windows(&base.windows), at: base.at })
            }),
            kept: self.kept.renumbered(&slots),
            looked: self.looked,
            windows: windows(&self.windows),
        }
    }
}
