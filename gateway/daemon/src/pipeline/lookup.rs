//! The engine's only look into the past: readings of one stream with one time, of an earlier origin.

use std::path::Path;
use std::sync::Arc;

use orderly_core::dedupe::{Lookup, Seen, matches};
use orderly_core::reading::Reading;
use orderly_store::series::{Query, SeriesReader};

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
        let batches = self.recent.all();
        let near = batches.iter().flat_map(|batch| &batch.readings).filter(|r| matches(lookup, r)).cloned();
        let mut readings: Vec<Reading> = near.collect();
        let stored = match lookup.device_time {
            Some(at) => {
                self.series.same_time(&lookup.device, lookup.epoch, &lookup.stream, at, lookup.before)
            }
            // Devices that count but have no clock are few; their whole stream is looked through.
            None => self.series.readings(&Query {
                stream: Some(lookup.stream.clone()),
                ..Query::all(lookup.device.clone())
            }),
        };
        readings.extend(stored.map_err(|e| e.to_string())?.into_iter().filter(|r| matches(lookup, r)));
        readings.sort_by_key(|r| r.origin);
        readings.dedup_by_key(|r| r.origin);
        Ok(Seen { readings })
    }
}
