//! The series thread: brings committed batches into `series.db`, keeps it small, and lets go of what it holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orderly_core::ids::ClassId;
use orderly_core::record::Seq;
use orderly_core::time::{Clock, Now, Timestamp};
use orderly_store::journal::Journal;
use orderly_store::series::SeriesStore;
use orderly_store::state::StateReader;
use tokio::sync::{mpsc, oneshot};

use super::committer::StateCommand;
use super::recent::{Decided, Recent};
use super::signals::Signals;
use super::stores::{DeliveryChange, StateFile};
use crate::config::RetentionSettings;
use crate::observe::health::Pulse;

/// The loop shows that it moves at least so often.
const BEAT: Duration = Duration::from_secs(1);
/// How often stored batches and journal segments that nobody needs are let go.
const TIDY_MS: u64 = 10_000;
/// How often readings that are too old are looked for.
const DROP_MS: u64 = 3_600_000;
/// Batches that wait are applied together up to so many readings: the more, the cheaper each.
const TOGETHER: usize = 16_000;
/// Sealings in one round while newer batches wait; fewer would never keep up with a box that is never idle.
const SEALINGS: usize = 8;
/// Bytes of stored batches that are read at once.
const PIECE: usize = 4 << 20;

/// What the series thread works with.
pub struct SeriesLoop {
    /// The data directory.
    pub dir: PathBuf,
    /// The only writing connection.
    pub store: SeriesStore,
    /// Stored batches, for what is no longer at hand.
    pub state: StateReader,
    /// How far the threads are.
    pub signals: Arc<Signals>,
    /// Decided batches at hand.
    pub recent: Arc<Recent>,
    /// Lets go of stored batches.
    pub committer: mpsc::Sender<StateCommand>,
    /// Lets go of old segments.
    pub journal: Journal,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Beats at least once a second.
    pub pulse: Pulse,
    /// How long readings are kept.
    pub retention: RetentionSettings,
    /// When, by the steady clock, old readings are looked for next.
    pub drop_at_ms: u64,
}

impl SeriesLoop {
    /// Opens the store, and brings it up to what is committed; look-ups need that before the engine begins.
    ///
    /// # Errors
    /// When a store cannot be read or written.
    pub fn catch_up(dir: &Path) -> Result<(SeriesStore, StateReader), String> {
        let mut store = SeriesStore::open(dir).map_err(|e| e.to_string())?;
        let state = StateFile(dir.to_owned()).reader()?;
        apply_stored(&mut store, &state)?;
        Ok((store, state))
    }

    /// Works until the engine and the committer have ended and all is applied.
    pub fn run(mut self) {
        let mut behind = false;
        let mut tidied_ms = self.clock.now().steady_ms;
        loop {
            self.pulse.beat();
            let applied = self.store.applied();
            let progress = self.signals.wait(BEAT, |p| p.committed > applied || p.ended);
            if progress.committed > applied || behind {
                match self.apply(progress.committed, behind) {
                    Ok(()) => behind = false,
                    Err(error) => {
                        tracing::error!(%error, "series.db cannot be written; it is opened again");
                        behind = true;
                        if progress.ended {
                            return;
                        }
                        self.reopen();
                    }
                }
            }
            let now = self.clock.now();
            if now.steady_ms.saturating_sub(tidied_ms) >= TIDY_MS {
                tidied_ms = now.steady_ms;
                self.tidy(progress.committed, now);
            }
            if progress.ended && self.store.applied() >= progress.committed {
                return;
            }
        }
    }

    fn apply(&mut self, committed: Seq, behind: bool) -> Result<(), String> {
        if behind {
            apply_stored(&mut self.store, &self.state)?;
        } else {
            self.apply_recent(committed)?;
        }
        let applied = self.store.applied();
        self.recent.applied(applied);
        self.signals.tell(|p| p.applied = applied);
        Ok(())
    }

    fn apply_recent(&mut self, committed: Seq) -> Result<(), String> {
        let batches = self.recent.between(self.store.applied(), committed);
        let mut rest = batches.as_slice();
        while let Some(first) = rest.first() {
            self.pulse.beat();
            let mut readings = 0;
            let fits = |b: &&Decided| {
                readings += b.readings.len();
                readings <= TOGETHER
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            let last = now.last().map_or(first.cursor, |b| b.cursor);
            let all = now.iter().flat_map(|b| b.readings.iter());
            self.store.apply(first.first, last, all).map_err(|e| e.to_string())?;
            rest = later;
        }
        Ok(())
    }

    fn reopen(&mut self) {
        // Waits first: what broke it is seldom over at once.
        self.signals.wait(BEAT, |p| p.ended);
        match SeriesStore::open(&self.dir) {
            Ok(store) => self.store = store,
            Err(error) => tracing::error!(%error, "series.db cannot be opened"),
        }
    }

    /// Seals streams, drops what is too old, and lets go of what every reader has.
    fn tidy(&mut self, committed: Seq, now: Now) {
        self.journal.trim(committed);
        if let Err(error) = self.seal(now.wall) {
            tracing::warn!(%error, "series.db could not be sealed; tried again");
        }
        if now.steady_ms >= self.drop_at_ms {
            self.drop_at_ms = now.steady_ms + DROP_MS;
            let keep = |class: &ClassId| Some(now.wall.plus_ms(-self.retention.of(class.as_str()).as_ms()));
            match self.store.drop_before(&keep) {
                Ok(dropped) if dropped.readings > 0 => {
                    tracing::info!(
                        readings = dropped.readings,
                        "readings older than their class keeps were dropped"
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "old readings could not be dropped; tried again"),
            }
        }
        if self.store.applied() == self.store.flushed() {
            return;
        }
        match self.store.flush() {
            Ok(seq) => self.deliver(DeliveryChange::BatchesTrimmed { seq }),
            Err(error) => tracing::warn!(%error, "series.db could not be flushed; stored batches stay"),
        }
    }

    /// Seals what is due; while newer batches wait, only some of it.
    fn seal(&mut self, now: Timestamp) -> Result<(), String> {
        let mut sealings = 0;
        while self.store.seal(now).map_err(|e| e.to_string())?.more {
            self.pulse.beat();
            sealings += 1;
            if sealings >= SEALINGS && self.signals.look().committed > self.store.applied() {
                break;
            }
        }
        Ok(())
    }

    fn deliver(&self, change: DeliveryChange) {
        let (done, _nobody_waits) = oneshot::channel();
        // A full queue: it is done the next time.
        drop(self.committer.try_send(StateCommand::Deliver { change, done }));
    }
}

/// Brings the store up to the end of the stored batches.
fn apply_stored(store: &mut SeriesStore, state: &StateReader) -> Result<(), String> {
    loop {
        let found = state.batches_after(store.applied(), PIECE).map_err(|e| e.to_string())?;
        for batch in &found.batches {
            let readings = batch.readings().map_err(|e| e.to_string())?;
            store.apply(batch.first, batch.last, &readings).map_err(|e| e.to_string())?;
        }
        if found.through <= store.applied() {
            return Ok(());
        }
        if found.batches.is_empty() {
            // Records without readings: only the cursor moves.
            return store.apply(store.applied() + 1, found.through, &[]).map_err(|e| e.to_string());
        }
    }
}
