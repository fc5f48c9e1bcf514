//! A charging pile: available, preparing, charging, finishing; a car that stays on blocks it.

use super::Unit;
use crate::simulate::models::Moment;
use crate::simulate::random::Random;
use crate::simulate::value::{Values, flag, number, rounded, word};

/// States of OCPP 1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Available,
    Preparing,
    Charging,
    Finishing,
}

/// A charging pile.
#[derive(Debug)]
pub struct Charger {
    state: State,
    left_ms: f64,
    energy_wh: f64,
    power_w: f64,
    temp: f64,
    /// Somebody switched it off.
    off: bool,
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
            off: false,
        }
    }
}

impl Unit for Charger {
    fn pass(&mut self, moment: &mut Moment<'_>, ms: f64) -> Values {
        let pace = moment.pace;
        let random = &mut *moment.random;
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
        self.power_w =
            if self.state == State::Charging && !self.off { 7_000.0 + 60.0 * random.normal() } else { 0.0 };
        self.energy_wh += self.power_w * ms / 3_600_000.0;
        let warm = if self.power_w > 0.0 { 41.0 } else { 22.0 };
        self.temp += (warm - self.temp) * (ms / 600_000.0).min(1.0) + 0.02 * random.normal();
        let (bay, status) = match self.state {
            State::Available => (false, "available"),
            State::Preparing => (true, "preparing"),
            State::Charging => (true, "charging"),
            State::Finishing => (true, "finishing"),
        };
        vec![
            word("status", if self.off { "unavailable" } else { status }),
            // The meter has watts and watt-hours.
            number("power", rounded(self.power_w / 1_000.0, 3)),
            number("energy", rounded(self.energy_wh / 1_000.0, 3)),
            word("error", "none"),
            number("temp", rounded(self.temp, 1)),
            word("smoke", "no"),
            flag("bay", bay, ["occupied", "vacant"]),
        ]
    }

    fn written(&mut self, register: &str, value: u16, _moment: &mut Moment<'_>) {
        if register == "coil 0" {
            self.off = value == 0;
        }
    }
}
