//! Profiles and rules that change while the gateway runs: discover, check, one record, and all who read them follow.

use std::sync::Arc;

use anyhow::anyhow;
use orderly_core::output::TextRow;
use orderly_core::profile::Profile;
use orderly_core::record::{ConfigKind, ConfigText};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::polls::Polls;
use super::texts::{Force, Look, Texts, gather_again};
use crate::catalog::Catalog;
use crate::config::Settings;
use crate::pipeline::StateFile;

/// What is wrong with the files of profiles and rules, for the status page.
#[derive(Debug, Default)]
pub struct Troubles(watch::Sender<Vec<String>>);

impl Troubles {
    /// One sentence for each file that cannot be used.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// The same, as it changes.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Vec<String>> {
        self.0.subscribe()
    }

    /// These are the troubles now; whoever finds them logs them.
    pub fn replace(&self, troubles: Vec<String>) {
        self.0.send_replace(troubles);
    }

    /// These are the troubles now; what is new is logged.
    pub fn set(&self, troubles: Vec<String>) {
        let known = self.list();
        for why in troubles.iter().filter(|why| !known.contains(why)) {
            tracing::error!(%why, "a file of profiles or rules cannot be used; what was in force stays");
        }
        if troubles.is_empty() && !known.is_empty() {
            tracing::info!("all files of profiles and rules can be used again");
        }
        self.0.send_replace(troubles);
    }
}

/// Follows the files of profiles and rules.
#[derive(Debug)]
pub struct Reloader {
    /// Where the files are.
    pub settings: Settings,
    /// What is in force, for all beside the engine.
    pub catalog: Arc<Catalog>,
    /// The way into force.
    pub force: Force,
    /// What is committed.
    pub state: StateFile,
    /// What is wrong with the files.
    pub troubles: Arc<Troubles>,
    /// The units that are read by a profile.
    pub polls: Polls,
}

impl Reloader {
    /// Follows the files from what the start found until told to stop.
    pub async fn follow(self, found: Look, stop: CancellationToken) {
        tokio::select! {
            () = self.look(found) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn look(&self, mut applied: Look) {
        let mut ticks = interval(self.settings.profiles.watch.0);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = applied.clone();
        loop {
            ticks.tick().await;
            let settings = self.settings.clone();
            let Ok(look) = tokio::task::spawn_blocking(move || Look::at(&settings)).await else { return };
            // Somebody may still be writing: it is read when it has stood still from one look to the next.
            let still = look == last;
            last = look.clone();
            if look == applied || !still {
                continue;
            }
            match self.reload().await {
                Ok(()) => applied = look,
                Err(error) => {
                    tracing::warn!(%error, "profiles and rules could not be brought into force yet")
                }
            }
        }
    }

    async fn reload(&self) -> anyhow::Result<()> {
        let (settings, known) = (self.settings.clone(), self.catalog.now());
        let stored = self.stored().await?;
        let (wanted, changes) = tokio::task::spawn_blocking(move || {
            let mut wanted = gather_again(&settings, &known.profiles);
            wanted.keep(&stored);
            let changes = wanted.changes_from(&stored);
            (wanted, changes)
        })
        .await?;
        self.troubles.set(wanted.troubles());
        if changes.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = changes.iter().map(|text| name(&text.what)).collect();
        self.force.bring(changes, &wanted.all_profiles()).await?;
        tracing::info!(changed = names.join(", "), "profiles and rules changed");
        let stored = self.stored().await?;
        let aside = wanted.changes_from(&stored);
        if !aside.is_empty() {
            self.troubles.set(wanted.troubles().into_iter().chain(aside.iter().map(put_aside)).collect());
        }
        self.catalog.set(self.in_force(&wanted, &stored));
        self.force.in_force(&self.catalog.now().profiles);
        self.polls.renew(&self.catalog.now().profiles).await
    }

    async fn stored(&self) -> anyhow::Result<Vec<TextRow>> {
        let state = self.state.clone();
        let read = tokio::task::spawn_blocking(move || state.reader()?.texts().map_err(|e| e.to_string()));
        read.await?.map_err(|e| anyhow!(e))
    }

    /// The profiles of the texts that are committed.
    fn in_force(&self, wanted: &Texts, stored: &[TextRow]) -> Vec<Arc<Profile>> {
        let (wanted, before) = (wanted.all_profiles(), self.catalog.now());
        let read = |row: &TextRow| {
            let (ConfigKind::Profile(id), Some(text)) = (&row.what, &row.text) else { return None };
            let known = wanted.iter().chain(&before.profiles).find(|known| **known.text() == **text);
            known.cloned().or_else(|| Profile::parse(text, id.as_str()).ok().map(Arc::new))
        };
        stored.iter().filter_map(read).collect()
    }
}

fn name(what: &ConfigKind) -> String {
    match what {
        ConfigKind::Profile(id) => format!("profile {id}"),
        ConfigKind::Rule(id) => format!("rules {id}"),
    }
}

fn put_aside(text: &ConfigText) -> String {
    format!("{}: the engine did not take it; quarantine says why", name(&text.what))
}
