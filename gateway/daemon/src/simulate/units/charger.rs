//! A charging pile: available, preparing, charging, finishing; a car that stays on blocks it.

use super::{Registers, Unit, tenths, words};
use crate::simulate::random::Random;
use crate::simulate::world::World;

/// States of OCPP 1.6, by their number in the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Available = 0,
    Preparing = 1,
    Charging = 2,
    Finishing = 5,
}

/// A charging pile.
#[derive(Debug)]
pub struct Charger {
    state: State,
    left_ms: f64,
    energy_wh: f64,
    power_w: f64,
    temp: f64,
}

impl Charger {
    /// A pile, one in three in use.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        let charging = random.chance(0.33);
        Self {
            state: if charging { State::Charging } else { State::Available },
            left_ms: random.between(60_000.0, 3_600_000.0),
            energy_wh: random.between(100_000.0, 9_000_000.0).round(),
            power_w: if charging { 7_000.0 } else { 0.0 },
            temp: random.between(18.0, 26.0),
        }
    }
}

impl Unit for Charger {
    fn pass(&mut self, _now: i64, ms: f64, random: &mut Random, _world: &World, pace: f64) {
        self.left_ms -= ms * pace.min(20.0);
        if self.left_ms <= 0.0 {
            let (next, minutes) = match self.state {
                State::Available => (State::Preparing, 1.0),
                State::Preparing => (State::Charging, random.between(40.0, 180.0)),
                State::Charging => (State::Finishing, random.between(2.0, 45.0)),
                State::Finishing => (State::Available, random.between(10.0, 90.0)),
            };
            self.state = next;
            self.left_ms = minutes * 60_000.0;
        }
        self.power_w = if self.state == State::Charging { 7_000.0 + 60.0 * random.normal() } else { 0.0 };
        self.energy_wh += self.power_w * ms / 3_600_000.0;
        let warm = if self.state == State::Charging { 41.0 } else { 22.0 };
        self.temp += (warm - self.temp) * (ms / 600_000.0).min(1.0) + 0.02 * random.normal();
    }

    fn registers(&self) -> Registers {
        let ([p1, p2], [e1, e2]) = (words(self.power_w), words(self.energy_wh));
        Registers {
            input: vec![self.state as u16, p1, p2, e1, e2, 0, tenths(self.temp)],
            holding: Vec::new(),
            discrete: vec![false, self.state != State::Available],
            coils: vec![true],
            settable: false,
        }
    }
}
