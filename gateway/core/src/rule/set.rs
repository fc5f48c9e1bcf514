//! The rules of one class together: numbered slots, windows and the layout that twins on disk refer to.

use std::sync::Arc;

use crate::ids::{ClassId, RuleId};
use crate::reading::Measured;

use super::model::{Kind, Rule};
use crate::expr::{Over, Slot, Span, slot_value};

/// All rules of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// The class.
    pub class: ClassId,
    /// The rules, sorted by id.
    pub rules: Vec<Rule>,
    /// What they look at.
    pub slots: Vec<Slot>,
    /// The functions among them, each with its slot.
    pub overs: Vec<(u8, Arc<Over>)>,
    /// For each rule, how old a reading may be for it.
    pub late_ms: Vec<i64>,
    /// The longest of those among rules on values: how long samples are kept for stragglers.
    pub window_ms: i64,
    /// Whether a rule looks at values at all.
    pub has_thresholds: bool,
    /// Whether a rule must be looked at when nothing is measured: it has a calendar
    /// or a window in time.
    pub has_edges: bool,
    /// Whether a rule counts the devices of a group.
    pub has_groups: bool,
    /// Whether a rule looks at the silence of the device.
    pub has_device_silence: bool,
    /// The names of slots and rules in order; twins on disk carry it.
    pub layout: Layout,
}

/// The names of slots and rules in order, packed: a twin carries it, and nearly always it is that of now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout(Vec<u8>);

impl Layout {
    /// The layout of these slots and rules.
    #[must_use]
    pub fn new(slots: &[Slot], rules: &[Rule]) -> Self {
        let slots: Vec<_> = slots.iter().map(|slot| (slot.name(), slot.aspect.number())).collect();
        let rules: Vec<_> = rules.iter().map(|rule| &rule.id).collect();
        // Texts and numbers always have a MessagePack form.
        Self(rmp_serde::to_vec(&(slots, rules)).unwrap_or_default())
    }

    /// The layout of these bytes, as a twin has them.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// As bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Metric and aspect of each slot.
    #[must_use]
    pub fn slots(&self) -> Vec<(String, u8)> {
        self.read().0
    }

    /// Id of each rule.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleId> {
        self.read().1
    }

    fn read(&self) -> (Vec<(String, u8)>, Vec<RuleId>) {
        rmp_serde::from_slice(&self.0).unwrap_or_default()
    }
}

impl RuleSet {
    /// Puts rules and slots of a class together. `late_ms` is the bound of the class.
    #[must_use]
    pub fn new(class: ClassId, rules: Vec<Rule>, slots: Vec<Slot>, late_ms: i64) -> Self {
        let late: Vec<i64> = rules.iter().map(|rule| rule.late_ms.unwrap_or(late_ms)).collect();
        let on_values = |rule: &Rule| matches!(rule.kind, Kind::Threshold(_));
        let window_ms =
            rules.iter().zip(&late).filter(|(rule, _)| on_values(rule)).map(|(_, late)| *late).max();
        let layout = Layout::new(&slots, &rules);
        let of = |(n, slot): (u8, &Slot)| Some((n, slot.over.clone()?));
        let overs: Vec<_> = (0..).zip(&slots).filter_map(of).collect();
        let timed = |(_, over): &(u8, Arc<Over>)| matches!(over.span, Span::Time { .. });
        Self {
            class,
            late_ms: late,
            window_ms: window_ms.unwrap_or(0),
            has_thresholds: window_ms.is_some(),
            has_edges: rules.iter().any(|rule| rule.hours.is_some()) || overs.iter().any(timed),
            overs,
            has_groups: rules.iter().any(|rule| rule.group.is_some()),
            has_device_silence: rules.iter().any(|rule| matches!(rule.kind, Kind::DeviceSilence { .. })),
            rules,
            slots,
            layout,
        }
    }

    /// Gives each slot that the values of a reading set.
    pub fn slot_values(&self, values: &[Measured], mut give: impl FnMut(u8, f64)) {
        for (n, slot) in (0_u8..).zip(&self.slots) {
            // A metric and the slot that looks at it mostly share their name in memory.
            let found = values
                .iter()
                .find(|measured| measured.metric.is_same(&slot.metric))
                .or_else(|| values.iter().find(|measured| measured.metric == slot.metric));
            if let Some(value) = found.and_then(|measured| slot_value(slot.aspect, measured)) {
                give(n, value);
            }
        }
    }
}
