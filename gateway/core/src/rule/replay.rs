//! A straggler inside the bound replays the device's kept samples: it may start, cancel or fire an alert.
//!
//! What was raised is never withdrawn: an alert that the replay disproves is cleared, with the straggler
//! as reason; a condition that was true and is already over fires once and clears at once.

use crate::time::Timestamp;

use super::look::Head;
use super::model::Threshold;
use super::set::RuleSet;
use super::state::{Change, RuleState, sees, threshold};
use super::track::{Clocks, NEVER, Phase, Step, Track};
use super::window::{self, Window};

/// An alert that was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// By which rule of the set.
    pub rule: u16,
    /// When its condition began.
    pub began: Timestamp,
    /// When it had held long enough.
    pub fired: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
}

/// A time during which a rule has been firing, as the replay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Episode {
    began: Timestamp,
    fired: Timestamp,
    ended: Option<Timestamp>,
    /// The alert that was raised for it.
    alert: Option<Timestamp>,
}

/// Tells a track what its timer had decided before `at`; samples alone do not show that.
pub fn recall(track: &mut Track, rule: &Threshold, number: u16, at: Timestamp, raised: &[Raised]) -> bool {
    let mut mine = raised.iter().filter(|raised| raised.rule == number);
    match track.phase {
        Phase::Pending => {
            let found = mine.find(|r| r.began >= track.began && r.began < at && r.fired <= at);
            if let Some(raised) = found {
                track.phase = Phase::Firing;
                track.began = raised.began;
                track.due = NEVER;
                return true;
            }
        }
        Phase::Clearing => {
            let over = track.mark.plus_ms(rule.clear_after_ms);
            if over <= at && mine.any(|r| r.began == track.began && r.ended == Some(over)) {
                track.calm();
                return true;
            }
        }
        Phase::Calm | Phase::Firing => {}
    }
    false
}

impl RuleState {
    /// Replays the kept samples for the rules that look at `mask`; the straggler was taken at `at`.
    pub(super) fn replay(
        &mut self,
        set: &RuleSet,
        at: Timestamp,
        mask: u64,
        clocks: Clocks,
        out: &mut Vec<Change>,
    ) {
        for n in 0..set.rules.len() {
            let Ok(rule) = u16::try_from(n) else { return };
            if threshold(set, rule).is_some_and(|threshold| threshold.mask & mask != 0) {
                self.replay_rule(set, n, rule, at, clocks, out);
            }
        }
    }

    fn replay_rule(
        &mut self,
        set: &RuleSet,
        n: usize,
        rule: u16,
        at: Timestamp,
        clocks: Clocks,
        out: &mut Vec<Change>,
    ) {
        let Some((mut track, mut episodes)) = self.run(set, n, clocks) else { return };
        let open = episodes.last().copied().filter(|last| last.ended.is_none());
        let mut ended = Vec::new();
        self.match_alerts(rule, &mut episodes, &mut ended);
        for began in ended {
            // The replay knows no such alert, or knows that it ended earlier.
            let over = episodes.iter().find(|e| e.alert == Some(began)).and_then(|e| e.ended).unwrap_or(at);
            self.emit(set, rule, Step::Cleared { began, at: over }, out);
        }
        for episode in episodes.iter_mut().filter(|episode| episode.alert.is_none()) {
            episode.began = self.own_begin(rule, episode.began);
            episode.fired = episode.fired.max(episode.began);
            self.emit(set, rule, Step::Fired { began: episode.began, at: episode.fired }, out);
            if let Some(over) = episode.ended {
                self.emit(set, rule, Step::Cleared { began: episode.began, at: over }, out);
            }
        }
        if let (Some(_), Some(last)) = (open, episodes.last()) {
            // The alert keeps the name that it was raised under.
            track.began = last.alert.unwrap_or(last.began);
        }
        let before = self.tracks[n];
        if (track.phase, track.began, track.mark) == (before.phase, before.began, before.mark) {
            track.due = before.due;
        }
        self.tracks[n] = track;
    }

    /// Runs one rule over the kept samples from the base on.
    fn run(&self, set: &RuleSet, n: usize, clocks: Clocks) -> Option<(Track, Vec<Episode>)> {
        let base = self.base.as_deref()?;
        let mut values = base.values.clone();
        let track = base.tracks.get(n)?;
        let mut episodes: Vec<Episode> = Vec::new();
        if track.is_firing() {
            episodes.push(Episode { began: track.began, fired: track.began, ended: None, alert: None });
        }
        let mut windows = base.windows.clone();
        let mut tracks = base.tracks.clone();
        // Passing time, on the way to a moment.
        let pass = |tracks: &mut [Track],
                    values: &mut [f64],
                    windows: &mut [Window],
                    until,
                    episodes: &mut Vec<Episode>| {
            let head = Head { values, tracks, windows };
            let due = |due| clocks.due(due);
            head.pass(set, n..n + 1, until, due, &self.raised, |_, track, at, step| match step {
                Some(Step::Cleared { at, .. }) => {
                    if let Some(last) = episodes.last_mut() {
                        last.ended = Some(at);
                    }
                }
                Some(Step::Fired { .. }) => {}
                None => {
                    if let Some(threshold) = u16::try_from(n).ok().and_then(|n| threshold(set, n)) {
                        remember(episodes, track, threshold, at);
                    }
                }
            });
        };
        for sample in self.kept.iter() {
            if set.has_edges {
                pass(&mut tracks, &mut values, &mut windows, sample.at, &mut episodes);
            }
            sample.apply(&mut values);
            if !set.overs.is_empty() {
                window::add(set, &mut windows, &mut values, sample.mask, sample.at);
            }
            let track = &mut tracks[n];
            let Some((rule, threshold)) = sees(set, n, &sample) else { continue };
            if recall(track, threshold, rule, sample.at, &self.raised) {
                remember(&mut episodes, track, threshold, sample.at);
            }
            match track.step(threshold, &values, sample.at, sample.stream, clocks) {
                Some(Step::Fired { began, at }) => {
                    episodes.push(Episode { began, fired: at, ended: None, alert: None });
                }
                Some(Step::Cleared { at, .. }) => {
                    if let Some(last) = episodes.last_mut() {
                        last.ended = Some(at);
                    }
                }
                None => {}
            }
        }
        if let Some(looked) = self.looked {
            pass(&mut tracks, &mut values, &mut windows, looked, &mut episodes);
        }
        let mut track = *tracks.get(n)?;
        // A timer may have decided after the last sample.
        let (rule, threshold) = (u16::try_from(n).ok()?, threshold(set, u16::try_from(n).ok()?)?);
        if recall(&mut track, threshold, rule, Timestamp(i64::MAX), &self.raised) {
            remember(&mut episodes, &track, threshold, Timestamp(i64::MAX));
        }
        Some((track, episodes))
    }

    /// Finds for each raised alert the episode that it was raised for; alerts that must end go to `ended`.
    fn match_alerts(&self, rule: u16, episodes: &mut [Episode], ended: &mut Vec<Timestamp>) {
        let mut mine: Vec<Raised> = self.raised.iter().filter(|r| r.rule == rule).copied().collect();
        mine.sort_by_key(|raised| raised.began);
        for raised in mine {
            // An episode that began later is another one: what the alert was raised for is disproved.
            let same = |e: &Episode| e.alert.is_none() && e.began == raised.began;
            let within = |e: &Episode| {
                e.alert.is_none()
                    && e.began < raised.began
                    && e.ended.is_none_or(|ended| raised.began < ended)
            };
            let found = episodes.iter().position(same).or_else(|| episodes.iter().position(within));
            match found.and_then(|found| episodes.get_mut(found)) {
                Some(episode) => {
                    episode.alert = Some(raised.began);
                    match (raised.ended, episode.ended) {
                        (None, Some(_)) => ended.push(raised.began),
                        (Some(over), None) => {
                            // It goes on after all: the rest is an alert of its own, begun where the first ended.
                            episode.alert = None;
                            episode.began = over.max(episode.began);
                            episode.fired = episode.fired.max(over);
                        }
                        (None, None) | (Some(_), Some(_)) => {}
                    }
                }
                None if raised.ended.is_none() => ended.push(raised.began),
                None => {}
            }
        }
    }

    fn emit(&mut self, set: &RuleSet, rule: u16, step: Step, out: &mut Vec<Change>) {
        self.note(set, rule, step);
        out.push(Change { rule, step, by_straggler: true });
    }
}

/// Writes down what [`recall`] told the track.
fn remember(episodes: &mut Vec<Episode>, track: &Track, rule: &Threshold, at: Timestamp) {
    match track.phase {
        Phase::Firing => {
            let fired = track.began.plus_ms(rule.hold_ms);
            episodes.push(Episode { began: track.began, fired, ended: None, alert: None });
        }
        Phase::Calm => {
            if let Some(last) = episodes.last_mut() {
                last.ended = Some(track.mark.plus_ms(rule.clear_after_ms).min(at));
            }
        }
        Phase::Pending | Phase::Clearing => {}
    }
}
