//! What the journal has lost is made known: a row in quarantine, a warning on the status page, a figure.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::time::Clock;
use orderly_store::journal::{Damage, Journal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::observe::metrics;
use crate::pipeline::{DeliveryChange, StateCommand};

/// How often the journal is asked.
const ASK: Duration = Duration::from_secs(1);

/// Asks the journal for damage until stopped; what cannot be written now is written later.
pub async fn tell(
    journal: Journal,
    committer: mpsc::Sender<StateCommand>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(ASK);
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        waiting.extend(changes(&journal, &*clock));
        while let Some(change) = waiting.pop() {
            let (done, written) = oneshot::channel();
            let sent = committer.send(StateCommand::Deliver { change: change.clone(), done }).await;
            if sent.is_err() || !matches!(written.await, Ok(Ok(()))) {
                waiting.push(change);
                break;
            }
        }
    }
    for change in waiting {
        ask(&committer, change).await;
    }
}

/// At the very end: what was met while the pipeline was emptied. Nobody waits for it, the committer ends behind it.
pub fn tell_last(journal: &Journal, committer: &mpsc::Sender<StateCommand>, clock: &dyn Clock) {
    for change in changes(journal, clock) {
        let (done, _) = oneshot::channel();
        drop(committer.blocking_send(StateCommand::Deliver { change, done }));
    }
}

async fn ask(committer: &mpsc::Sender<StateCommand>, change: DeliveryChange) {
    let (done, _) = oneshot::channel();
    drop(committer.send(StateCommand::Deliver { change, done }).await);
}

fn changes(journal: &Journal, clock: &dyn Clock) -> Vec<DeliveryChange> {
    let at = clock.now().wall;
    let damaged: Vec<Damage> = journal.take_damage();
    for damage in &damaged {
        metrics::journal_damaged(damage.records_lost);
    }
    damaged.into_iter().map(|damage| DeliveryChange::JournalDamaged { at, damage }).collect()
}
