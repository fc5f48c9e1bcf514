//! What the rest of the daemon learns from each commit, in order, on the committer's thread.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use orderly_core::alert::Alert;
use orderly_core::ids::DeviceId;
use orderly_core::output::DeviceRow;
use orderly_core::task::Task;

use super::commands::Dispatcher;
use super::core::Found;
use super::overview::Tallies;
use super::register::Register;
use crate::api::{Feed, News};
use crate::book::Book;
use crate::pipeline::Event;
use crate::sources::mqtt_door::Door;

/// Those who are told of commits.
#[derive(Default)]
pub struct Told {
    /// The register.
    pub register: Arc<Register>,
    /// Places and things.
    pub book: Arc<Book>,
    /// Counts.
    pub tallies: Arc<Tallies>,
    feed: OnceLock<Arc<Feed>>,
    door: OnceLock<Arc<Door>>,
    commands: OnceLock<Arc<Dispatcher>>,
}

impl Told {
    /// Begins with what the start found.
    pub fn begin(&self, found: &Found) {
        self.register.changed(&found.devices);
        self.book.begin(&found.registry);
        self.tallies.begin(found.commit);
        self.feed.get_or_init(|| Arc::new(Feed::new(found.commit)));
    }

    /// What live pages follow.
    #[must_use]
    pub fn feed(&self) -> Arc<Feed> {
        Arc::clone(self.feed.get_or_init(|| Arc::new(Feed::new(0))))
    }

    /// The listener ends connections whose credential changed.
    pub fn listen_with(&self, door: &Arc<Door>) {
        self.door.get_or_init(|| Arc::clone(door));
    }

    /// Commands go out.
    pub fn dispatch_with(&self, dispatcher: &Arc<Dispatcher>) {
        self.commands.get_or_init(|| Arc::clone(dispatcher));
    }

    /// Passes a commit on.
    pub fn hear(&self, event: Event<'_>) {
        match event {
            Event::Committed { commit, output } => {
                if let Some(dispatcher) = self.commands.get() {
                    dispatcher.committed(output);
                }
                self.tallies.committed(commit, output);
                self.book.follow(&output.registry);
                let twins = output.twins.iter().map(|twin| &twin.device);
                self.changed(commit, &output.devices, twins, (&output.alerts, &output.tasks));
            }
            Event::Found { commit, snapshot } => {
                self.tallies.begin(commit);
                self.book.begin(&snapshot.registry);
                self.changed(
                    commit,
                    &snapshot.devices,
                    std::iter::empty(),
                    (&snapshot.alerts, &snapshot.tasks),
                );
            }
        }
    }

    fn changed<'a>(
        &self,
        commit: u64,
        rows: &'a [DeviceRow],
        twins: impl Iterator<Item = &'a DeviceId>,
        (alerts, tasks): (&[Alert], &[Task]),
    ) {
        let ended = self.register.changed(rows);
        if let Some(door) = self.door.get() {
            ended.devices.iter().for_each(|device| door.revoke(device));
            if ended.anonymous {
                door.revoke_anonymous();
            }
        }
        if let Some(feed) = self.feed.get() {
            let devices = if rows.is_empty() {
                // Most commits register nobody, and twins come in order, each once.
                twins.cloned().collect()
            } else {
                let devices: BTreeSet<&DeviceId> = rows.iter().map(|row| &row.device).chain(twins).collect();
                devices.into_iter().cloned().collect()
            };
            feed.publish(News { commit, devices, alerts: alerts.to_vec(), tasks: tasks.to_vec() });
        }
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}
