//! Reads what a job names and makes lines of it. Blocking.

use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::reading::Origin;
use orderly_core::record::Seq;

use super::encode::{Chunk, Encoder};
use super::lanes::Job;
use super::whole;
use crate::sinks::{BatchSource, SourceError};

/// A job's lines.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) job: Job,
    /// The job is done up to here once the lines are sent.
    pub(super) up_to: Origin,
    pub(super) chunk: Chunk,
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
    /// `head` is what was committed before the call: where nothing is found, the job is done up to there.
    pub(super) fn prepare(&self, job: Job, head: Seq) -> Result<Prepared, SourceError> {
        match job {
            Job::Live { after } => self.batches(job, after, Seq::MAX, head),
            Job::Backlog { after, end } => self.batches(job, after, end, end),
            Job::Fill { hole, after } => {
                let limit = self.max_lines.max(1);
                let readings = self.source.history(after, hole.last, limit)?;
                let up_to = match readings.last() {
                    Some(last) if readings.len() >= limit => last.origin,
                    _ => whole(hole.last),
                };
                let mut chunk = Chunk::default();
                let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
                for reading in readings.iter().filter(|r| r.origin > after && r.origin.seq <= hole.last) {
                    encoder.push(&mut chunk, reading);
                }
                Ok(Prepared { job, up_to, chunk })
            }
        }
    }

    fn batches(&self, job: Job, after: Seq, end: Seq, nothing: Seq) -> Result<Prepared, SourceError> {
        let batches = self.source.batches_after(after, self.max_bytes)?;
        let mut up_to = nothing;
        let mut chunk = Chunk::default();
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in batches.iter().take_while(|batch| batch.first <= end) {
            up_to = batch.last.min(end);
            for reading in batch.readings.iter().filter(|r| r.origin.seq > after && r.origin.seq <= end) {
                encoder.push(&mut chunk, reading);
            }
        }
        Ok(Prepared { job, up_to: whole(up_to), chunk })
    }
}
