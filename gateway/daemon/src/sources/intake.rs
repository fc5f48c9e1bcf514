//! The journal as the doors see it: hand over, learn what is on disk, and hold back when asked to.
//!
//! A source never talks to the engine, a sink or another source; it appends here and answers its sender for
//! what the durable watermark covers.

use orderly_core::record::{Entry, Seq};
use orderly_core::time::Now;
use tokio::sync::watch;

/// What is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durable {
    /// All records up to this one are on disk, but for those that a failed sync took away.
    pub seq: Seq,
    /// Grows with each failed sync. What was appended under an earlier generation and not yet covered then is
    /// lost, even when `seq` passes its number later.
    pub generation: u32,
}

/// What an append was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Number of the first record.
    pub first: Seq,
    /// Number of the last record.
    pub last: Seq,
    /// Both clocks as stamped on the records.
    pub now: Now,
}

/// Why nothing could be handed over. The sender must not be answered as if it had been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The journal takes nothing at present.
    #[error("the journal takes no records at present: {0}")]
    Closed(String),
    /// The records were appended, but the sync that should have made them durable failed.
    #[error("the journal could not make the records durable")]
    SyncFailed,
}

/// The way into the journal. `runtime` implements it over the journal and the engine's progress.
pub trait Intake: Send + Sync + 'static {
    /// Appends at once, without waiting for the disk. An empty slice asks whether records are taken at present.
    ///
    /// # Errors
    /// When the journal is closed or between two generations.
    fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, IntakeError>;

    /// The durable watermark; both fields of one value belong together.
    fn durable(&self) -> watch::Receiver<Durable>;

    /// `true` while what the engine has not handled yet would take it more than 20 ms. Bulk doors do not read
    /// on meanwhile; people, timers and P1 sources take no notice.
    fn crowded(&self) -> watch::Receiver<bool>;

    /// Bytes appended and not yet on disk, of all sources together.
    fn unsynced_bytes(&self) -> usize;
}

/// Waits until a bulk door may append.
pub async fn admitted(intake: &dyn Intake) {
    let mut crowded = intake.crowded();
    // An error says that the daemon is stopping; the append that follows will say so too.
    drop(crowded.wait_for(|crowded| !crowded).await);
}

/// Appends and waits until the disk has it. For doors that answer one request at a time.
///
/// # Errors
/// When the journal takes nothing, or the sync failed: then nothing may be acknowledged.
pub async fn append_durably(intake: &dyn Intake, entries: &[Entry<'_>]) -> Result<Appended, IntakeError> {
    let mut durable = intake.durable();
    // Before the append: a failure in between must not be mistaken for the generation of these records.
    let generation = durable.borrow_and_update().generation;
    let appended = intake.append(entries)?;
    let reached = durable
        .wait_for(|d| d.generation != generation || d.seq >= appended.last)
        .await
        .map_err(|_| IntakeError::Closed("the daemon is stopping".to_owned()))?;
    if reached.generation == generation { Ok(appended) } else { Err(IntakeError::SyncFailed) }
}
