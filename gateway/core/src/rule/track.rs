//! What is known of one rule on one device: calm, pending, firing, or about to clear.

use crate::time::Timestamp;

use super::model::Threshold;

/// A flushed buffer is taken to be over when its stream was silent for this long.
pub const SETTLE_MS: i64 = 2_000;

/// No timer is set.
pub const NEVER: i64 = i64::MAX;

/// The two clocks that decisions of one record use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock of the record.
    pub wall: Timestamp,
    /// The engine's own time in milliseconds: like the wall clock, but it goes on evenly when that is stepped.
    pub even: i64,
}

impl Clocks {
    /// When (in even time) something that is due at `at` by the wall clock must be decided.
    ///
    /// What lies ahead has a timer. What is past already waits until its stream is silent, because later
    /// readings of the same flushed buffer may disprove it.
    #[must_use]
    pub const fn due(self, at: Timestamp) -> i64 {
        if at.0 > self.wall.0 { self.ahead(at) } else { self.even.saturating_add(SETTLE_MS) }
    }

    /// When (in even time) the wall clock will show `at`, be that ahead or past.
    #[must_use]
    pub const fn ahead(self, at: Timestamp) -> i64 {
        self.even.saturating_add(at.since(self.wall))
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// The condition is not so.
    #[default]
    Calm,
    /// It is so since `began`, but not yet for as long as the rule demands.
    Pending,
    /// It was so for long enough: there is an alert.
    Firing,
    /// There is an alert, and the clear condition is so since `mark`.
    Clearing,
}

/// The state of one rule on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// How far it has come.
    pub phase: Phase,
    /// Which stream of the device brought it there.
    pub stream: u8,
    /// Since when the condition is so, in event time.
    pub began: Timestamp,
    /// Since when the clear condition is so; for a rule on silence, when the last good value was taken.
    pub mark: Timestamp,
    /// When the next step is due in even time; [`NEVER`] when none is. A pending one is then kept back: it held
    /// long enough, but another rule tells it.
    pub due: i64,
    /// Which life of the rule on this device it is, see [`RuleState::born`](super::RuleState::born).
    pub life: u32,
    /// When its calendar opens or closes next by the wall clock, or a look must be taken; [`NEVER`] without one.
    pub edge: i64,
    /// Its calendar is closed.
    pub closed: bool,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            phase: Phase::Calm,
            stream: 0,
            began: Timestamp(0),
            mark: Timestamp(0),
            due: NEVER,
            life: 0,
            edge: NEVER,
            closed: false,
        }
    }
}

/// A step that makes or ends an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The condition that began at `began` has held long enough.
    Fired {
        /// When it began.
        began: Timestamp,
        /// When it had held long enough, in event time.
        at: Timestamp,
    },
    /// It is over.
    Cleared {
        /// When it began.
        began: Timestamp,
        /// When it was over, in event time.
        at: Timestamp,
    },
}

impl Track {
    /// Whether there is an alert.
    #[must_use]
    pub const fn is_firing(&self) -> bool {
        matches!(self.phase, Phase::Firing | Phase::Clearing)
    }

    /// Takes the next sample in event time.
    ///
    /// `for` is proved by a sample at or after `began + for` with the condition unbroken, never by one that
    /// breaks it: what lay between two samples of a flushed buffer, nobody knows.
    pub fn step(
        &mut self,
        rule: &Threshold,
        values: &[f64],
        at: Timestamp,
        stream: u8,
        clocks: Clocks,
    ) -> Option<Step> {
        match self.phase {
            Phase::Calm => {
                if !self.is_so(rule, values) {
                    return None;
                }
                self.phase = Phase::Pending;
                self.began = at;
                self.stream = stream;
                self.due = clocks.due(at.plus_ms(rule.hold_ms));
                self.proved(rule, values, at)
            }
            Phase::Pending if self.is_so(rule, values) => self.proved(rule, values, at),
            Phase::Pending => {
                self.calm();
                None
            }
            Phase::Firing => {
                if !self.is_clear(rule, values) {
                    return None;
                }
                self.phase = Phase::Clearing;
                self.mark = at;
                self.stream = stream;
                self.due = clocks.due(at.plus_ms(rule.clear_after_ms));
                self.over(rule, at)
            }
            Phase::Clearing if self.is_clear(rule, values) => self.over(rule, at),
            Phase::Clearing => {
                self.phase = Phase::Firing;
                self.due = NEVER;
                None
            }
        }
    }

    /// Looks again at `at` although nothing was measured then: a calendar opened or closed.
    ///
    /// It begins and breaks what a sample would begin and break, but it does not prove that something was so: whether
    /// what was measured last was still so then, only a later sample or the silence of the stream can tell. That a
    /// calendar is closed, or that readings have left a window, is certain, and ends what it ends.
    pub fn look(
        &mut self,
        rule: &Threshold,
        values: &[f64],
        at: Timestamp,
        was_closed: bool,
        due: impl Fn(Timestamp) -> i64,
    ) -> Option<Step> {
        let clearing = self.phase == Phase::Clearing;
        let over = if clearing && (was_closed || rule.overs != 0) { self.over(rule, at) } else { None };
        match self.phase {
            Phase::Calm if self.is_so(rule, values) => {
                self.phase = Phase::Pending;
                self.began = at;
                self.due = due(at.plus_ms(rule.hold_ms));
            }
            Phase::Pending if !self.is_so(rule, values) => self.calm(),
            Phase::Firing if self.is_clear(rule, values) => {
                self.phase = Phase::Clearing;
                self.mark = at;
                self.due = due(at.plus_ms(rule.clear_after_ms));
            }
            Phase::Clearing if !self.is_clear(rule, values) => {
                self.phase = Phase::Firing;
                self.due = NEVER;
            }
            Phase::Calm | Phase::Pending | Phase::Firing | Phase::Clearing => {}
        }
        if self.phase == Phase::Clearing && (self.closed || rule.overs != 0) {
            over.or(self.over(rule, at))
        } else {
            over
        }
    }

    fn is_so(&self, rule: &Threshold, values: &[f64]) -> bool {
        !self.closed && rule.is_so(values)
    }

    fn is_clear(&self, rule: &Threshold, values: &[f64]) -> bool {
        self.closed || rule.is_clear(values)
    }

    /// What happens when the timer runs out and nothing has spoken against it.
    pub fn expire(&mut self, rule: &Threshold, values: &[f64]) -> Option<Step> {
        match self.phase {
            Phase::Pending if rule.is_kept_back(values) => {
                self.due = NEVER;
                None
            }
            Phase::Pending => Some(self.fire(self.began.plus_ms(rule.hold_ms))),
            Phase::Clearing => Some(self.clear(rule)),
            Phase::Calm | Phase::Firing => None,
        }
    }

    /// A record of the stream came: what waits for its silence waits on.
    pub fn heard(&mut self, rule: &Threshold, stream: u8, clocks: Clocks) {
        if stream != self.stream {
            return;
        }
        let at = match self.phase {
            Phase::Pending => self.began.plus_ms(rule.hold_ms),
            Phase::Clearing => self.mark.plus_ms(rule.clear_after_ms),
            Phase::Calm | Phase::Firing => return,
        };
        if at <= clocks.wall && self.due != NEVER {
            self.due = clocks.due(at);
        }
    }

    /// Goes back to where nothing is so.
    pub fn calm(&mut self) {
        self.phase = Phase::Calm;
        self.due = NEVER;
    }

    fn proved(&mut self, rule: &Threshold, values: &[f64], at: Timestamp) -> Option<Step> {
        let due = self.began.plus_ms(rule.hold_ms);
        if at < due {
            return None;
        }
        if rule.is_kept_back(values) {
            self.due = NEVER;
            return None;
        }
        // What was kept back until now begins to be told now.
        Some(self.fire(if self.due == NEVER { at } else { due }))
    }

    fn over(&mut self, rule: &Threshold, at: Timestamp) -> Option<Step> {
        (at >= self.mark.plus_ms(rule.clear_after_ms)).then(|| self.clear(rule))
    }

    fn fire(&mut self, at: Timestamp) -> Step {
        self.phase = Phase::Firing;
        self.due = NEVER;
        Step::Fired { began: self.began, at }
    }

    fn clear(&mut self, rule: &Threshold) -> Step {
        self.calm();
        Step::Cleared { began: self.began, at: self.mark.plus_ms(rule.clear_after_ms) }
    }
}
