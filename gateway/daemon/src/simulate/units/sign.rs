//! A guidance sign: shows the free bays of its parking zone, in green, amber or red.

use super::{Registers, Unit};
use crate::simulate::random::Random;
use crate::simulate::world::{PARKING_ZONES, World};

/// A guidance sign.
#[derive(Debug)]
pub struct Sign {
    zone: usize,
    capacity: u32,
    shown: u16,
    written: u32,
    since_write_ms: f64,
}

impl Sign {
    /// The sign of a parking zone with so many bays.
    #[must_use]
    pub const fn new(zone: usize, capacity: u32) -> Self {
        Self { zone: zone % PARKING_ZONES, capacity, shown: u16::MAX, written: 0, since_write_ms: 5_000.0 }
    }
}

impl Unit for Sign {
    fn pass(&mut self, _now: i64, ms: f64, _random: &mut Random, world: &World, _pace: f64) {
        self.since_write_ms += ms;
        if self.since_write_ms >= 5_000.0 {
            self.since_write_ms = 0.0;
            self.shown = u16::try_from(world.free_bays[self.zone]).unwrap_or(9_999).min(9_999);
            self.written = self.written.wrapping_add(1);
        }
    }

    fn registers(&self) -> Registers {
        let free = f64::from(self.shown) / f64::from(self.capacity.max(1));
        let colour = match self.shown {
            u16::MAX => 0,
            0..=3 => 3,
            _ if free <= 0.02 => 3,
            _ if free <= 0.1 => 2,
            _ => 1,
        };
        let status = u16::from(self.shown == u16::MAX);
        // The counter has its low word first, as the sheet says.
        Registers {
            input: vec![status, self.written as u16, (self.written >> 16) as u16],
            holding: vec![self.shown, colour, 80],
            discrete: Vec::new(),
            coils: Vec::new(),
            settable: true,
        }
    }
}
