//! The state of all rules on one device: values, tracks, and the samples that a straggler may replay.

use smallvec::SmallVec;

use crate::reading::Measured;
use crate::record::Seq;
use crate::time::Timestamp;

use super::kept::{Kept, Sample, SlotValue};
use super::look::Head;
use super::model::{Kind, Threshold};
use super::replay::{Raised, recall};
use super::set::RuleSet;
use super::track::{Clocks, Phase, Step, Track};
use super::window::{self, Window};

/// The most samples that are kept for one device; beyond that a straggler counts as history.
pub const MAX_KEPT: usize = 32;

/// From so many raised alerts on, those that ended are forgotten, and no straggler reaches back to them.
const MAX_RAISED: usize = 32;

/// A reading as rules take it.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// When it was taken.
    pub at: Timestamp,
    /// Which stream of the device.
    pub stream: u8,
    /// Its values.
    pub values: &'a [Measured],
}

/// What an alert of a rule must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which rule of the set.
    pub rule: u16,
    /// What happens.
    pub step: Step,
    /// Whether a straggler caused it.
    pub by_straggler: bool,
}

/// The state of all rules of the class on one device.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleState {
    /// Last known value of each slot; NaN: never seen.
    pub values: Vec<f64>,
    /// One per rule.
    pub tracks: Vec<Track>,
    /// The samples inside the window, in event time.
    pub kept: Kept,
    /// Values and tracks as they were before the first kept sample; empty when nothing is kept.
    pub base: Option<Box<Base>>,
    /// Alerts raised inside the window or still firing.
    pub raised: Vec<Raised>,
    /// Until when calendars were looked at while nothing was measured; a sample from before is a straggler.
    pub looked: Option<Timestamp>,
    /// What functions remember, in the order of their slots.
    pub windows: Vec<Window>,
}

/// Where a replay begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// Last known value of each slot.
    pub values: Vec<f64>,
    /// One per rule.
    pub tracks: Vec<Track>,
    /// What functions remember.
    pub windows: Vec<Window>,
    /// When the last sample in it was taken.
    pub at: Timestamp,
}

impl RuleState {
    /// The state of a device of which nothing is known. `now` is when silence on a metric begins to count.
    #[must_use]
    pub fn new(set: &RuleSet, now: Clocks) -> Self {
        let mut state = Self {
            values: vec![f64::NAN; set.slots.len()],
            tracks: vec![Track::default(); set.rules.len()],
            windows: vec![Window::default(); set.overs.len()],
            ..Self::default()
        };
        for (rule, track) in set.rules.iter().zip(&mut state.tracks) {
            if let Some(hours) = &rule.hours {
                (track.edge, track.closed) = (hours.next_edge(now.wall).0, !hours.is_open(now.wall));
            }
            match rule.kind {
                Kind::MetricSilence { once, .. } if once || track.closed => track.mark = now.wall,
                Kind::MetricSilence { after_ms, .. } => {
                    track.mark = now.wall;
                    track.due = now.ahead(now.wall.plus_ms(after_ms));
                }
                Kind::DeviceSilence { .. } => track.mark = now.wall,
                Kind::Threshold(_) => {}
            }
        }
        state
    }

    /// The same state in a life of its own, named after the record that began it.
    ///
    /// A rule that was taken away and put back, or whose device was taken off and put on again, has forgotten
    /// what it raised; its life keeps the new alerts apart from the old ones that began at the same moment.
    #[must_use]
    pub fn born(mut self, seq: Seq) -> Self {
        let life = life(seq);
        self.tracks.iter_mut().for_each(|track| track.life = life);
        self
    }

    /// Takes a reading: at its place in event time, with a replay when that is not the end. `false`: it is inside the
    /// window, but lies before everything that is kept, so nothing could be decided on it.
    pub fn take(
        &mut self,
        set: &RuleSet,
        seen: &Observed<'_>,
        clocks: Clocks,
        out: &mut Vec<Change>,
    ) -> bool {
        let age_ms = clocks.wall.since(seen.at);
        if !set.has_thresholds || age_ms > set.window_ms {
            return true;
        }
        self.forget(set, clocks);
        let mut sample =
            Sample { at: seen.at, age_ms, stream: seen.stream, mask: 0, changed: SmallVec::new() };
        let beyond = self.base.as_ref().is_some_and(|base| seen.at <= base.at);
        if self.kept.last_at().is_some_and(|last| seen.at < last) || self.is_behind(seen.at) {
            let mut values: SmallVec<[SlotValue; 8]> = SmallVec::new();
            set.slot_values(seen.values, |slot, value| values.push((slot, value)));
            let Some(base) = self.base.as_deref().filter(|_| !beyond && !values.is_empty()) else {
                return !beyond || values.is_empty();
            };
            self.values = self.kept.insert(sample, &values, base.values.clone());
            let mask = values.iter().fold(0, |mask, (slot, _)| mask | 1 << slot);
            if !set.overs.is_empty() {
                self.fold_windows(set);
            }
            self.replay(set, seen.at, mask, clocks, out);
        } else if beyond && self.kept.is_empty() {
            let mut seen_by_a_rule = false;
            set.slot_values(seen.values, |_, _| seen_by_a_rule = true);
            return !seen_by_a_rule;
        } else {
            if self.kept.is_empty() && !self.is_kept_before_looks(set, clocks) {
                self.begin_keeping(seen.at);
            }
            if set.has_edges {
                self.look_until(set, seen.at, |due| clocks.due(due), out);
            }
            let values = &mut self.values;
            set.slot_values(seen.values, |slot, value| {
                if let Some(known) = values.get_mut(usize::from(slot)) {
                    sample.set(slot, value, known);
                }
            });
            if sample.mask == 0 {
                return true;
            }
            if !set.overs.is_empty() {
                window::add(set, &mut self.windows, &mut self.values, sample.mask, seen.at);
            }
            self.step(set, &sample, clocks, out);
            self.kept.push(&sample);
        }
        if self.kept.len() > MAX_KEPT {
            self.fold_first(set, clocks);
        }
        if self.raised.len() > MAX_RAISED {
            // A replay would raise again what is not remembered: it begins after all that is forgotten.
            self.collapse();
            self.raised.retain(|raised| raised.ended.is_none());
        }
        true
    }

    /// A record of the stream came, whatever was in it.
    pub fn heard(&mut self, set: &RuleSet, stream: u8, clocks: Clocks) {
        for (rule, track) in set.rules.iter().zip(&mut self.tracks) {
            if let Kind::Threshold(threshold) = &rule.kind {
                track.heard(threshold, stream, clocks);
            }
        }
    }

    /// Lets the timer of one rule run out.
    pub fn expire(&mut self, set: &RuleSet, rule: u16, out: &mut Vec<Change>) {
        let Some(track) = self.tracks.get_mut(usize::from(rule)) else { return };
        let values = &self.values;
        let step = match set.rules.get(usize::from(rule)).map(|rule| &rule.kind) {
            Some(Kind::Threshold(threshold)) => track.expire(threshold, values),
            Some(Kind::MetricSilence { after_ms, once, .. }) => {
                let hours = set.rules.get(usize::from(rule)).is_some_and(|rule| rule.hours.is_some());
                track.expire_metric(*after_ms, hours, *once)
            }
            Some(Kind::DeviceSilence { .. }) | None => None,
        };
        if let Some(step) = step.map(|step| self.own_name(rule, step)) {
            self.note(set, rule, step);
            out.push(Change { rule, step, by_straggler: false });
        }
    }

    /// Gives the alert that fires a name of its own.
    pub(super) fn own_name(&mut self, rule: u16, step: Step) -> Step {
        let Step::Fired { began: wanted, at } = step else { return step };
        let began = self.own_begin(rule, wanted);
        if let Some(track) = self.tracks.get_mut(usize::from(rule)).filter(|_| began != wanted) {
            track.began = began;
        }
        Step::Fired { began, at: at.max(began) }
    }

    /// An alert is named by when its condition began; two within one millisecond must not share a name.
    pub(super) fn own_begin(&self, rule: u16, mut began: Timestamp) -> Timestamp {
        while self.raised.iter().any(|raised| raised.rule == rule && raised.began == began) {
            began = began.plus_ms(1);
        }
        began
    }

    /// When the next timer of a rule on values or on a metric's silence is due, in even time.
    #[must_use]
    pub fn next_due(&self) -> i64 {
        self.tracks.iter().map(|track| track.due).min().unwrap_or(i64::MAX)
    }

    /// Remembers what was raised and what ended.
    pub(super) fn note(&mut self, set: &RuleSet, rule: u16, step: Step) {
        if threshold(set, rule).is_none() {
            return;
        }
        match step {
            Step::Fired { began, at } => {
                self.raised.push(Raised { rule, began, fired: at, ended: None });
            }
            Step::Cleared { began, at } => {
                let open =
                    self.raised.iter_mut().find(|r| r.rule == rule && r.began == began && r.ended.is_none());
                if let Some(raised) = open {
                    raised.ended = Some(at);
                }
            }
        }
    }

    fn step(&mut self, set: &RuleSet, sample: &Sample, clocks: Clocks, out: &mut Vec<Change>) {
        for n in 0..set.rules.len() {
            let Some((rule, threshold)) = sees(set, n, sample) else { continue };
            let step = self.tracks[n].step(threshold, &self.values, sample.at, sample.stream, clocks);
            if let Some(step) = step.map(|step| self.own_name(rule, step)) {
                self.note(set, rule, step);
                out.push(Change { rule, step, by_straggler: false });
            }
        }
    }

    /// Puts together anew what functions remember, when a straggler has changed what was kept.
    fn fold_windows(&mut self, set: &RuleSet) {
        let Some(base) = self.base.as_deref() else { return };
        let (mut values, mut windows) = (base.values.clone(), base.windows.clone());
        let mut at = base.at;
        for sample in self.kept.iter() {
            sample.apply(&mut values);
            window::add(set, &mut windows, &mut values, sample.mask, sample.at);
            at = sample.at;
        }
        window::pass(set, &mut windows, &mut values, self.looked.map_or(at, |looked| looked.max(at)));
        (self.values, self.windows) = (values, windows);
    }

    /// Drops what no straggler can reach any more.
    fn forget(&mut self, set: &RuleSet, clocks: Clocks) {
        let oldest = clocks.wall.plus_ms(-set.window_ms);
        while self.kept.first_at().is_some_and(|first| first < oldest) {
            self.fold_first(set, clocks);
        }
        if self.raised.is_empty() {
            return;
        }
        let base = self.base.as_deref();
        self.raised.retain(|raised| {
            // A replay that begins within its episode must know it, however long ago it ended.
            let track = base.and_then(|base| base.tracks.get(usize::from(raised.rule)));
            let within = track.is_some_and(|t| t.phase != Phase::Calm && t.began <= raised.began);
            within || raised.ended.is_none_or(|ended| ended >= oldest)
        });
    }

    /// Lets go of the kept samples; a straggler from before now cannot be replayed.
    pub fn collapse(&mut self) {
        let Some(last) = self.kept.last_at() else { return };
        self.kept.clear();
        self.begin_keeping(last);
        if let Some(base) = &mut self.base {
            base.at = last;
        }
    }

    pub(super) fn begin_keeping(&mut self, at: Timestamp) {
        let at = self.base.as_ref().map_or(Timestamp(i64::MIN), |base| base.at).min(at);
        let (values, tracks, windows) = (self.values.clone(), self.tracks.clone(), self.windows.clone());
        self.base = Some(Box::new(Base { values, tracks, windows, at }));
    }

    /// Moves the start of replays past the first kept sample.
    fn fold_first(&mut self, set: &RuleSet, clocks: Clocks) {
        let Some(first) = self.kept.pop_first() else { return };
        let Some(base) = self.base.as_deref_mut() else { return };
        base.at = first.at;
        if self.kept.is_empty() && !set.has_edges {
            base.values.clone_from(&self.values);
            base.tracks.clone_from(&self.tracks);
            base.windows.clone_from(&self.windows);
            return;
        }
        if set.has_edges {
            let head =
                Head { values: &mut base.values, tracks: &mut base.tracks, windows: &mut base.windows };
            head.pass(
                set,
                0..set.rules.len(),
                first.at,
                |due| clocks.due(due),
                &self.raised,
                |_, _, _, _| {},
            );
        }
        first.apply(&mut base.values);
        if !set.overs.is_empty() {
            window::add(set, &mut base.windows, &mut base.values, first.mask, first.at);
        }
        for n in 0..set.rules.len() {
            let Some((rule, threshold)) = sees(set, n, &first) else { continue };
            let track = &mut base.tracks[n];
            recall(track, threshold, rule, first.at, &self.raised);
            track.step(threshold, &base.values, first.at, first.stream, clocks);
        }
    }
}

/// The life that a record begins.
pub fn life(seq: Seq) -> u32 {
    // The low half is enough: two lives would have to begin 2^32 records apart within one alert's moment.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let low = seq as u32;
    low.max(1)
}

/// The rule with this number, when it looks at values.
pub(super) fn threshold(set: &RuleSet, rule: u16) -> Option<&Threshold> {
    match set.rules.get(usize::from(rule)).map(|rule| &rule.kind) {
        Some(Kind::Threshold(threshold)) => Some(threshold),
        Some(Kind::MetricSilence { .. } | Kind::DeviceSilence { .. }) | None => None,
    }
}

/// The rule with this number, when the sample concerns it and is not too old for it.
pub(super) fn sees<'s>(set: &'s RuleSet, n: usize, sample: &Sample) -> Option<(u16, &'s Threshold)> {
    let rule = u16::try_from(n).ok()?;
    let threshold = threshold(set, rule)?;
    (threshold.mask & sample.mask != 0 && sample.age_ms <= set.late_ms[n]).then_some((rule, threshold))
}
