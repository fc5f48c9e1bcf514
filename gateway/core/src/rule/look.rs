//! What passing time alone changes: a calendar opens or closes.
//!
//! Such a moment is looked at in its place between the samples. It begins and breaks holds; it proves none.

use crate::time::Timestamp;

use super::calendar::Hours;
use super::model::Kind;
use super::replay::{Raised, recall};
use super::set::RuleSet;
use super::state::{Change, RuleState, threshold};
use super::track::{Clocks, NEVER, Step, Track};

impl RuleState {
    /// Looks at one rule at the moment that its track names; by a timer, when nothing was measured before. Tells
    /// whether that changed anything.
    pub fn look(&mut self, set: &RuleSet, rule: u16, clocks: Clocks, out: &mut Vec<Change>) -> bool {
        let n = usize::from(rule);
        let (Some(of), Some(track)) = (set.rules.get(n), self.tracks.get(n).copied()) else { return false };
        let Some(hours) = of.hours.as_deref() else { return false };
        let at = Timestamp(track.edge);
        if matches!(of.kind, Kind::Threshold(_)) {
            self.keep_before(set, at, clocks);
        }
        let mut moved = track;
        moved.closed = !hours.is_open(at);
        moved.edge = hours.next_edge(at).0;
        let step = match &of.kind {
            Kind::Threshold(threshold) => {
                moved.look(threshold, &self.values, at, track.closed, |due| clocks.ahead(due))
            }
            Kind::MetricSilence { after_ms, once, .. } => {
                moved.look_silence(at, track.closed);
                moved.due = match (moved.closed || moved.is_firing(), once) {
                    (true, _) => NEVER,
                    // Asked once, when it opens, about all the time since the day began.
                    (false, true) if track.closed && at.since(moved.mark) > *after_ms => clocks.ahead(at),
                    (false, true) => NEVER,
                    (false, false) => clocks.ahead(moved.mark.max(moved.began).plus_ms(*after_ms)),
                };
                ended(&track, &moved, at)
            }
            Kind::DeviceSilence { .. } => {
                moved.look_silence(at, track.closed);
                if track.closed && !moved.closed {
                    moved.mark = moved.mark.max(at);
                }
                ended(&track, &moved, at)
            }
        };
        let changed = (moved.phase, moved.due) != (track.phase, track.due);
        self.tracks[n] = moved;
        if let Some(step) = step {
            self.note(set, rule, step);
        }
        out.extend(step.map(|step| Change { rule, step, by_straggler: false }));
        changed
    }

    /// Looks at every rule on values up to the moment of a sample that comes in its order.
    pub(super) fn look_until(
        &mut self,
        set: &RuleSet,
        until: Timestamp,
        clocks: Clocks,
        out: &mut Vec<Change>,
    ) {
        for (n, rule) in (0..set.rules.len()).zip(0_u16..) {
            let mut steps = Vec::new();
            let track = &mut self.tracks[n];
            look_at(set, n, track, &self.values, until, clocks, &self.raised, |_, _, step| {
                steps.extend(step)
            });
            for step in steps {
                self.note(set, rule, step);
                out.push(Change { rule, step, by_straggler: false });
            }
        }
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

/// Takes every look at a rule on values up to `until`; `tell` hears the track when its timer had decided something
/// before a look, and the step that a look made.
#[expect(clippy::too_many_arguments, reason = "all that a look depends on, named once")]
pub(super) fn look_at(
    set: &RuleSet,
    n: usize,
    track: &mut Track,
    values: &[f64],
    until: Timestamp,
    clocks: Clocks,
    raised: &[Raised],
    mut tell: impl FnMut(&Track, Timestamp, Option<Step>),
) {
    if track.edge > until.0 {
        return;
    }
    let (Ok(rule), Some(hours)) = (u16::try_from(n), hours(set, n)) else { return };
    let Some(threshold) = threshold(set, rule) else { return };
    while track.edge <= until.0 && track.edge != NEVER {
        let at = Timestamp(track.edge);
        if recall(track, threshold, rule, at, raised) {
            tell(track, at, None);
        }
        let was_closed = std::mem::replace(&mut track.closed, !hours.is_open(at));
        track.edge = hours.next_edge(at).0;
        if let Some(step) = track.look(threshold, values, at, was_closed, |due| clocks.due(due)) {
            tell(track, at, Some(step));
        }
    }
}

fn hours(set: &RuleSet, n: usize) -> Option<&Hours> {
    set.rules.get(n)?.hours.as_deref()
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
