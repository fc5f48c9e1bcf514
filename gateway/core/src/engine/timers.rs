//! Timers: holds, clear delays and silence. One entry per device, looked at again when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::record::Seq;
use crate::rule::RuleSet;
use crate::rule::{Change, Kind, NEVER, SETTLE_MS};
use crate::time::Timestamp;

use super::Engine;

/// The device that must be looked at next. An entry may be early, never late.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(i64, usize)>>);

impl Timers {
    fn push(&mut self, due: i64, number: usize) {
        self.0.push(Reverse((due, number)));
    }

    fn first(&self) -> Option<(i64, usize)> {
        self.0.peek().map(|Reverse(entry)| *entry)
    }

    fn pop(&mut self) {
        self.0.pop();
    }

    /// How many entries there are, void ones too.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets every entry.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// How many entries a device may have on average before those that are void are thrown out.
const MAX_VOID: usize = 4;

impl Engine {
    /// When, by the steady clock of this run, the engine wants a timer run; `None`: nothing is due ever.
    ///
    /// It is exact: entries that turn out to be early are put where they belong on the way.
    pub fn next_timeout(&mut self) -> Option<u64> {
        let command = self.first_deadline().and_then(|due| self.clock.steady(due));
        let rule = self.next_rule();
        let group =
            Some(self.groups.due()).filter(|due| *due != NEVER).and_then(|due| self.clock.steady(due));
        command.into_iter().chain(rule).chain(group).min()
    }

    fn next_rule(&mut self) -> Option<u64> {
        loop {
            let (due, number) = self.timers.first()?;
            let exact = match self.register.get(number).timer == due {
                true => self.due(number),
                false => NEVER,
            };
            if exact == due {
                return self.clock.steady(due);
            }
            self.timers.pop();
            if self.register.get(number).timer == due {
                self.register.get_mut(number).timer = NEVER;
                self.enter(number, exact);
            }
        }
    }

    /// Puts a device where its next timer belongs, if that is earlier than its present entry.
    pub(super) fn schedule(&mut self, number: usize) {
        let due = self.due(number);
        self.enter(number, due);
    }

    fn enter(&mut self, number: usize, due: i64) {
        let device = self.register.get_mut(number);
        if due < device.timer {
            device.timer = due;
            self.timers.push(due, number);
            if self.timers.0.len() > 1_024 + MAX_VOID * self.register.len() {
                self.sweep();
            }
        }
    }

    /// Throws out the entries that an earlier one has made void.
    fn sweep(&mut self) {
        self.timers.clear();
        for number in 0..self.register.len() {
            let due = self.register.get(number).timer;
            if due != NEVER {
                self.timers.push(due, number);
            }
        }
    }

    /// Lets everything happen that was due before the record that is handled now.
    pub(super) fn run_timers(&mut self, seq: Seq) {
        let now = self.clock.even();
        loop {
            let mut due = Vec::new();
            while let Some((at, number)) = self.timers.first().filter(|(at, _)| *at <= now) {
                self.timers.pop();
                if self.register.get(number).timer != at {
                    continue;
                }
                self.register.get_mut(number).timer = NEVER;
                let before = due.len();
                self.collect_due(number, now, &mut due);
                if due.len() == before {
                    self.schedule(number);
                }
            }
            if due.is_empty() {
                return;
            }
            // What falls due together happens in an order that no restart changes.
            due.sort_by(|a, b| {
                let name = |number: usize| &self.register.get(number).row.device;
                (a.0, name(a.1), a.2).cmp(&(b.0, name(b.1), b.2))
            });
            for (_, number, rule) in &due {
                self.expire(*number, *rule, seq);
            }
            for (_, number, _) in &due {
                self.schedule(*number);
            }
        }
    }

    /// When the next timer of a device is due.
    fn due(&self, number: usize) -> i64 {
        let count = self.register.get(number).twin.rules.tracks.len();
        (0..count).map(|rule| self.due_of(number, rule)).min().unwrap_or(NEVER)
    }

    fn collect_due(&self, number: usize, now: i64, out: &mut Vec<(i64, usize, u16)>) {
        for rule in 0..self.register.get(number).twin.rules.tracks.len() {
            let due = self.due_of(number, rule);
            if due <= now {
                out.push((due, number, u16::try_from(rule).unwrap_or(u16::MAX)));
            }
        }
    }

    /// When one rule of a device is due, gaps of ours taken into account.
    fn due_of(&self, number: usize, rule: usize) -> i64 {
        let due = self.step_due(number, rule);
        let device = self.register.get(number);
        let set = self.config.rules(device.class);
        if !set.has_edges {
            return due;
        }
        match device.twin.rules.next_look(set, rule) {
            NEVER => due,
            look => due.min(self.look_due(number, rule, look)),
        }
    }

    /// When the calendar of a rule must be looked at.
    fn look_due(&self, number: usize, rule: usize, look: i64) -> i64 {
        let device = self.register.get(number);
        if device.row.revoked {
            return NEVER;
        }
        let due = self.clock.clocks().ahead(Timestamp(look));
        match self.config.rules(device.class).rules.get(rule).map(|rule| &rule.kind) {
            // What was kept back while we were away comes first.
            Some(Kind::Threshold(_)) => {
                due.max(self.clock.gap_end(device.twin.source).saturating_add(SETTLE_MS))
            }
            Some(Kind::MetricSilence { .. } | Kind::DeviceSilence { .. }) => due,
            None => NEVER,
        }
    }

    /// When the hold, the clear delay or the silence of a rule is over.
    fn step_due(&self, number: usize, rule: usize) -> i64 {
        let device = self.register.get(number);
        let set = self.config.rules(device.class);
        let (Some(kind), Some(track)) =
            (set.rules.get(rule).map(|rule| &rule.kind), device.twin.rules.tracks.get(rule))
        else {
            return NEVER;
        };
        if device.row.revoked {
            return NEVER;
        }
        let source = device.twin.source;
        let gap_end = self.clock.gap_end(source);
        match kind {
            Kind::Threshold(_) if track.due == NEVER => NEVER,
            // What was kept back while we were away may disprove it.
            Kind::Threshold(_) => track.due.max(gap_end.saturating_add(SETTLE_MS)),
            Kind::MetricSilence { .. } if track.due == NEVER || !self.clock.is_up(source) => NEVER,
            Kind::MetricSilence { after_ms, .. } => {
                let period = device.every_ms().unwrap_or(*after_ms).min(*after_ms);
                track.due.max(gap_end.saturating_add(period))
            }
            Kind::DeviceSilence { after_ms } => {
                let Some(after) = after_ms.or_else(|| device.every_ms().map(|every| every.saturating_mul(2)))
                else {
                    return NEVER;
                };
                if track.is_firing() || track.closed || !self.clock.is_up(source) {
                    return NEVER;
                }
                let mut silent = self.clock.listening(source).saturating_sub(device.twin.heard_listening);
                if set.rules.get(rule).is_some_and(|rule| rule.hours.is_some()) {
                    // Counted from when the calendar opened; how long was listened before, nobody asks.
                    let open = self.clock.clocks().wall.since(track.mark);
                    silent = silent.min(open).min(self.clock.even().saturating_sub(gap_end));
                }
                self.clock.even().saturating_add(after.saturating_sub(silent))
            }
        }
    }

    /// Looks at the calendar of a rule, when that is what is due now. What was due before it goes first.
    fn look(&mut self, number: usize, set: &Arc<RuleSet>, rule: u16, seq: Seq) -> bool {
        let n = usize::from(rule);
        let rules = &self.register.get(number).twin.rules;
        let (Some(track), look) = (rules.tracks.get(n), rules.next_look(set, n)) else { return false };
        if look == NEVER {
            return false;
        }
        let clocks = self.clock.clocks();
        let edge = clocks.ahead(Timestamp(look));
        let before = match set.rules.get(n).map(|rule| &rule.kind) {
            Some(Kind::Threshold(_)) => track.due,
            Some(Kind::MetricSilence { .. } | Kind::DeviceSilence { .. }) | None => self.step_due(number, n),
        };
        if edge > clocks.even || before < edge {
            return false;
        }
        let mut changes = Vec::new();
        if self.register.get_mut(number).twin.rules.look(set, rule, clocks, &mut changes) {
            self.touch_twin(number);
        }
        self.carry_out(number, set, &changes, seq);
        true
    }

    fn expire(&mut self, number: usize, rule: u16, seq: Seq) {
        let Some(set) = self.rules_of(number) else { return };
        let (even, wall) = (self.clock.even(), self.clock.clocks().wall);
        if self.look(number, &set, rule, seq) {
            return;
        }
        let due = self.step_due(number, usize::from(rule));
        let twin = &mut self.register.get_mut(number).twin;
        let mut changes = Vec::new();
        match set.rules.get(usize::from(rule)).map(|rule| &rule.kind) {
            Some(Kind::DeviceSilence { .. }) => {
                let at = wall.plus_ms(due.saturating_sub(even));
                let since = twin.heard_at;
                if let Some(track) = twin.rules.tracks.get_mut(usize::from(rule))
                    && let Some(step) = track.device_silent(since, at)
                {
                    changes.push(Change { rule, step, by_straggler: false });
                }
            }
            Some(Kind::Threshold(_) | Kind::MetricSilence { .. }) => {
                twin.rules.expire(&set, rule, &mut changes)
            }
            None => {}
        }
        self.touch_twin(number);
        self.carry_out(number, &set, &changes, seq);
    }
}
