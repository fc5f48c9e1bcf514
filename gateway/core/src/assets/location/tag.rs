//! What is known of one tag, and when it counts as having moved.

use std::collections::BTreeMap;

use super::signal::Signal;
use super::{Change, Reader, ReaderKind, WINDOW_MS};
use crate::ids::ZoneId;
use crate::time::Timestamp;

/// By so much another zone must be heard better, in dB (DOMAIN 5.4, item 4).
const HYSTERESIS_DB: f64 = 5.0;
/// So long it must be, when the tag moves and when it rests.
const DWELL_MOVING_MS: i64 = 15_000;
const DWELL_RESTING_MS: i64 = 45_000;
/// At passages, and where nothing is known yet: two windows.
const DWELL_PASSAGE_MS: i64 = 2 * WINDOW_MS;
/// A zone that is not heard at all counts as this, in dBm.
const UNHEARD_DBM: f64 = -100.0;
/// For each reader of its floor among the strongest, a zone counts as so much stronger, in dB (DOMAIN 5.4, item 5).
const FLOOR_VOTE_DB: f64 = 2.0;
/// So many of the strongest readers vote for their floor.
const VOTERS: usize = 4;
/// Whoever changes floors was in a lift or on a stair this long ago at most.
const PASSAGE_MS: i64 = 180_000;
/// A passage is passed by whoever is heard there at least this strongly, in dBm.
const PASSED_DBM: i16 = -80;
/// A reader counts for so long after it heard the tag last, at least.
const HEARD_MS: i64 = 10_000;
/// A tag that is not heard for so long, at least, is not known any more (DOMAIN 5.4, item 6).
const LOST_MS: i64 = 60_000;
/// Who sends at least this often counts as moving, if it does not say (DOMAIN 5.4, item 1).
const MOVING_MS: i64 = 5_000;

/// Where a tag is.
#[derive(Debug, Clone, PartialEq)]
struct Here {
    zone: ZoneId,
    floor: i16,
}

/// A zone that is heard better.
#[derive(Debug, Clone, PartialEq)]
struct Challenger {
    here: Here,
    since: Timestamp,
}

/// What is known of one tag.
#[derive(Debug, Default)]
pub(super) struct Tag {
    signals: BTreeMap<usize, Signal>,
    heard_at: Option<Timestamp>,
    /// How far apart it is heard, smoothed.
    interval_ms: i64,
    /// When it said last that it moves; `None`: it never says.
    moved_at: Option<Timestamp>,
    says: bool,
    here: Option<Here>,
    /// Nobody hears it, or it left: `here` is where it was.
    gone: bool,
    challenger: Option<Challenger>,
    passed_at: Option<Timestamp>,
}

impl Tag {
    /// Nothing will become of it before it is heard again.
    pub(super) const fn is_settled(&self) -> bool {
        self.gone || self.heard_at.is_none()
    }

    pub(super) fn hear(&mut self, reader: usize, at: Timestamp, rssi: i16, moving: Option<bool>) {
        if let Some(gap) = self.heard_at.map(|before| at.since(before)).filter(|gap| *gap >= 500) {
            // A silence is no interval.
            let gap = gap.min(LOST_MS);
            self.interval_ms =
                if self.interval_ms == 0 { gap } else { self.interval_ms + (gap - self.interval_ms) / 4 };
        }
        self.heard_at = self.heard_at.max(Some(at));
        self.says |= moving.is_some();
        if moving == Some(true) {
            self.moved_at = self.moved_at.max(Some(at));
        }
        self.signals.entry(reader).or_default().hear(at, rssi);
    }

    /// A window is over: what became of the tag, where, and since when.
    pub(super) fn close(
        &mut self,
        readers: &[Reader],
        end: Timestamp,
    ) -> Option<(Change, &ZoneId, Timestamp)> {
        let heard_at = self.heard_at?;
        let start = end.plus_ms(-WINDOW_MS);
        let keep = HEARD_MS.max(self.interval_ms.saturating_mul(5) / 2);
        self.signals.retain(|_, signal| signal.heard_at().is_some_and(|at| end.since(at) <= keep));
        self.signals.values_mut().for_each(|signal| signal.close(end));
        if heard_at < start {
            let lost = !self.gone && end.since(heard_at) > LOST_MS.max(self.interval_ms.saturating_mul(5));
            if lost {
                (self.gone, self.challenger) = (true, None);
                return self.here.as_ref().map(|here| (Change::Lost, &here.zone, heard_at));
            }
        } else if let Some(exit) = self.at_exit(readers, start) {
            self.challenger = None;
            self.here = Some(Here { zone: readers[exit].zone.clone(), floor: readers[exit].floor });
            let left = !std::mem::replace(&mut self.gone, true);
            return self.here.as_ref().filter(|_| left).map(|here| (Change::Left, &here.zone, heard_at));
        }
        let passed = |(number, signal): (&usize, &Signal)| {
            readers[*number].kind == ReaderKind::Passage
                && signal.peak(start).is_some_and(|rssi| rssi >= PASSED_DBM)
        };
        if self.signals.iter().any(passed) {
            self.passed_at = Some(end);
        }
        let scores = self.scores(readers);
        let best = scores.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0).then_with(|| b.0.cmp(a.0)));
        let (zone, (score, floor, passage)) = best.map(|(zone, best)| ((*zone).clone(), *best))?;
        let holder = self.here.as_ref().filter(|_| !self.gone);
        let held = holder.map_or(UNHEARD_DBM, |here| scores.get(&here.zone).map_or(UNHEARD_DBM, |one| one.0));
        if holder.is_some_and(|here| here.zone == zone || score - held < HYSTERESIS_DB) {
            self.challenger = None;
            return None;
        }
        let here = Here { zone, floor };
        let since =
            self.challenger.as_ref().filter(|known| known.here == here).map_or(start, |known| known.since);
        let other_floor = holder.is_some_and(|before| before.floor != floor);
        let passed = self.passed_at.is_some_and(|at| end.since(at) <= PASSAGE_MS);
        let dwell = match holder {
            None => DWELL_PASSAGE_MS,
            Some(_) if other_floor && !passed => PASSAGE_MS,
            Some(_) if passage => DWELL_PASSAGE_MS,
            Some(_) if self.is_moving(end) => DWELL_MOVING_MS,
            Some(_) => DWELL_RESTING_MS,
        };
        if end.since(since) < dwell {
            self.challenger = Some(Challenger { here, since });
            return None;
        }
        let change = match (holder, other_floor && !passed) {
            (None, _) => Change::Seen,
            (Some(_), true) => Change::Jumped,
            (Some(_), false) => Change::Moved,
        };
        (self.gone, self.challenger) = (false, None);
        let here = self.here.insert(here);
        Some((change, &here.zone, since))
    }

    /// Whether it moves, or did a moment ago: who walks into a room and stops there has moved.
    fn is_moving(&self, end: Timestamp) -> bool {
        match self.says {
            true => self.moved_at.is_some_and(|at| end.since(at) <= DWELL_RESTING_MS),
            false => self.interval_ms <= MOVING_MS,
        }
    }

    /// The gate that hears the tag better than all others do in this window.
    fn at_exit(&self, readers: &[Reader], start: Timestamp) -> Option<usize> {
        let peak = |number: &usize, signal: &Signal| {
            signal.peak(start).map(|rssi| f64::from(rssi) + readers[*number].offset_db)
        };
        let mut peaks: Vec<_> = self
            .signals
            .iter()
            .filter_map(|(number, signal)| Some((peak(number, signal)?, *number)))
            .collect();
        peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (best, number) = *peaks.first()?;
        let other = peaks.iter().find(|(_, other)| readers[*other].kind != ReaderKind::Exit);
        let clear = other.is_none_or(|(level, _)| best - level >= HYSTERESIS_DB);
        (readers[number].kind == ReaderKind::Exit && clear).then_some(number)
    }

    /// For each zone how strongly it is heard, its floor, and whether that is at a passage.
    fn scores<'r>(&self, readers: &'r [Reader]) -> BTreeMap<&'r ZoneId, (f64, i16, bool)> {
        let level = |(number, signal): (&usize, &Signal)| {
            let reader = &readers[*number];
            Some((signal.level()? + reader.offset_db, reader))
        };
        let mut levels: Vec<_> = self.signals.iter().filter_map(level).collect();
        levels.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut votes: BTreeMap<i16, u8> = BTreeMap::new();
        levels.iter().take(VOTERS).for_each(|(_, reader)| *votes.entry(reader.floor).or_default() += 1);
        let mut scores = BTreeMap::new();
        for (level, reader) in levels {
            let votes = votes.get(&reader.floor).copied().unwrap_or_default();
            let score = FLOOR_VOTE_DB.mul_add(f64::from(votes), level);
            scores.entry(&reader.zone).or_insert((score, reader.floor, reader.kind == ReaderKind::Passage));
        }
        scores
    }
}
