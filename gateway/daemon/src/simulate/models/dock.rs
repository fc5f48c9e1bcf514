//! A dock: tells how many chairs it holds, on change and every half minute.

use super::{Model, Moment};
use crate::simulate::frame::Said;
use crate::simulate::value::{whole, word};
use crate::simulate::world::DockState;

/// A dock for wheelchairs.
#[derive(Debug)]
pub struct Dock {
    zone: usize,
    told: Option<DockState>,
    told_at: i64,
}

impl Dock {
    /// The dock of a zone.
    #[must_use]
    pub const fn new(zone: usize) -> Self {
        Self { zone, told: None, told_at: i64::MIN }
    }
}

impl Model for Dock {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        let Some(dock) = moment.world.docks.get(self.zone).copied() else { return i64::MAX };
        if self.told != Some(dock) || moment.now >= self.told_at.saturating_add(30_000) {
            self.told = Some(dock);
            self.told_at = moment.now;
            let values = vec![
                whole("slots", dock.slots),
                whole("docked", dock.docked),
                whole("available", dock.available),
                whole("free", dock.slots - dock.docked),
                whole("faulty", 0),
                word("power", "mains"),
            ];
            said.push(Said { stream: "state", taken: moment.device_now, values });
        }
        moment.now + 1_000
    }

    fn told(&mut self, command: &str, _value: &str, moment: &mut Moment<'_>) -> Result<(), &'static str> {
        match moment.world.docks.get_mut(self.zone) {
            _ if command != "unlock" => Err("a dock can only be unlocked"),
            Some(dock) if dock.available > dock.unlocked => {
                // The chair takes itself out: it knows best that it is gone.
                dock.unlocked += 1;
                Ok(())
            }
            _ => Err("there is no chair that could be lent"),
        }
    }
}
