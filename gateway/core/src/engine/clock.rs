//! The engine's sense of time: an even clock for timers, and listening time for silence.

use serde::{Deserialize, Serialize};

use crate::record::LinkChange;
use crate::rule::Clocks;
use crate::time::{Now, Timestamp};

/// The most sources that are told apart; any more share the last number.
const MAX_SOURCES: usize = 255;

/// Time as the records of the journal show it.
///
/// Timers live in even time: it goes with the steady clock while Orderly runs and with the wall clock between
/// two runs, so a step of the wall clock moves none of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct EngineClock {
    last: Option<Now>,
    /// The even time of the last record.
    even: i64,
    /// For how long Orderly has been running, all in all.
    running: i64,
    /// When the last gap of ours ended, in even time.
    gap_end: i64,
    sources: Vec<Source>,
}

/// A source, as far as silence is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    name: String,
    /// Whether its link is ever reported; a source of our own (the listener) has none and is up while we run.
    has_link: bool,
    up: bool,
    /// For how long it was down while Orderly was running.
    deaf: i64,
    /// When its last gap ended, in even time.
    gap_end: i64,
}

impl EngineClock {
    /// Moves on to the time of a record. Tells whether Orderly was restarted since the last one.
    pub(super) fn advance(&mut self, now: Now) -> bool {
        let Some(last) = self.last.replace(now) else {
            self.even = now.wall.0;
            return false;
        };
        if last.boot == now.boot {
            let passed = i64::try_from(now.steady_ms.saturating_sub(last.steady_ms)).unwrap_or(i64::MAX);
            self.running = self.running.saturating_add(passed);
            for source in self.sources.iter_mut().filter(|source| !source.up) {
                source.deaf = source.deaf.saturating_add(passed);
            }
            self.even = self.even.saturating_add(passed);
            return false;
        }
        // Nobody listened between two runs, so that time counts for no device.
        self.even = self.even.saturating_add(now.wall.since(last.wall).max(0));
        self.gap_end = self.even;
        for source in &mut self.sources {
            source.up = !source.has_link;
        }
        true
    }

    /// Takes what the shell says about a link. Tells whether it came up or went down.
    pub(super) fn link(&mut self, change: &LinkChange) -> bool {
        let number = self.source(&change.source);
        let even = self.even;
        let Some(source) = self.sources.get_mut(usize::from(number)) else { return false };
        source.has_link = true;
        let changed = source.up != change.up;
        source.up = change.up;
        if change.up && (changed || change.session_lost) {
            source.gap_end = even;
        }
        changed
    }

    /// The number of a source.
    pub(super) fn source(&mut self, name: &str) -> u16 {
        let found = self.sources.iter().position(|source| source.name == name);
        let number = found.unwrap_or_else(|| {
            if self.sources.len() < MAX_SOURCES {
                self.sources.push(Source {
                    name: name.to_owned(),
                    has_link: false,
                    up: true,
                    deaf: 0,
                    gap_end: i64::MIN,
                });
            }
            self.sources.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// The name of a source.
    pub(super) fn name_of(&self, source: u16) -> Option<std::sync::Arc<str>> {
        self.of(Some(source)).map(|source| source.name.as_str().into())
    }

    /// How much listening time has passed on a source.
    pub(super) fn listening(&self, source: Option<u16>) -> i64 {
        self.running - self.of(source).map_or(0, |source| source.deaf)
    }

    /// Whether a source can be heard now.
    pub(super) fn is_up(&self, source: Option<u16>) -> bool {
        self.of(source).is_none_or(|source| source.up)
    }

    /// When the last gap on a source ended, in even time.
    pub(super) fn gap_end(&self, source: Option<u16>) -> i64 {
        self.gap_end.max(self.of(source).map_or(i64::MIN, |source| source.gap_end))
    }

    /// Both clocks of the last record.
    pub(super) fn clocks(&self) -> Clocks {
        Clocks { wall: self.last.map_or(Timestamp(0), |now| now.wall), even: self.even }
    }

    /// The even time of the last record.
    pub(super) const fn even(&self) -> i64 {
        self.even
    }

    /// The steady clock of the present run at an even time.
    pub(super) fn steady(&self, even: i64) -> Option<u64> {
        let last = self.last?;
        let ahead = u64::try_from(even.saturating_sub(self.even)).unwrap_or(0);
        Some(last.steady_ms.saturating_add(ahead))
    }

    fn of(&self, source: Option<u16>) -> Option<&Source> {
        self.sources.get(usize::from(source?))
    }
}
