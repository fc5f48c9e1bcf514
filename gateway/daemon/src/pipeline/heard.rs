//! What the engine cannot see in the journal, collected until the next timer run: devices that answered without
//! a report, and links that came up or went down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderly_core::ids::DeviceId;
use orderly_core::record::{LinkChange, TimerRun};

use super::signals::Signals;

/// More link changes than this between two timer runs are a storm; then what a link said before says nothing any more.
const MAX_LINKS: usize = 1_000;

/// More devices than this between two timer runs are not told apart by anybody.
const MAX_TOO_LARGE: usize = 1_000;

/// Collects what the next timer run will say. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Heard {
    collected: Arc<Mutex<Collected>>,
    signals: Arc<Signals>,
}

#[derive(Debug, Default)]
struct Collected {
    devices: BTreeSet<DeviceId>,
    links: Vec<LinkChange>,
    too_large: BTreeMap<DeviceId, u32>,
}

impl Heard {
    /// Nothing is collected yet.
    #[must_use]
    pub fn new(signals: Arc<Signals>) -> Self {
        Self { collected: Arc::default(), signals }
    }

    /// A device answered and had nothing to report.
    pub fn device(&self, device: &DeviceId) {
        let mut collected = self.lock();
        if !collected.devices.contains(device) {
            collected.devices.insert(device.clone());
        }
    }

    /// A link came up or went down; the engine is told soon.
    pub fn link(&self, mut change: LinkChange) {
        let mut collected = self.lock();
        if collected.links.len() >= MAX_LINKS
            && let Some(old) = collected.links.iter().position(|old| old.source == change.source)
        {
            let old = collected.links.remove(old);
            // A session that was lost stays lost.
            change.session_lost |= old.session_lost;
        }
        collected.links.push(change);
        drop(collected);
        self.signals.tell(|progress| progress.nudged = true);
    }

    /// The connection of a device was ended for a packet too large to take; the engine is told soon.
    pub fn too_large(&self, device: &DeviceId) {
        let mut collected = self.lock();
        if collected.too_large.len() < MAX_TOO_LARGE || collected.too_large.contains_key(device) {
            *collected.too_large.entry(device.clone()).or_default() += 1;
        }
        drop(collected);
        self.signals.tell(|progress| progress.nudged = true);
    }

    /// Whether a device was heard since the last call of `take`.
    pub(super) fn any(&self) -> bool {
        !self.lock().devices.is_empty()
    }

    /// What was collected since the last call.
    pub(super) fn take(&self) -> TimerRun {
        let Collected { devices, links, too_large } = std::mem::take(&mut *self.lock());
        TimerRun { heard: devices.into_iter().collect(), links, too_large: too_large.into_iter().collect() }
    }

    /// Puts back what could not be journalled.
    pub(super) fn put_back(&self, run: TimerRun) {
        let mut collected = self.lock();
        collected.devices.extend(run.heard);
        let later = std::mem::replace(&mut collected.links, run.links);
        collected.links.extend(later);
        for (device, times) in run.too_large {
            *collected.too_large.entry(device).or_default() += times;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_each_device_once_and_links_in_order_and_nudges_for_links_only() {
        let signals = Arc::new(Signals::default());
        let heard = Heard::new(Arc::clone(&signals));
        let device = DeviceId::new("fridge-01").unwrap();
        heard.device(&device);
        heard.device(&device);
        assert!(!signals.look().nudged);

        let change = |up| LinkChange { source: "modbus:a".into(), up, session_lost: false };
        heard.link(change(false));
        assert!(signals.look().nudged);
        let first = heard.take();
        heard.link(change(true));
        heard.put_back(first);
        heard.too_large(&device);
        heard.too_large(&device);
        let run = heard.take();
        assert_eq!(run.too_large, [(device.clone(), 2)]);
        heard.put_back(run);
        heard.too_large(&device);
        let links = vec![change(false), change(true)];
        let too_large = vec![(device.clone(), 3)];
        assert_eq!(heard.take(), TimerRun { heard: vec![device], links, too_large });
        assert_eq!(heard.take(), TimerRun::default());
    }

    #[test]
    fn in_a_storm_the_last_word_of_each_link_is_kept() {
        let heard = Heard::new(Arc::new(Signals::default()));
        let change = |n: usize, up| LinkChange { source: format!("modbus:{n}"), up, session_lost: false };
        (0..1_200).for_each(|n| heard.link(change(n, false)));
        for _ in 0..100 {
            heard.link(change(7, true));
            heard.link(change(7, false));
        }
        let links = heard.take().links;
        assert_eq!(links.len(), 1_200);
        let mut last: Vec<_> = links.iter().map(|link| link.source.clone()).collect();
        last.sort_unstable();
        last.dedup();
        assert_eq!(last.len(), 1_200);
        assert_eq!(links.last(), Some(&change(7, false)));
    }
}
