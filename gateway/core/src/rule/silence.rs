//! Absence of data: of a metric in wall time, of a device in listening time.

use crate::reading::Measured;
use crate::time::Timestamp;
use crate::value::Quality;

use super::model::Kind;
use super::set::RuleSet;
use super::state::{Change, RuleState};
use super::track::{Clocks, NEVER, Phase, Step, Track};

impl RuleState {
    /// Good values of a reading were taken at `at`: silence on their metrics begins anew.
    pub fn good(
        &mut self,
        set: &RuleSet,
        values: &[Measured],
        at: Timestamp,
        clocks: Clocks,
        out: &mut Vec<Change>,
    ) {
        for (n, (rule, track)) in (0_u16..).zip(set.rules.iter().zip(&mut self.tracks)) {
            let Kind::MetricSilence { metric, after_ms, once } = &rule.kind else { continue };
            let good = |value: &&Measured| value.metric == *metric && value.quality == Quality::Good;
            if at <= track.mark || !values.iter().any(|value| good(&value)) {
                continue;
            }
            track.mark = at;
            let due = at.plus_ms(*after_ms);
            // What is asked once a day has no timer of its own, and a closed calendar asks nothing.
            let timed = !once && !track.closed;
            if track.is_firing() {
                // An old value out of a buffer does not end the silence that is going on now.
                if if *once { at >= track.began } else { due > clocks.wall } {
                    let step = Step::Cleared { began: track.began, at };
                    track.calm();
                    out.push(Change { rule: n, step, by_straggler: false });
                    if timed {
                        track.due = clocks.due(due);
                    }
                }
            } else if timed {
                track.due = clocks.due(due);
            }
        }
    }
}

impl Track {
    /// The silence of a metric has lasted long enough.
    ///
    /// With a calendar it is counted from when that opened; what is asked once a day from when the day began.
    pub(super) fn expire_metric(&mut self, after_ms: i64, hours: bool, once: bool) -> Option<Step> {
        if self.is_firing() {
            return None;
        }
        self.phase = Phase::Firing;
        self.due = NEVER;
        self.began = match (hours, once) {
            (_, true) => self.began.plus_ms(-after_ms),
            (true, false) => self.began.max(self.mark),
            (false, false) => self.mark,
        };
        Some(Step::Fired { began: self.began, at: self.began.plus_ms(after_ms) })
    }

    /// The device was silent since `since` for long enough; `at` is when that became so.
    ///
    /// No silence begins before its rule did, or when an earlier one began: each alert has a name of its own.
    pub fn device_silent(&mut self, since: Timestamp, at: Timestamp) -> Option<Step> {
        if self.is_firing() {
            return None;
        }
        self.phase = Phase::Firing;
        self.began = since.max(self.mark);
        self.mark = self.began.plus_ms(1);
        Some(Step::Fired { began: self.began, at: at.max(self.began) })
    }

    /// The device was heard again.
    pub fn device_heard(&mut self, at: Timestamp) -> Option<Step> {
        if !self.is_firing() {
            return None;
        }
        self.calm();
        Some(Step::Cleared { began: self.began, at })
    }
}
