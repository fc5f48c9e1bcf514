//! The engine's only look into the past: readings of one stream with one time, of an earlier origin.

use std::path::Path;
use std::sync::Arc;

use orderly_core::dedupe::{Lookup, Seen, matches};
use orderly_core::reading::Reading;
use orderly_store::series::SeriesReader;

use super::recent::Recent;

/// Answers from the batches that are not yet applied and from `series.db`, as one.
pub struct Lookups {
    recent: Arc<Recent>,
    series: SeriesReader,
}

impl Lookups {
    /// Opens a reading connection.
    ///
    /// # Errors
    /// When `series.db` cannot be opened.
    pub fn open(dir: &Path, recent: Arc<Recent>) -> Result<Self, String> {
        let series = SeriesReader::open(dir).map_err(|e| e.to_string())?;
        Ok(Self { recent, series })
    }

    /// What was seen for each look-up, in their order.
    ///
    /// # Errors
    /// When `series.db` cannot be read: then nothing may be decided.
    pub fn answer(&mut self, lookups: &[Lookup]) -> Result<Vec<Seen>, String> {
        lookups.iter().map(|lookup| self.one(lookup)).collect()
    }

    fn one(&mut self, lookup: &Lookup) -> Result<Seen, String> {
        // The batches at hand first: one that is applied meanwhile is then found twice, never not at all.
        let batches = self.recent.ahead();
        let near =
            batches.iter().flat_map(|batch| batch.readings.iter()).filter(|r| matches(lookup, r)).cloned();
        let mut readings: Vec<Reading> = near.collect();
        readings.extend(self.series.seen(lookup).map_err(|e| e.to_string())?);
        readings.sort_by_key(|r| r.origin);
        readings.dedup_by_key(|r| r.origin);
        Ok(Seen { readings })
    }
}
