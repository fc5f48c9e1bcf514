//! A power-bank cabinet: banks are lent and come back.

use super::Unit;
use crate::simulate::models::Moment;
use crate::simulate::random::Random;
use crate::simulate::value::{Values, number, rounded, whole, word};

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
    fn pass(&mut self, moment: &mut Moment<'_>, ms: f64) -> Values {
        let pace = moment.pace;
        let random = &mut *moment.random;
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
        vec![
            whole("slots", self.slots),
            whole("banks", self.banks),
            whole("free", self.slots - self.faulty - self.banks),
            whole("faulty", self.faulty),
            number("slot_temp", rounded(self.temp, 1)),
            word("heat", "no"),
        ]
    }
}
