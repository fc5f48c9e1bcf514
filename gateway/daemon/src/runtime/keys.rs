//! The keys of the days while the gateway runs: the next one is made ahead, old ones are destroyed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use orderly_core::record::Seq;
use orderly_core::sealed::Day;
use orderly_core::time::Clock;
use orderly_store::disk::RealDisk;
use orderly_store::journal::Journal;
use orderly_store::keys::KeyRing;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY_MS: i64 = 86_400_000;

/// Opens the keys of a data folder, or of the folder that the settings name.
///
/// # Errors
/// When others can read a key, or the disk refuses.
pub fn open(settings: &Settings) -> anyhow::Result<Arc<KeyRing>> {
    let beside = settings.data_dir.join("keys");
    let dir: &Path = settings.privacy.keys.as_deref().unwrap_or(&beside);
    let draw =
        |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|error| std::io::Error::other(error.to_string()));
    let keys = KeyRing::open(Arc::new(RealDisk), dir, Box::new(draw)).context("the keys of the days")?;
    Ok(Arc::new(keys))
}

/// What the keeper of the keys works with.
pub struct Keeper {
    /// The keys.
    pub keys: Arc<KeyRing>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// What may still need an old key.
    pub journal: Journal,
    /// What does not any more.
    pub committed: watch::Receiver<Seq>,
    /// How many whole days a key outlives its own.
    pub keep: u32,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("keys", &self.keys).field("keep", &self.keep).finish_non_exhaustive()
    }
}

/// How many whole days a duration covers, at least.
#[must_use]
pub fn days(ms: i64) -> u32 {
    u32::try_from(ms.saturating_add(DAY_MS - 1) / DAY_MS).unwrap_or(0)
}

impl Keeper {
    /// Looks after the keys, now and every hour, until told to stop.
    pub async fn follow(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(HOUR);
        let keeper = Arc::new(self);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = Arc::clone(&keeper).tend() => {}
            }
        }
    }

    /// One round: tomorrow's key, where any is in use, and the end of the old ones. What is durable now is waited
    /// for first: none of it may lose its key before it is handled.
    pub async fn tend(self: Arc<Self>) {
        let today = Day::of(self.clock.now().wall);
        let goal = self.journal.durable().seq;
        let mut committed = self.committed.clone();
        if committed.wait_for(|cursor| *cursor >= goal).await.is_err() {
            return;
        }
        let keeper = Arc::clone(&self);
        let done = tokio::task::spawn_blocking(move || {
            if !keeper.keys.days().is_empty() {
                keeper.keys.make(today.plus(1))?;
            }
            keeper.keys.destroy_before(today.minus(keeper.keep))
        });
        match done.await {
            Ok(Ok(gone)) => {
                for day in gone {
                    tracing::info!(%day, "the key of a day was destroyed; what it sealed is unreadable from now on");
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "the keys of the days; tried again in an hour"),
            Err(error) => tracing::error!(%error, "the keys of the days"),
        }
    }
}
