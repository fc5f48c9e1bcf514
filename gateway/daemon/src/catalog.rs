//! The profiles in force, for all who read them beside the engine: doors, polls, boards. They change while we run.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_core::ids::ProfileId;
use orderly_core::profile::Profile;
use tokio::sync::watch;

/// Where the profiles in force are looked up.
#[derive(Debug)]
pub struct Catalog(watch::Sender<Arc<InForce>>);

/// The profiles at one moment.
#[derive(Debug, Default)]
pub struct InForce {
    /// The profiles, by name.
    pub profiles: Vec<Arc<Profile>>,
    /// How often a device of each is expected to report, in milliseconds.
    pub expected: BTreeMap<ProfileId, i64>,
}

impl Catalog {
    /// A catalog of these.
    #[must_use]
    pub fn new(profiles: Vec<Arc<Profile>>) -> Self {
        Self(watch::Sender::new(Arc::new(InForce::new(profiles))))
    }

    /// The profiles as they are now.
    #[must_use]
    pub fn now(&self) -> Arc<InForce> {
        Arc::clone(&self.0.borrow())
    }

    /// The profiles as they change.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<InForce>> {
        self.0.subscribe()
    }

    /// These are in force from here on.
    pub fn set(&self, profiles: Vec<Arc<Profile>>) {
        self.0.send_replace(Arc::new(InForce::new(profiles)));
    }
}

impl InForce {
    fn new(profiles: Vec<Arc<Profile>>) -> Self {
        let every =
            |profile: &Arc<Profile>| Some((profile.id().clone(), i64::try_from(profile.every_ms()?).ok()?));
        Self { expected: profiles.iter().filter_map(every).collect(), profiles }
    }
}
