//! What passing time alone changes: a calendar opens or closes, a reading leaves a window.
//!
//! Such a moment is looked at in its place between the samples. It begins and breaks holds; it proves none.

use std::ops::Range;

use crate::time::Timestamp;

use super::model::Kind;
use super::replay::{Raised, recall};
use super::set::RuleSet;
use super::state::{Change, RuleState, threshold};
use super::track::{Clocks, NEVER, Step, Track};
use super::window::{self, Window};

impl RuleState {
    /// Looks at one rule at the moment that its track names; by a timer, when nothing was measured before. Tells
    /// whether that changed anything.
    pub fn look(&mut self, set: &RuleSet, rule: u16, clocks: Clocks, out: &mut Vec<Change>) -> bool {
        let n = usize::from(rule);
        let (Some(of), Some(track)) = (set.rules.get(n), self.tracks.get(n).copied()) else { return false };
        if matches!(of.kind, Kind::Threshold(_)) {
            let at = Timestamp(self.next_look(set, n));
            self.keep_before(set, at, clocks);
            return self.look_until(set, at, |due| clocks.ahead(due), out);
        }
        let Some(hours) = of.hours.as_deref() else { return false };
        let at = Timestamp(track.edge);
        let mut moved = track;
        moved.closed = !hours.is_open(at);
        moved.edge = hours.next_edge(at).0;
        moved.look_silence(at, track.closed);
        if let Kind::MetricSilence { after_ms, once, .. } = &of.kind {
            moved.due = match (moved.closed || moved.is_firing(), once) {
                (true, _) => NEVER,
                // Asked once, when it opens, about all the time since the day began.
                (false, true) if track.closed && at.since(moved.mark) > *after_ms => clocks.ahead(at),
                (false, true) => NEVER,
                (false, false) => clocks.ahead(moved.mark.max(moved.began).plus_ms(*after_ms)),
            };
        } else if track.closed && !moved.closed {
            moved.mark = moved.mark.max(at);
        }
        let changed = (moved.phase, moved.due) != (track.phase, track.due);
        self.tracks[n] = moved;
        out.extend(ended(&track, &moved, at).map(|step| Change { rule, step, by_straggler: false }));
        changed
    }

    /// When a rule must be looked at although nothing is measured; [`NEVER`] when not.
    #[must_use]
    pub fn next_look(&self, set: &RuleSet, rule: usize) -> i64 {
        let edge = self.tracks.get(rule).map_or(NEVER, |track| track.edge);
        let overs = u16::try_from(rule).ok().and_then(|rule| threshold(set, rule)).map_or(0, |t| t.overs);
        if overs == 0 { edge } else { edge.min(window::next_change(set, &self.windows, overs)) }
    }

    /// Looks at every rule on values up to a moment. Tells whether that changed anything.
    pub(super) fn look_until(
        &mut self,
        set: &RuleSet,
        until: Timestamp,
        due: impl Fn(Timestamp) -> i64,
        out: &mut Vec<Change>,
    ) -> bool {
        let head = Head { values: &mut self.values, tracks: &mut self.tracks, windows: &mut self.windows };
        let mut steps = Vec::new();
        let rules = 0..set.rules.len();
        let changed = head
            .pass(set, rules, until, due, &self.raised, |n, _, _, step| steps.extend(step.map(|s| (n, s))));
        for (n, step) in steps {
            let Ok(rule) = u16::try_from(n) else { continue };
            self.note(set, rule, step);
            out.push(Change { rule, step, by_straggler: false });
        }
        changed
    }

    /// Whether a look was taken after this moment; what was measured then may change what the look saw.
    pub(super) fn is_behind(&self, at: Timestamp) -> bool {
        self.looked.is_some_and(|looked| at < looked)
    }

    /// Whether what is kept begins before the looks that a straggler may still change.
    pub(super) fn is_kept_before_looks(&self, set: &RuleSet, clocks: Clocks) -> bool {
        self.base.is_some() && self.looked.is_some_and(|looked| looked > clocks.wall.plus_ms(-set.window_ms))
    }

    /// Keeps what was so before the look, for a straggler that was measured before it and comes after it.
    fn keep_before(&mut self, set: &RuleSet, at: Timestamp, clocks: Clocks) {
        if self.kept.is_empty() && !self.is_kept_before_looks(set, clocks) {
            self.begin_keeping(at);
        }
        self.looked = self.looked.max(Some(at));
    }
}

/// What rules on values know at a moment.
pub(super) struct Head<'h> {
    pub(super) values: &'h mut [f64],
    pub(super) tracks: &'h mut [Track],
    pub(super) windows: &'h mut [Window],
}

impl Head<'_> {
    /// Takes every look at these rules on values up to `until`, in the order of time. `tell` hears a track when its
    /// timer had decided something before a look, and the step that a look made. Tells whether anything changed.
    pub(super) fn pass(
        self,
        set: &RuleSet,
        rules: Range<usize>,
        until: Timestamp,
        due: impl Fn(Timestamp) -> i64,
        raised: &[Raised],
        mut tell: impl FnMut(usize, &Track, Timestamp, Option<Step>),
    ) -> bool {
        let mut changed = false;
        loop {
            let mut next = window::next_change(set, self.windows, u64::MAX);
            for n in rules.clone().filter(|n| is_on_values(set, *n)) {
                next = next.min(self.tracks[n].edge);
            }
            if next > until.0 || next == NEVER {
                return changed;
            }
            let at = Timestamp(next);
            let moved = window::pass(set, self.windows, self.values, at);
            for n in rules.clone() {
                let Some(threshold) = u16::try_from(n).ok().and_then(|n| threshold(set, n)) else { continue };
                let track = &mut self.tracks[n];
                let opens = track.edge == next;
                if !opens && threshold.overs & moved == 0 {
                    continue;
                }
                let before = (track.phase, track.due);
                let number = u16::try_from(n).unwrap_or(u16::MAX);
                if recall(track, threshold, number, at, raised) {
                    tell(n, track, at, None);
                }
                let was_closed = track.closed;
                if let Some(hours) = set.rules[n].hours.as_deref().filter(|_| opens) {
                    track.closed = !hours.is_open(at);
                    track.edge = hours.next_edge(at).0;
                }
                if let Some(step) = track.look(threshold, self.values, at, was_closed, &due) {
                    tell(n, track, at, Some(step));
                }
                changed |= before != (track.phase, track.due);
            }
        }
    }
}

fn is_on_values(set: &RuleSet, n: usize) -> bool {
    set.rules.get(n).is_some_and(|rule| matches!(rule.kind, Kind::Threshold(_)))
}

/// The end of an alert about silence, when its calendar closed.
fn ended(before: &Track, after: &Track, at: Timestamp) -> Option<Step> {
    (before.is_firing() && !after.is_firing()).then_some(Step::Cleared { began: before.began, at })
}

impl Track {
    /// A calendar opens or closes for a rule on silence: it begins to count anew, or nothing is missed any more.
    fn look_silence(&mut self, at: Timestamp, was_closed: bool) {
        if self.closed {
            self.calm();
        } else if was_closed {
            // No silence is counted from before.
            self.began = at;
        }
    }
}
