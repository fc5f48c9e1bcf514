//! The gateway's own stores as a sink reads them: decided batches from `state.db`, history from `series.db`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::reading::Reading;
use orderly_core::record::Seq;
use orderly_store::series::{SeriesError, SeriesReader};
use orderly_store::state::{StateError, StateReader};

use super::{Batch, BatchSource, Hole, SourceError};

/// Both stores, for one sink. A connection that failed is closed and opened again at the next call.
pub struct Stores {
    dir: PathBuf,
    state: Mutex<Option<StateReader>>,
    series: Mutex<Option<SeriesReader>>,
}

impl Stores {
    /// The stores in this directory; they are opened when they are first needed.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), state: Mutex::default(), series: Mutex::default() }
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
        self.state(|reader| {
            let found = reader.batches_after(after, max_bytes)?;
            let batches = found.batches.iter().map(|stored| {
                let readings = Arc::new(stored.readings()?);
                Ok(Batch { first: stored.first, last: stored.last, readings })
            });
            Ok((batches.collect::<Result<_, StateError>>()?, found.through))
        })
    }

    fn holes(&self, consumer: &str) -> Result<Vec<Hole>, SourceError> {
        let holes = self.state(|reader| reader.holes(consumer))?;
        Ok(holes.into_iter().map(|(first, last)| Hole { first, last }).collect())
    }

    fn history(&self, from: Seq, to: Seq, limit: usize) -> Result<(Vec<Reading>, Seq), SourceError> {
        // What the series store has not applied yet cannot be vouched for.
        self.series(|reader| match reader.applied()? {
            applied if applied < from => Ok((Vec::new(), from.saturating_sub(1))),
            applied => reader.range_by_origin(from, to.min(applied), limit),
        })
    }

    fn over_cap(&self, after: Seq, keep_bytes: u64) -> Result<Option<Seq>, SourceError> {
        self.state(|reader| reader.backlog_over(after, keep_bytes))
    }
}
