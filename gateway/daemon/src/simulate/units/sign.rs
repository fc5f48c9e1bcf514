//! A guidance sign: shows the free bays of its parking zone, in green, amber or red.

use orderly_core::value::Missing;

use super::Unit;
use crate::simulate::models::Moment;
use crate::simulate::value::{Values, missing, whole, word};
use crate::simulate::world::PARKING_ZONES;

/// What was written by hand stays so long before the count of the zone is shown again.
const BY_HAND_MS: f64 = 60_000.0;
/// A register that says: nothing is shown.
const BLANK: u16 = u16::MAX;

/// A guidance sign.
#[derive(Debug)]
pub struct Sign {
    zone: usize,
    capacity: u32,
    shown: u16,
    written: u32,
    next_write_ms: f64,
}

impl Sign {
    /// The sign of a parking zone with so many bays.
    #[must_use]
    pub const fn new(zone: usize, capacity: u32) -> Self {
        Self { zone: zone % PARKING_ZONES, capacity, shown: BLANK, written: 0, next_write_ms: 0.0 }
    }
}

impl Unit for Sign {
    fn pass(&mut self, moment: &mut Moment<'_>, ms: f64) -> Values {
        self.next_write_ms -= ms;
        if self.next_write_ms <= 0.0 {
            self.next_write_ms = 5_000.0;
            self.shown = u16::try_from(moment.world.free_bays[self.zone]).unwrap_or(9_999).min(9_999);
            self.written = self.written.wrapping_add(1);
        }
        let free = f64::from(self.shown) / f64::from(self.capacity.max(1));
        let colour = match self.shown {
            BLANK => "blank",
            0..=3 => "red",
            _ if free <= 0.02 => "red",
            _ if free <= 0.1 => "amber",
            _ => "green",
        };
        let shown = match self.shown {
            BLANK => missing("shown", Missing::Absent),
            shown => whole("shown", shown),
        };
        vec![
            shown,
            word("colour", colour),
            whole("brightness", 80),
            word("status", "ok"),
            whole("acks", self.written),
        ]
    }

    fn written(&mut self, register: &str, value: u16, _moment: &mut Moment<'_>) {
        if register == "holding 0" {
            self.shown = value;
            self.written = self.written.wrapping_add(1);
            self.next_write_ms = BY_HAND_MS;
        }
    }
}
