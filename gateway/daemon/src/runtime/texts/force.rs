//! Brings texts into force: one record for one reload, and the commit that carries it.

use std::sync::Arc;

use anyhow::Context;
use orderly_core::profile::Profile;
use orderly_core::record::{ConfigText, Entry, Flags, Kind, Reload, Seq};
use orderly_core::sealed::Day;
use tokio::sync::watch;

use super::Texts;
use crate::runtime::core::Core;
use crate::runtime::register::Register;
use crate::sources::intake::{Intake, append_durably};

/// So much text goes into one record. All that comes with the program is a tenth of it.
const RECORD_BYTES: usize = 2 << 20;

/// The way of texts into force.
#[derive(Clone)]
pub struct Force {
    intake: Arc<dyn Intake>,
    register: Arc<Register>,
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
        let (intake, register) = (Arc::clone(&core.intake), Arc::clone(&core.register));
        Self { intake, register, committed: core.committed.clone() }
    }

    /// These profiles are in force, and no others any more: the doors seal what they say.
    pub fn in_force(&self, profiles: &[Arc<Profile>]) {
        self.register.read_by(profiles);
    }

    /// Journals the changes as one reload and waits until it is committed. `profiles` are those that may come into
    /// force by it: a message behind the reload must not lie open because the doors did not know yet.
    ///
    /// # Errors
    /// When they cannot be journalled, or the daemon stops.
    pub async fn bring(&self, changes: Vec<ConfigText>, profiles: &[Arc<Profile>]) -> anyhow::Result<()> {
        self.register.soon_read_by(profiles);
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
/// When they cannot be journalled, or there is no key for what must be sealed.
pub async fn bring_into_force(core: &Core, wanted: &Texts) -> anyhow::Result<()> {
    if core.register.has_hooks() || wanted.all_profiles().iter().any(|profile| profile.holds_identity()) {
        // Better now than with each message: without a key none of them would be taken.
        let made = core.keys.make(Day::of(core.clock.now().wall));
        made.context("the key of today, which seals what says who somebody is (privacy.keys)")?;
    }
    let changes = wanted.changes_from(&core.found.texts);
    if !changes.is_empty() {
        let texts = changes.len();
        Force::of(core).bring(changes, &wanted.all_profiles()).await?;
        tracing::info!(texts, "profiles and rules changed");
    }
    core.register.read_by(&wanted.all_profiles());
    core.caught_up().await
}
