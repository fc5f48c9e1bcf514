//! From a kept reading, or from passing time, to what rules say about a device.

use std::sync::Arc;

use crate::record::Seq;
use crate::rule::{Change, Kind, Observed, RuleSet};

use super::Engine;

impl Engine {
    /// Lets the rules of the class see the last reading of the batch, which belongs to the device.
    pub(super) fn run_rules(&mut self, number: usize, place: usize, seq: Seq) {
        let Some(set) = self.rules_of(number) else { return };
        let clocks = self.clock.clocks();
        let stream = u8::try_from(place).unwrap_or(u8::MAX);
        let mut changes = Vec::new();
        if let Some(reading) = self.batch.readings.last() {
            let seen = Observed { at: reading.taken_at, stream, values: &reading.values };
            let rules = &mut self.register.get_mut(number).twin.rules;
            rules.heard(&set, stream, clocks);
            rules.good(&set, seen.values, seen.at, clocks, &mut changes);
            if !rules.take(&set, &seen, clocks, &mut changes) {
                self.batch.counts.unreplayed += 1;
            }
        }
        self.carry_out(number, &set, &changes, seq);
        self.schedule(number);
    }

    /// A record of a stream came that says nothing new. What waits for its silence may be due earlier than before,
    /// when the wall clock was put forward meanwhile.
    pub(super) fn heard_stream(&mut self, number: usize, place: usize) {
        let Some(set) = self.rules_of(number) else { return };
        let stream = u8::try_from(place).unwrap_or(u8::MAX);
        let clocks = self.clock.clocks();
        self.register.get_mut(number).twin.rules.heard(&set, stream, clocks);
        self.schedule(number);
    }

    /// The device was heard on a source: its silence begins anew.
    pub(super) fn heard(&mut self, number: usize, source: Option<u16>, seq: Seq) {
        let wall = self.clock.clocks().wall;
        let device = self.register.get_mut(number);
        // A silent poll that answered comes by no source of its own; the engine is always up.
        let source = source.or(device.twin.source).unwrap_or_else(|| self.clock.source("engine"));
        let moved = device.twin.source != Some(source);
        device.twin.source = Some(source);
        device.twin.heard_at = wall;
        device.twin.heard_listening = self.clock.listening(Some(source));
        device.twin.said_offline = false;
        let Some(set) = self.rules_of(number).filter(|set| set.has_device_silence) else { return };
        let mut changes = Vec::new();
        let tracks = &mut self.register.get_mut(number).twin.rules.tracks;
        for (rule, (kind, track)) in (0_u16..).zip(set.rules.iter().map(|rule| &rule.kind).zip(tracks)) {
            if let (Kind::DeviceSilence { .. }, Some(step)) = (kind, device_heard(kind, track, wall)) {
                changes.push(Change { rule, step, by_straggler: false });
            }
        }
        self.carry_out(number, &set, &changes, seq);
        if moved || !changes.is_empty() || self.register.get(number).timer == crate::rule::NEVER {
            self.schedule(number);
        }
    }

    /// The rules of a device's class; `None` when there are none or the device was taken off.
    pub(super) fn rules_of(&self, number: usize) -> Option<Arc<RuleSet>> {
        let device = self.register.get(number);
        let set = self.config.rules(device.class);
        (!set.rules.is_empty() && !device.row.revoked).then(|| Arc::clone(set))
    }
}

fn device_heard(
    kind: &Kind,
    track: &mut crate::rule::Track,
    at: crate::time::Timestamp,
) -> Option<crate::rule::Step> {
    match kind {
        Kind::DeviceSilence { .. } => track.device_heard(at),
        Kind::Threshold(_) | Kind::MetricSilence { .. } => None,
    }
}
