//! Opens what the doors sealed, in memory and for the engine alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderly_core::record::{Action, Flags, Kind, Order, Record};
use orderly_core::sealed::{self, MAGIC};
use orderly_store::keys::{About, KeyRing, Unopened};

/// Opens sealed records.
#[derive(Debug)]
pub struct Opener {
    keys: Arc<KeyRing>,
    /// What was told already: a whole day may need the same lost key.
    told: BTreeSet<String>,
}

impl Opener {
    /// With these keys.
    #[must_use]
    pub const fn new(keys: Arc<KeyRing>) -> Self {
        Self { keys, told: BTreeSet::new() }
    }

    /// What a sealed record says, or why nobody can read it; `None`: it is not sealed.
    pub fn body(&mut self, record: &Record<'_>) -> Option<Result<Vec<u8>, Unopened>> {
        let entry = &record.entry;
        if !entry.flags.has(Flags::SEALED) {
            return None;
        }
        let about = About { source: entry.source, address: entry.address };
        let opened = self.keys.open_body(about, entry.body);
        if let Err(why) = opened
            && self.told.insert(why.to_string())
        {
            tracing::error!(%why, seq = record.seq, "a sealed record cannot be read; it goes to quarantine");
        }
        Some(opened)
    }

    /// The body of an order to take a device on, with its samples opened; `None`: it has none that are sealed. What
    /// does not open stays as it is, and in quarantine.
    #[must_use]
    pub fn samples(&self, record: &Record<'_>) -> Option<Vec<u8>> {
        let entry = &record.entry;
        let may_hold = |body: &[u8]| body.windows(MAGIC.len()).any(|part| part == MAGIC);
        if entry.kind != Kind::Action || !may_hold(entry.body) {
            return None;
        }
        let mut action: Action = rmp_serde::from_slice(entry.body).ok()?;
        let Order::AdoptDevice { samples, .. } = &mut action.order else { return None };
        for sample in samples.iter_mut().filter(|sample| sealed::is_sealed(&sample.payload)) {
            let about = About { source: &sample.source, address: &sample.address };
            if let Ok(payload) = self.keys.open_body(about, &sample.payload) {
                sample.payload = payload;
            }
        }
        rmp_serde::to_vec_named(&action).ok()
    }
}
