//! Brings texts into force: one record for one reload, and the commit that carries it.

use std::sync::Arc;

use anyhow::Context;
use orderly_core::record::{ConfigText, Entry, Flags, Kind, Reload, Seq};
use tokio::sync::watch;

use super::Texts;
use crate::runtime::core::Core;
use crate::sources::intake::{Intake, append_durably};

/// So much text goes into one record. All that comes with the program is a tenth of it.
const RECORD_BYTES: usize = 2 << 20;

/// The way of texts into force.
#[derive(Clone)]
pub struct Force {
    intake: Arc<dyn Intake>,
    committed: watch::Receiver<Seq>,
}

impl std::fmt::Debug for Force {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Force").finish_non_exhaustive()
    }
}

impl Force {
    /// Through this journal and this committer.
    #[must_use]
    pub fn of(core: &Core) -> Self {
        Self { intake: Arc::clone(&core.intake), committed: core.committed.clone() }
    }

    /// Journals the changes as one reload and waits until it is committed.
    ///
    /// # Errors
    /// When they cannot be journalled, or the daemon stops.
    pub async fn bring(&self, changes: Vec<ConfigText>) -> anyhow::Result<()> {
        let mut reloads = vec![Reload::default()];
        let mut bytes = 0;
        for text in changes {
            let more = text.text.as_ref().map_or(0, String::len);
            if bytes + more > RECORD_BYTES {
                reloads.push(Reload::default());
                bytes = 0;
            }
            bytes += more;
            if let Some(reload) = reloads.last_mut() {
                reload.texts.push(text);
            }
        }
        let bodies: Vec<Vec<u8>> = reloads.iter().map(rmp_serde::to_vec_named).collect::<Result<_, _>>()?;
        let entry = |body| Entry {
            kind: Kind::Config,
            flags: Flags::default(),
            source: "config",
            connection: 0,
            address: "",
            body,
        };
        let entries: Vec<Entry<'_>> = bodies.iter().map(|body| entry(body)).collect();
        let last = append_durably(&*self.intake, &entries).await?.last;
        let mut committed = self.committed.clone();
        committed.wait_for(|cursor| *cursor >= last).await.context("the committer ended")?;
        Ok(())
    }
}

/// Writes the records that a start needs and waits until they are committed: no door opens before.
///
/// # Errors
/// When they cannot be journalled.
pub async fn bring_into_force(core: &Core, wanted: &Texts) -> anyhow::Result<()> {
    let changes = wanted.changes_from(&core.found.texts);
    if !changes.is_empty() {
        let texts = changes.len();
        Force::of(core).bring(changes).await?;
        tracing::info!(texts, "profiles and rules changed");
    }
    core.caught_up().await
}
