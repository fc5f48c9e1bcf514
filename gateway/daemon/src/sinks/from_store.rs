//! The gateway's own stores as a sink reads them: decided batches from `state.db`, history from `series.db`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::dedupe::replaces;
use orderly_core::reading::Reading;
use orderly_core::record::Seq;
use orderly_store::series::{SeriesError, SeriesReader};
use orderly_store::state::{StateError, StateReader};

use super::{Batch, BatchSource, Hole, SourceError};

/// Committed batches after a record that are still at hand, and the record up to which they reach; `None`: read them
/// from the store.
pub type AtHand = Box<dyn Fn(Seq) -> Option<(Vec<Batch>, Seq)> + Send + Sync>;

/// A series store that is so many hands of batches behind is catching up; history waits until it has.
const HANDS_AHEAD: usize = 16;
const AHEAD_BYTES: usize = 1 << 20;

/// Both stores, for one sink. A connection that failed is closed and opened again at the next call.
pub struct Stores {
    dir: PathBuf,
    at_hand: AtHand,
    state: Mutex<Option<StateReader>>,
    series: Mutex<Option<SeriesReader>>,
}

impl Stores {
    /// The stores in this directory; they are opened when they are first needed. What is at hand is not read again.
    #[must_use]
    pub fn new(dir: &Path, at_hand: AtHand) -> Self {
        Self { dir: dir.to_owned(), at_hand, state: Mutex::default(), series: Mutex::default() }
    }

    fn state<T>(&self, ask: impl FnOnce(&StateReader) -> Result<T, StateError>) -> Result<T, SourceError> {
        let mut slot = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = match slot.take() {
            Some(reader) => reader,
            None => StateReader::open(&self.dir).map_err(SourceError::of)?,
        };
        let answer = ask(&reader).map_err(SourceError::of)?;
        *slot = Some(reader);
        Ok(answer)
    }

    fn series<T>(
        &self,
        ask: impl FnOnce(&mut SeriesReader) -> Result<T, SeriesError>,
    ) -> Result<T, SourceError> {
        let mut slot = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = match slot.take() {
            Some(reader) => reader,
            None => SeriesReader::open(&self.dir).map_err(SourceError::of)?,
        };
        let answer = ask(&mut reader).map_err(SourceError::of)?;
        *slot = Some(reader);
        Ok(answer)
    }
}

impl Stores {
    fn stored_after(&self, after: Seq, max_bytes: usize) -> Result<(Vec<Batch>, Seq), SourceError> {
        self.state(|reader| {
            let found = reader.batches_after(after, max_bytes)?;
            let batches = found.batches.iter().map(|stored| {
                let readings = Arc::new(stored.readings()?);
                Ok(Batch { first: stored.first, last: stored.last, readings })
            });
            Ok((batches.collect::<Result<_, StateError>>()?, found.through))
        })
    }

    /// All committed corrections behind a record; `None`: there is too much to look through.
    fn corrections_after(&self, after: Seq) -> Result<Option<Vec<Reading>>, SourceError> {
        let mut corrections = Vec::new();
        let mut from = after;
        for _ in 0..HANDS_AHEAD {
            let (batches, through) = self.stored_after(from, AHEAD_BYTES)?;
            if batches.is_empty() {
                return Ok(Some(corrections));
            }
            let all = batches.iter().flat_map(|batch| batch.readings.iter());
            corrections.extend(all.filter(|r| r.is_correction()).cloned());
            from = through;
        }
        Ok(None)
    }
}

impl SourceError {
    fn of(error: impl std::error::Error) -> Self {
        Self(error.to_string())
    }
}

impl BatchSource for Stores {
    fn cursor(&self, consumer: &str) -> Result<Seq, SourceError> {
        self.state(|reader| Ok(reader.consumer(consumer)?.unwrap_or(0)))
    }

    fn batches_after(&self, after: Seq, max_bytes: usize) -> Result<(Vec<Batch>, Seq), SourceError> {
        let (mut batches, through) = match (self.at_hand)(after) {
            Some(found) => found,
            None => self.stored_after(after, max_bytes)?,
        };
        leave_out_replaced(&mut batches);
        Ok((batches, through))
    }

    fn holes(&self, consumer: &str) -> Result<Vec<Hole>, SourceError> {
        let holes = self.state(|reader| reader.holes(consumer))?;
        Ok(holes.into_iter().map(|(first, last)| Hole { first, last }).collect())
    }

    fn history(&self, from: Seq, to: Seq, limit: usize) -> Result<(Vec<Reading>, Seq), SourceError> {
        // What the series store has not applied yet cannot be vouched for.
        let nothing = (Vec::new(), from.saturating_sub(1));
        let applied = self.series(|reader| reader.applied())?;
        if applied < from {
            return Ok(nothing);
        }
        // A correction may be outside already and not in the series store: what it replaces must not follow it. Asked
        // for before the history: a batch that is deleted meanwhile is in the series store by then.
        let Some(corrections) = self.corrections_after(applied)? else { return Ok(nothing) };
        let (mut found, through) =
            self.series(|reader| reader.range_by_origin(from, to.min(applied), limit))?;
        found.retain(|r| !corrections.iter().any(|correction| replaces(correction, r)));
        Ok((found, through))
    }

    fn over_cap(&self, after: Seq, keep_bytes: u64) -> Result<Option<Seq>, SourceError> {
        self.state(|reader| reader.backlog_over(after, keep_bytes))
    }
}

/// Leaves out what a correction in the same hand replaces: they are one point outside, and of two in one request
/// a store may keep either.
fn leave_out_replaced(batches: &mut [Batch]) {
    let all = batches.iter().flat_map(|batch| batch.readings.iter());
    let corrections: Vec<Reading> = all.filter(|r| r.is_correction()).cloned().collect();
    let is_replaced = |r: &Reading| corrections.iter().any(|correction| replaces(correction, r));
    for batch in batches {
        // What is at hand is shared with others, who see all of it.
        if !corrections.is_empty() && batch.readings.iter().any(is_replaced) {
            Arc::make_mut(&mut batch.readings).retain(|r| !is_replaced(r));
        }
    }
}

#[cfg(test)]
mod tests {
    use orderly_core::output::Output;
    use orderly_core::reading::{Marks, Origin};
    use orderly_store::series::SeriesStore;
    use orderly_store::state::{DeliveryChange, StateStore};

    use super::*;
    use crate::sinks::influx::point::tests::reading;

    /// Three commits of ten records with a reading each; the long-term store has the first two.
    fn stores(dir: &Path) -> StateStore {
        let (mut state, _) = StateStore::open(dir).unwrap();
        let mut series = SeriesStore::open(dir).unwrap();
        for n in 0..3 {
            let (first, cursor) = (10 * n + 1, 10 * n + 10);
            let readings: Vec<Reading> =
                (first..=cursor).map(|seq| reading("bp-1", seq as i64, 1.0)).collect();
            state
                .commit(&Output { first, cursor, readings: Arc::new(readings.clone()), ..Output::default() })
                .unwrap();
            if n < 2 {
                series.apply(first, cursor, &readings).unwrap();
            }
        }
        series.flush().unwrap();
        state
    }

    fn seqs(readings: &[Reading]) -> Vec<Seq> {
        readings.iter().map(|r| r.origin.seq).collect()
    }

    #[test]
    fn a_sink_reads_batches_cursor_and_holes_of_the_real_stores() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = stores(dir.path());
        let stores = Stores::new(dir.path(), Box::new(|_| None));
        let (batches, through) = stores.batches_after(10, usize::MAX).unwrap();
        assert_eq!((batches.len(), through), (2, 30));
        assert_eq!((batches[0].first, batches[0].last), (11, 20));
        assert_eq!(seqs(&batches[1].readings), (21..=30).collect::<Vec<_>>());
        assert_eq!(stores.batches_after(30, 1).unwrap(), (Vec::new(), 30));
        let made = |after| vec![Batch { first: after + 1, last: 30, readings: Arc::default() }];
        let at_hand =
            Stores::new(dir.path(), Box::new(move |after| (after >= 20).then(|| (made(after), 30))));
        assert_eq!(at_hand.batches_after(20, 1).unwrap(), (made(20), 30), "what is at hand is not read");
        assert_eq!(at_hand.batches_after(10, 1).unwrap().0[0], batches[0], "the rest is");

        let consumer = "sink:a".to_owned();
        state.deliver(&DeliveryChange::HoleOpened { consumer, from: 1, to: 20 }).unwrap();
        assert_eq!(stores.cursor("sink:a").unwrap(), 20);
        assert_eq!(stores.cursor("sink:unknown").unwrap(), 0);
        assert_eq!(stores.holes("sink:a").unwrap(), [Hole { first: 1, last: 20 }]);
        assert_eq!(stores.over_cap(20, 0).unwrap(), Some(30));
        assert_eq!(stores.over_cap(20, u64::MAX).unwrap(), None);
    }

    #[test]
    fn of_a_reading_and_its_correction_only_the_correction_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let (mut state, _) = StateStore::open(dir.path()).unwrap();
        let mut old = reading("bp-1", 1, 120.0);
        old.device_time = Some(old.taken_at);
        let mut new = reading("bp-1", 2, 125.0);
        (new.device_time, new.taken_at, new.marks) = (old.device_time, old.taken_at, Marks::CORRECTION);
        let mut decided = Vec::new();
        for (seq, r) in [(1, old), (2, new)] {
            let readings = Arc::new(vec![r]);
            decided.push(Batch { first: seq, last: seq, readings: Arc::clone(&readings) });
            state.commit(&Output { first: seq, cursor: seq, readings, ..Output::default() }).unwrap();
        }
        let shared = decided.clone();
        let at_hand: [AtHand; 2] = [Box::new(|_| None), Box::new(move |_| Some((shared.clone(), 2)))];
        for at_hand in at_hand {
            let (batches, through) = Stores::new(dir.path(), at_hand).batches_after(0, usize::MAX).unwrap();
            let sent: Vec<Seq> = batches.iter().flat_map(|batch| seqs(&batch.readings)).collect();
            assert_eq!((sent, through), (vec![2], 2));
        }
        assert_eq!(seqs(&decided[0].readings), [1], "who shares what is at hand still has both");
    }

    #[test]
    fn what_a_correction_replaces_is_no_history_even_before_the_series_store_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = stores(dir.path());
        let mut corrected = reading("bp-1", 15, 2.0);
        (corrected.origin.seq, corrected.marks) = (31, Marks::CORRECTION);
        corrected.device_time = Some(corrected.taken_at);
        let mut original = reading("bp-1", 15, 1.0);
        original.device_time = corrected.device_time;
        // The series store has the original and nothing behind 20.
        let mut series = SeriesStore::open(dir.path()).unwrap();
        series.apply(21, 22, &[Reading { origin: Origin { seq: 22, index: 0 }, ..original }]).unwrap();
        series.flush().unwrap();
        let stores = Stores::new(dir.path(), Box::new(|_| None));
        assert_eq!(seqs(&stores.history(20, 25, 1_000).unwrap().0), [20, 22]);
        let readings = Arc::new(vec![corrected]);
        state.commit(&Output { first: 31, cursor: 31, readings, ..Output::default() }).unwrap();
        assert_eq!(seqs(&stores.history(20, 25, 1_000).unwrap().0), [20]);
    }

    #[test]
    fn history_is_complete_only_as_far_as_the_series_store_is() {
        let dir = tempfile::tempdir().unwrap();
        let _state = stores(dir.path());
        let stores = Stores::new(dir.path(), Box::new(|_| None));
        let (found, through) = stores.history(5, 25, 1_000).unwrap();
        assert_eq!((seqs(&found), through), ((5..=20).collect::<Vec<_>>(), 20));
        assert_eq!(stores.history(21, 30, 1_000).unwrap(), (Vec::new(), 20), "nothing is vouched for yet");
    }
}
