//! Reads what a job names and makes lines of it. Blocking.

use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::reading::Reading;
use orderly_core::record::Seq;

use super::encode::{Chunk, Encoder};
use super::lanes::{Job, Lanes};
use crate::sinks::{BatchSource, SourceError};

/// A job's lines.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) job: Job,
    /// The job is done up to this record once the lines are sent.
    pub(super) up_to: Seq,
    pub(super) chunk: Arc<Chunk>,
}

impl Prepared {
    /// The lines were sent.
    pub(super) fn done(&self, lanes: &mut Lanes) {
        if let Some(corrections) = self.chunk.corrections {
            lanes.corrected(self.job, corrections);
        }
        lanes.done(self.job, self.up_to);
    }
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
    /// Reads what the job names, about `most` lines of it.
    pub(super) fn prepare(&self, job: Job, most: usize) -> Result<Prepared, SourceError> {
        match job {
            Job::Live { after } => self.batches(job, (after, Seq::MAX), most),
            Job::Backlog { after, end } | Job::Again { after, end } => self.batches(job, (after, end), most),
            Job::Fill { hole } => {
                let (readings, up_to) = self.source.history(hole.first, hole.last, most.max(1))?;
                let (chunk, _) = self.encode(readings.iter(), usize::MAX);
                Ok(Prepared { job, up_to, chunk })
            }
        }
    }

    fn batches(&self, job: Job, (after, end): (Seq, Seq), most: usize) -> Result<Prepared, SourceError> {
        let share = self.max_bytes * most.min(self.max_lines) / self.max_lines.max(1);
        let (batches, through) = self.source.batches_after(after, share)?;
        let readings = batches.iter().flat_map(|batch| batch.readings.iter());
        let all = !matches!(job, Job::Again { .. });
        let wanted = readings
            .filter(|r| r.origin.seq > after && r.origin.seq <= end)
            .filter(|r| all || r.is_correction());
        let (chunk, cut) = self.encode(wanted, most);
        Ok(Prepared { job, up_to: cut.unwrap_or(through).min(end), chunk })
    }

    /// The lines, and the record up to which they reach when there were more than `most`: one record's readings stay
    /// together.
    fn encode<'a>(
        &self,
        readings: impl Iterator<Item = &'a Reading>,
        most: usize,
    ) -> (Arc<Chunk>, Option<Seq>) {
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut chunk, mut last) = (Chunk::default(), None);
        for reading in readings {
            if chunk.len() >= most && last != Some(reading.origin.seq) {
                return (Arc::new(chunk), last);
            }
            encoder.push(&mut chunk, reading);
            last = Some(reading.origin.seq);
        }
        (Arc::new(chunk), None)
    }
}
