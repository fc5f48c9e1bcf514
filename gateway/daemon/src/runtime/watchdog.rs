//! Tells the service manager that the daemon lives, as long as the ingest loop really moves.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::record::Seq;
use orderly_store::journal::Journal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::service::Service;
use crate::observe::health::Health;
use crate::pipeline::StateCommand;

/// How often the committer is asked to show that it moves.
const ASK: Duration = Duration::from_secs(1);

/// Asks the committer to beat, and passes the beats of all loops on to the service manager.
pub async fn watch(
    health: Arc<Health>,
    journal: Journal,
    committer: mpsc::Sender<StateCommand>,
    stop: CancellationToken,
) {
    let service = Service;
    let patience = service.watchdog_interval();
    let pulse = health.pulse("journal");
    let mut writer = Writer::default();
    let mut ticks = tokio::time::interval(ASK);
    let mut since_told = Duration::MAX;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // A full queue means that the committer is at work; whether it moves, its beats tell.
        drop(committer.try_send(StateCommand::Beat));
        let stats = journal.stats();
        if writer.moves(stats.appended, stats.durable.seq) {
            pulse.beat();
        }
        since_told = since_told.saturating_add(ASK);
        let stuck = health.stuck();
        if !stuck.is_empty() {
            tracing::error!(loops = ?stuck, "no sign of life; the service manager is not told that we live");
        } else if patience.is_some_and(|patience| since_told >= patience) {
            service.alive();
            since_told = Duration::ZERO;
        }
    }
}

/// Whether the journal's writer moves: it has written something since the last look, or has nothing to write.
#[derive(Debug, Default)]
struct Writer {
    durable: Seq,
}

impl Writer {
    fn moves(&mut self, appended: Seq, durable: Seq) -> bool {
        let moved = durable > self.durable || appended <= durable;
        self.durable = durable;
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_with_work_that_writes_nothing_does_not_move() {
        let mut writer = Writer::default();
        assert!(writer.moves(0, 0), "idle");
        assert!(writer.moves(10, 5), "wrote");
        assert!(!writer.moves(12, 5), "has work and wrote nothing");
        assert!(writer.moves(12, 12), "done");
    }
}
