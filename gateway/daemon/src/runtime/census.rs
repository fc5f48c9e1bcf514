//! Counts the devices that report as expected. Costs a look at every twin, so it is done only while somebody asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::clock::Stopwatch;
use super::reads::StoreReads;
use crate::api::{DeviceQuery, Reads};

/// The shortest pause between two counts.
const PAUSE: Duration = Duration::from_secs(3);
/// A count may take one part in so many of the time.
const SHARE: u32 = 20;

/// The last count.
#[derive(Debug, Default)]
pub struct Census {
    online: AtomicU64,
    asked: AtomicBool,
}

impl Census {
    /// How many devices reported as expected when they were counted last.
    pub fn online(&self) -> u64 {
        self.asked.store(true, Ordering::Relaxed);
        self.online.load(Ordering::Relaxed)
    }
}

/// Counts while somebody asks, until stopped.
pub async fn count(census: Arc<Census>, reads: Arc<StoreReads>, stop: CancellationToken) {
    let mut pause = Duration::from_millis(500);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = PAUSE;
        if !census.asked.swap(false, Ordering::Relaxed) {
            continue;
        }
        let (watch, reads) = (Stopwatch::start(), Arc::clone(&reads));
        let all = DeviceQuery { limit: usize::MAX, ..DeviceQuery::default() };
        let counted = tokio::task::spawn_blocking(move || {
            reads.devices(&all).map(|devices| devices.iter().filter(|d| d.online == Some(true)).count())
        });
        match counted.await {
            Ok(Ok(online)) => census.online.store(online as u64, Ordering::Relaxed),
            Ok(Err(error)) => tracing::warn!(%error, "devices could not be counted"),
            Err(_) => return,
        }
        pause = PAUSE.max(watch.elapsed() * SHARE);
    }
}
