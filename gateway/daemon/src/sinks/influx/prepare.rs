//! Reads what a job names and makes lines of it. Blocking.

use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::reading::Reading;
use orderly_core::record::Seq;

use super::encode::{Chunk, Encoder};
use super::lanes::Job;
use crate::sinks::{BatchSource, SourceError};

/// A job's lines.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) job: Job,
    /// The job is done up to this record once the lines are sent.
    pub(super) up_to: Seq,
    pub(super) chunk: Arc<Chunk>,
}

/// Reads and encodes.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) source: Arc<dyn BatchSource>,
    pub(super) encoder: Arc<Mutex<Encoder>>,
    pub(super) max_bytes: usize,
    pub(super) max_lines: usize,
}

impl Reader {
    /// Reads what the job names.
    pub(super) fn prepare(&self, job: Job) -> Result<Prepared, SourceError> {
        match job {
            Job::Live { after } => self.batches(job, after, Seq::MAX),
            Job::Backlog { after, end } => self.batches(job, after, end),
            Job::Fill { hole } => {
                let (readings, up_to) = self.source.history(hole.first, hole.last, self.max_lines.max(1))?;
                Ok(Prepared { job, up_to, chunk: self.encode(readings.iter()) })
            }
        }
    }

    fn batches(&self, job: Job, after: Seq, end: Seq) -> Result<Prepared, SourceError> {
        let (batches, through) = self.source.batches_after(after, self.max_bytes)?;
        let readings = batches.iter().flat_map(|batch| batch.readings.iter());
        let chunk = self.encode(readings.filter(|r| r.origin.seq > after && r.origin.seq <= end));
        Ok(Prepared { job, up_to: through.min(end), chunk })
    }

    fn encode<'a>(&self, readings: impl Iterator<Item = &'a Reading>) -> Arc<Chunk> {
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chunk = Chunk::default();
        for reading in readings {
            encoder.push(&mut chunk, reading);
        }
        Arc::new(chunk)
    }
}
