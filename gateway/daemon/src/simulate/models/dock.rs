//! A dock: tells how many chairs it holds, on change and every half minute.

use serde_json::json;

use super::{Model, Moment, Said, local_time};
use crate::simulate::world::DockState;

/// A dock for wheelchairs.
#[derive(Debug)]
pub struct Dock {
    zone: usize,
    seq: u64,
    told: Option<DockState>,
    told_at: i64,
}

impl Dock {
    /// The dock of a zone.
    #[must_use]
    pub const fn new(zone: usize) -> Self {
        Self { zone, seq: 0, told: None, told_at: i64::MIN }
    }
}

impl Model for Dock {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        let Some(dock) = moment.world.docks.get(self.zone).copied() else { return i64::MAX };
        if self.told != Some(dock) || moment.now >= self.told_at.saturating_add(30_000) {
            self.seq += 1;
            self.told = Some(dock);
            self.told_at = moment.now;
            let body = json!({
                "seq": self.seq, "slots": dock.slots, "docked": dock.docked, "available": dock.available,
                "free": dock.slots - dock.docked, "faulty": 0, "power": "mains", "t": local_time(moment.device_now),
            });
            let device_time = Some(moment.device_now.div_euclid(1_000) * 1_000);
            said.push(Said { stream: "state", device_time, body });
        }
        moment.now + 1_000
    }
}
