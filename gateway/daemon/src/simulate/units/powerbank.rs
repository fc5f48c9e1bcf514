//! A power-bank cabinet: banks are lent and come back.

use super::{Registers, Unit, tenths};
use crate::simulate::random::Random;
use crate::simulate::world::World;

/// A power-bank cabinet.
#[derive(Debug)]
pub struct PowerBank {
    slots: u16,
    banks: u16,
    faulty: u16,
    temp: f64,
}

impl PowerBank {
    /// A cabinet of 12 or 24 slots.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        let slots = *random.one(&[12_u16, 24]);
        let faulty = u16::from(random.chance(0.1));
        let banks = u16::try_from(random.whole(2, i64::from(slots - faulty))).unwrap_or(2);
        Self { slots, banks, faulty, temp: random.between(24.0, 34.0) }
    }
}

impl Unit for PowerBank {
    fn pass(&mut self, _now: i64, ms: f64, random: &mut Random, _world: &World, pace: f64) {
        let room = self.slots - self.faulty;
        // Thirty times a day each way.
        let probability = ms * pace / (86_400_000.0 / 30.0);
        if random.chance(probability) && self.banks > 0 {
            self.banks -= 1;
        }
        if random.chance(probability) && self.banks < room {
            self.banks += 1;
        }
        self.temp = (self.temp + 0.03 * random.normal()).clamp(20.0, 42.0);
    }

    fn registers(&self) -> Registers {
        let free = self.slots - self.faulty - self.banks;
        Registers {
            input: vec![self.slots, self.banks, free, self.faulty, tenths(self.temp)],
            holding: Vec::new(),
            discrete: vec![false],
            ..Registers::default()
        }
    }
}
