//! Where readings go. A sink reads decided batches at its own cursor; it never decodes, never de-duplicates,
//! and never holds up ingest or another sink.

mod from_store;
pub mod influx;

use std::sync::Arc;

use orderly_core::reading::Reading;
use orderly_core::record::Seq;
use orderly_core::time::Timestamp;

pub use from_store::{AtHand, Stores};

/// One decided batch: the readings of one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// First record that was handled for it.
    pub first: Seq,
    /// Last record that was handled for it.
    pub last: Seq,
    /// Its readings, in order of origin.
    pub readings: Arc<Vec<Reading>>,
}

/// A range of records whose batches were deleted before the sink had them (its backlog cap was reached).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hole {
    /// First record that the sink has not got.
    pub first: Seq,
    /// Last record that the sink has not got.
    pub last: Seq,
}

/// Where a sink reads from. Calls block; a sink makes them off the async threads.
///
/// Every call fails when the store cannot be read; the sink asks again.
pub trait BatchSource: Send + Sync + 'static {
    /// The record up to which this consumer has everything.
    fn cursor(&self, consumer: &str) -> Result<Seq, SourceError>;

    /// Batches whose last record lies after `after`, in order: at least one if there is one, and about
    /// `max_bytes` in all. The second answer is the record up to which they reach: records without readings have
    /// no batch.
    fn batches_after(&self, after: Seq, max_bytes: usize) -> Result<(Vec<Batch>, Seq), SourceError>;

    /// The consumer's holes, oldest first.
    fn holes(&self, consumer: &str) -> Result<Vec<Hole>, SourceError>;

    /// Readings of the long-term store from one record to another, in order of origin, about `limit` of them. The
    /// second answer is the record up to which they are complete.
    fn history(&self, from: Seq, to: Seq, limit: usize) -> Result<(Vec<Reading>, Seq), SourceError>;

    /// The last record to pass over when the batches after `after` hold more than `keep_bytes`.
    fn over_cap(&self, after: Seq, keep_bytes: u64) -> Result<Option<Seq>, SourceError>;
}

/// The store could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the gateway's own stores cannot be read: {0}")]
pub struct SourceError(pub String);

/// How a sink is, for the status page.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct SinkStatus {
    /// Its name in the settings.
    pub name: Arc<str>,
    /// The far side has everything up to this record.
    pub cursor: Seq,
    /// Records that were decided and are not there yet.
    pub lag: u64,
    /// What it is doing.
    pub state: SinkState,
    /// What went wrong last, if anything did.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// Points that the store took, repeats included.
    pub accepted: u64,
    /// Points that the store does not take.
    pub rejected: u64,
    /// Readings whose millisecond was taken already, on a store with milliseconds only.
    pub collisions: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Records of holes that are still to be filled.
    pub missing: u64,
    /// What the store says about itself when it is asked apart from the writing.
    pub store: StoreCheck,
}

/// What a store says about itself when it is asked apart from the writing.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreCheck {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It is healthy and has the bucket.
    Ok,
    /// It is not; what a person may look at.
    Faulty(String),
    /// This store, or this way to it, cannot be asked. That is no fault.
    Unsupported(&'static str),
}

impl StoreCheck {
    /// One word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Faulty(_) => "faulty",
            Self::Unsupported(_) => "unsupported",
        }
    }

    /// What is behind the word, if anything is to be said.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Unknown | Self::Ok => None,
            Self::Faulty(why) => Some(why),
            Self::Unsupported(why) => Some(why),
        }
    }
}

/// What a sink is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkState {
    /// It has not reached its store yet.
    #[default]
    Starting,
    /// It keeps up.
    Ok,
    /// It has a backlog and is working it off.
    CatchingUp,
    /// The store does not answer or answers with an error; it tries again.
    Retrying,
    /// The store refuses it as a whole (token, bucket, address): a person must act. It still tries now and then.
    Holding,
    /// The batches cannot be read.
    Blocked,
    /// It has ended.
    Stopped,
}
