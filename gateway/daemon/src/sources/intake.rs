//! The journal as the doors see it: hand over, learn what is on disk, and hold back when asked to.
//!
//! A source never talks to the engine, a sink or another source; it appends here and answers its sender for
//! what the durable watermark covers.

use orderly_core::record::Entry;
use orderly_store::journal::JournalError;
pub use orderly_store::journal::{Appended, Durable};
use tokio::sync::watch;

/// Why nothing could be handed over. The sender must not be answered as if it had been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The journal takes nothing at present.
    #[error("the journal takes no records at present: {0}")]
    Refused(String),
    /// The records were appended, but the sync that should have made them durable failed.
    #[error("the journal could not make the records durable")]
    SyncFailed,
}

impl From<JournalError> for IntakeError {
    fn from(error: JournalError) -> Self {
        Self::Refused(error.to_string())
    }
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
    let appended = intake.append(entries)?;
    // The watch may lag behind the generation of the append; it never runs ahead of the truth.
    let reached = durable
        .wait_for(|d| d.covers(&appended) || d.generation > appended.generation)
        .await
        .map_err(|_| IntakeError::Refused("the daemon is stopping".to_owned()))?;
    if reached.covers(&appended) { Ok(appended) } else { Err(IntakeError::SyncFailed) }
}
