//! A drug fridge: cycles between 3 and 6 degrees, warms while its door is open.

use super::Unit;
use crate::simulate::models::Moment;
use crate::simulate::random::Random;
use crate::simulate::value::{Values, flag, number, rounded, word};

/// A drug fridge.
#[derive(Debug)]
pub struct Fridge {
    temp: f64,
    rh: f64,
    cooling: bool,
    open: bool,
    open_until: i64,
    /// From when to when somebody has left its door open (the scripted excursion).
    excursion: Option<(i64, i64)>,
}

impl Fridge {
    /// A fridge in its usual cycle; `excursion` is when it warms up.
    #[must_use]
    pub fn new(random: &mut Random, excursion: Option<(i64, i64)>) -> Self {
        let temp = if excursion.is_some() { 6.0 } else { random.between(3.4, 5.6) };
        Self {
            temp,
            rh: random.between(38.0, 52.0),
            cooling: random.chance(0.5),
            open: false,
            open_until: 0,
            excursion,
        }
    }
}

impl Unit for Fridge {
    fn pass(&mut self, moment: &mut Moment<'_>, ms: f64) -> Values {
        let Moment { now, pace, .. } = *moment;
        let random = &mut *moment.random;
        let seconds = ms / 1_000.0;
        let warm = self.excursion.is_some_and(|(from, to)| (from..to).contains(&now));
        if !warm && now >= self.open_until && random.chance(seconds * pace.min(20.0) / 14_400.0) {
            self.open_until = now + random.whole(6_000, 25_000);
        }
        self.open = warm || now < self.open_until;
        let rate = if warm {
            // Past 8 degrees after some seconds, past 12 within the minute.
            0.2
        } else if self.open {
            0.03
        } else if self.cooling {
            if self.temp > 7.0 { -0.05 } else { -0.008 }
        } else {
            0.004
        };
        self.temp = (self.temp + rate * seconds + 0.01 * random.normal()).clamp(1.0, 14.5);
        if self.temp <= 3.2 {
            self.cooling = false;
        } else if self.temp >= 5.8 {
            self.cooling = true;
        }
        self.rh = (self.rh + 0.05 * random.normal()).clamp(30.0, 70.0);
        vec![
            number("temp", rounded(self.temp, 1)),
            number("rh", rounded(self.rh, 1)),
            flag("door", self.open, ["open", "closed"]),
            flag("compressor", self.cooling, ["on", "off"]),
            word("power", "mains"),
            word("probe", "ok"),
            number("setpoint", 5.0),
        ]
    }
}
