//! What the gateway keeps about the sink: where it stands, told to the state store while it sends.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::record::Seq;
use orderly_store::state::DeliveryChange;
use tokio_util::sync::CancellationToken;

use super::prepare::Reader;
use super::report::Report;
use super::send::Stopped;
use crate::delivery::Delivery;
use crate::retry::Backoff;
use crate::sinks::{BatchSource, SinkState, SourceError};

/// The cursor is stored this often at most, and only if so many lines went since. What lies behind it is sent again
/// after a crash; each time costs a sync of the state store.
const AT_MOST_EVERY_MS: u64 = 50;
const LINES_BETWEEN: u64 = 100;
/// The cursor is stored this often at least when it has moved at all.
pub(super) const AT_LEAST_EVERY_MS: u64 = 250;

/// The stored cursor.
#[derive(Debug, Default)]
pub(super) struct Place {
    stored: Seq,
    at: u64,
    lines: u64,
}

impl Place {
    pub(super) const fn begin(&mut self, cursor: Seq) {
        self.stored = cursor;
    }

    /// The cursor as it was stored last.
    pub(super) const fn stored(&self) -> Seq {
        self.stored
    }

    /// The far side took so many lines more.
    pub(super) const fn sent(&mut self, lines: usize) {
        self.lines += lines as u64;
    }

    /// The cursor, if it is to be stored now.
    pub(super) const fn due(&self, settled: Seq, now: u64) -> Option<Seq> {
        let every = if self.lines >= LINES_BETWEEN { AT_MOST_EVERY_MS } else { AT_LEAST_EVERY_MS };
        if settled > self.stored && now.saturating_sub(self.at) >= every { Some(settled) } else { None }
    }

    /// It was stored; `at` is when this began.
    pub(super) const fn stored_up_to(&mut self, cursor: Seq, at: u64) {
        *self = Self { stored: cursor, at, lines: 0 };
    }
}

/// The way to the state store, taken as often as it takes.
pub(super) struct Keeper {
    /// The sink's name in the state store.
    pub(super) consumer: String,
    pub(super) delivery: Arc<dyn Delivery>,
    pub(super) report: Report,
    pub(super) seed: u64,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    pub(super) fn moved(&self, seq: Seq) -> DeliveryChange {
        DeliveryChange::CursorMoved { consumer: self.consumer.clone(), seq }
    }

    /// Tells the state store, as often as it takes.
    pub(super) async fn deliver(&self, change: DeliveryChange) -> Result<(), Stopped> {
        let mut backoff = self.backoff();
        loop {
            let done = tokio::select! {
                done = self.delivery.deliver(change.clone()) => done,
                () = self.stop.cancelled() => return Err(Stopped),
            };
            let Err(why) = done else { return Ok(()) };
            self.pause(&why, &mut backoff).await?;
        }
    }

    /// Asks the store of the gateway off the async threads, as often as it takes.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        question: impl Fn() -> Result<T, SourceError> + Clone + Send + 'static,
    ) -> Result<T, Stopped> {
        let mut backoff = self.backoff();
        loop {
            let why = match tokio::task::spawn_blocking(question.clone()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(e)) => e.to_string(),
                Err(e) => format!("reading ended with a fault of ours: {e}"),
            };
            self.pause(&why, &mut backoff).await?;
        }
    }

    /// Asks where the batches are.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        reader: &Reader,
        question: impl Fn(&dyn BatchSource) -> Result<T, SourceError> + Clone + Send + 'static,
    ) -> Result<T, Stopped> {
        let source = Arc::clone(&reader.source);
        self.blocking(move || question(&*source)).await
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(Duration::from_millis(100), Duration::from_secs(5), self.seed)
    }

    async fn pause(&self, why: &str, backoff: &mut Backoff) -> Result<(), Stopped> {
        self.report.failed(SinkState::Blocked, why);
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => Ok(()),
            () = self.stop.cancelled() => Err(Stopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_stored_after_some_lines_or_some_time_and_not_without_need() {
        let mut place = Place::default();
        place.begin(10);
        assert_eq!(place.due(10, 10_000), None, "it has not moved");
        place.stored_up_to(10, 1_000);
        place.sent(99);
        assert_eq!((place.due(20, 1_249), place.due(20, 1_250)), (None, Some(20)));
        place.sent(1);
        assert_eq!((place.due(20, 1_049), place.due(20, 1_050)), (None, Some(20)));
        place.stored_up_to(20, 1_050);
        assert_eq!((place.stored(), place.due(30, 1_100)), (20, None), "the lines count anew");
    }
}
