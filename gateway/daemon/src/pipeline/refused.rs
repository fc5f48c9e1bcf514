//! Texts that were in force and that this version refuses: the engine says which, the status page and quarantine show
//! them.

use std::sync::{Mutex, PoisonError};

use orderly_core::engine::RefusedText;
use orderly_core::record::{ConfigKind, Seq};
use orderly_core::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::committer::StateCommand;
use super::stores::DeliveryChange;

/// So much of a text stands in quarantine.
const EXCERPT: usize = 4096;

/// What is refused at present; the engine thread writes it, the status page reads it.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Vec<RefusedText>>);

impl Refusals {
    /// The texts, by name, with the reason.
    #[must_use]
    pub fn list(&self) -> Vec<(String, String)> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|text| (name(&text.what), text.reason.clone())).collect()
    }

    /// Takes note of what is refused now; what is new goes to quarantine.
    pub fn note(
        &self,
        refused: &[RefusedText],
        committer: &mpsc::Sender<StateCommand>,
        at: Timestamp,
        seq: Seq,
    ) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == refused {
            return;
        }
        let before = std::mem::replace(&mut *known, refused.to_vec());
        drop(known);
        for text in refused.iter().filter(|text| !before.contains(text)) {
            let name = name(&text.what);
            tracing::error!(
                text = name,
                reason = text.reason,
                "this version refuses a text that was in force"
            );
            let excerpt = text.text.as_bytes()[..text.text.len().min(EXCERPT)].to_vec();
            let reason = format!("this version refuses what an earlier one took: {}", text.reason);
            let change = DeliveryChange::TextRefused { at, seq, name, reason, excerpt };
            let (done, _) = oneshot::channel();
            // If it cannot be written now, the next start writes it.
            drop(committer.blocking_send(StateCommand::Deliver { change, done }));
        }
    }
}

fn name(what: &ConfigKind) -> String {
    match what {
        ConfigKind::Profile(id) => format!("profile {id}"),
        ConfigKind::Rule(name) => format!("rule {name}"),
    }
}
