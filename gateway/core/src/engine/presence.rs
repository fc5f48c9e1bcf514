//! Until when each device counts as being there: told as it changes, so that nobody looks at every twin to count.

use crate::output::PresenceChange;
use crate::time::Timestamp;
use crate::twin::SILENT_AFTER;

use super::Engine;
use super::register::Device;

/// Of a device that is not there, or of which that is not known.
pub(super) const NOT_THERE: Timestamp = Timestamp(i64::MIN);

impl Engine {
    /// For each device that promised to report and was heard, until when it is there if nothing more comes.
    pub fn presence(&self) -> impl Iterator<Item = Timestamp> {
        self.register.iter().map(|device| device.until).filter(|until| *until != NOT_THERE)
    }

    /// Takes note of when a device will be missed, if that has changed.
    pub(super) fn note_presence(&mut self, number: usize) {
        let device = self.register.get_mut(number);
        let (was, is) = (device.until, until(device));
        if was != is {
            device.until = is;
            let some = |until| (until != NOT_THERE).then_some(until);
            self.batch.presence.push(PresenceChange { was: some(was), is: some(is) });
        }
    }
}

/// Until when a device is there, as things stand.
pub(super) fn until(device: &Device) -> Timestamp {
    let heard = device.twin.source.is_some() && !device.twin.said_offline && !device.row.revoked;
    match device.every_ms().filter(|_| heard) {
        Some(every) => device.twin.heard_at.plus_ms(every.saturating_mul(SILENT_AFTER)),
        None => NOT_THERE,
    }
}
