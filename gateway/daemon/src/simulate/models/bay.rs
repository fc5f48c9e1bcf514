//! A parking bay with its sensor: cars come and go with the hour; a heartbeat every half hour.

use super::{Model, Moment, local_hour};
use crate::simulate::frame::Said;
use crate::simulate::value::{flag, number, whole, word};
use crate::simulate::world::PARKING_ZONES;

const HEARTBEAT_MS: i64 = 1_800_000;

/// A bay sensor.
#[derive(Debug)]
pub struct Bay {
    zone: usize,
    occupied: bool,
    change_at: i64,
    heartbeat_at: i64,
    battery_mv: i64,
    /// Of the ground.
    temp: i64,
    flaps: bool,
    started: bool,
}

impl Bay {
    /// A bay of a zone; `flaps`: its sensor cannot make up its mind.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>, zone: usize, flaps: bool) -> Self {
        let zone = zone % PARKING_ZONES;
        let occupied = moment.random.chance(share_taken(local_hour(moment.now)));
        moment.world.free_bays[zone] += u32::from(!occupied);
        let battery_mv = moment.random.whole(3_200, 3_650);
        let temp = moment.random.whole(-6, 31);
        Self { zone, occupied, change_at: 0, heartbeat_at: 0, battery_mv, temp, flaps, started: false }
    }

    fn wait(&self, moment: &mut Moment<'_>) -> i64 {
        if self.flaps {
            return moment.random.whole(5_000, 15_000);
        }
        let taken = share_taken(local_hour(moment.now));
        // A car stays two hours on average; empty bays fill as fast as keeps the share of the hour.
        let stay = 2.0 * 3_600_000.0 / moment.pace;
        let mean = if self.occupied { stay } else { stay * (1.0 - taken) / taken };
        moment.random.wait_ms(mean.max(20_000.0))
    }

    fn say(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>, kind: &str) {
        let field = if self.occupied { moment.random.whole(320, 520) } else { moment.random.whole(10, 60) };
        let values = vec![
            flag("occupied", self.occupied, ["occupied", "vacant"]),
            word("kind", kind),
            whole("field", field),
            number("battery", self.battery_mv as f64 / 1_000.0),
            whole("rssi", moment.random.whole(-112, -78)),
            whole("temp", self.temp),
        ];
        self.heartbeat_at = moment.now + HEARTBEAT_MS;
        said.push(Said { stream: "state", taken: moment.device_now, values });
    }
}

impl Model for Bay {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        if !self.started {
            self.started = true;
            self.heartbeat_at = moment.now + moment.random.whole(200, 15_000);
            self.change_at = self.heartbeat_at + self.wait(moment);
        } else if moment.now >= self.change_at {
            self.occupied = !self.occupied;
            let free = &mut moment.world.free_bays[self.zone];
            *free = if self.occupied { free.saturating_sub(1) } else { *free + 1 };
            self.change_at = moment.now + self.wait(moment);
            self.say(moment, said, "change");
        } else {
            self.say(moment, said, "heartbeat");
        }
        self.change_at.min(self.heartbeat_at)
    }
}

/// Share of bays that are taken, by the hour of the day.
fn share_taken(hour: f64) -> f64 {
    match hour {
        h if h < 6.0 => 0.35,
        h if h < 8.0 => 0.35 + (h - 6.0) * 0.25,
        h if h < 12.0 => 0.92,
        h if h < 14.0 => 0.78,
        h if h < 17.0 => 0.88,
        h if h < 21.0 => 0.88 - (h - 17.0) * 0.12,
        _ => 0.4,
    }
}
