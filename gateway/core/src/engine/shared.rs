//! Names that many devices share are held once: a restart must not cost a copy for each of 100,000 devices.

use std::collections::BTreeSet;

use crate::ids::{ClassId, ProfileId, StreamId, ZoneId};
use crate::output::DeviceRow;
use crate::twin::Twin;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Shared {
    classes: BTreeSet<ClassId>,
    profiles: BTreeSet<ProfileId>,
    zones: BTreeSet<ZoneId>,
    streams: BTreeSet<StreamId>,
}

impl Shared {
    /// Shares the names of a row.
    pub(super) fn row(&mut self, row: &mut DeviceRow) {
        share(&mut self.classes, &mut row.class);
        share(&mut self.profiles, &mut row.profile);
        if let Some(zone) = &mut row.zone {
            share(&mut self.zones, zone);
        }
    }

    /// Shares the names in a twin.
    pub(super) fn twin(&mut self, twin: &mut Twin) {
        for stream in &mut twin.streams {
            share(&mut self.streams, &mut stream.stream);
        }
    }
}

fn share<T: Ord + Clone>(known: &mut BTreeSet<T>, name: &mut T) {
    match known.get(name) {
        Some(same) => *name = same.clone(),
        None => drop(known.insert(name.clone())),
    }
}
