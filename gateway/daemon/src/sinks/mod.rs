//! Where readings go. A sink reads decided batches at its own cursor; it never decodes, never de-duplicates,
//! and never holds up ingest or another sink.

pub mod influx;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use orderly_core::ids::DeviceId;
use orderly_core::reading::{Origin, Reading};
use orderly_core::record::Seq;
use orderly_core::time::Timestamp;

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
pub trait BatchSource: Send + Sync + 'static {
    /// The record up to which this consumer has everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn cursor(&self, consumer: &str) -> Result<Seq, SourceError>;

    /// Batches whose last record lies after `after`, in order, of at least one and about `max_bytes` in all.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn batches_after(&self, after: Seq, max_bytes: usize) -> Result<Vec<Batch>, SourceError>;

    /// The consumer's holes, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn holes(&self, consumer: &str) -> Result<Vec<Hole>, SourceError>;

    /// Readings of the long-term store after this origin and up to this record, in order of origin.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn history(&self, after: Origin, last: Seq, limit: usize) -> Result<Vec<Reading>, SourceError>;
}

/// The store could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the batches cannot be read: {0}")]
pub struct SourceError(pub String);

/// What a sink tells the state store. It counts as done only when it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkChange {
    /// The far side has everything up to this record.
    Moved {
        /// The sink.
        consumer: Arc<str>,
        /// The record.
        seq: Seq,
    },
    /// The far side has the hole up to this record; when that is its end, the hole is closed.
    HoleFilled {
        /// The sink.
        consumer: Arc<str>,
        /// The hole as it was read.
        hole: Hole,
        /// The record.
        up_to: Seq,
    },
    /// The far side does not take this one point: it goes to quarantine, where a person can see it.
    Rejected(Rejected),
}

/// A point that a store does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The sink.
    pub consumer: Arc<str>,
    /// The reading.
    pub origin: Origin,
    /// Its device.
    pub device: DeviceId,
    /// When the store refused it.
    pub at: Timestamp,
    /// Stable code: `store_rejected`, `store_too_large`, `unwritable`, `same_millisecond`.
    pub code: &'static str,
    /// What the store said.
    pub reason: String,
    /// The line that was refused.
    pub line: String,
}

/// The sink's way to the state store.
pub trait Delivery: Send + Sync + 'static {
    /// Stores the change; done when it is durable.
    fn deliver(&self, change: SinkChange) -> BoxFuture<'_, Result<(), String>>;
}

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
