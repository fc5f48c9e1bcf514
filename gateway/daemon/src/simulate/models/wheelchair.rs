//! A shared wheelchair: lent at a dock, pushed through zones, brought back or left in a corridor.

use super::{Model, Moment};
use crate::simulate::frame::Said;
use crate::simulate::value::{flag, whole, word};
use crate::simulate::world::ZONES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Docked,
    InUse,
    Idle,
}

/// A shared wheelchair.
#[derive(Debug)]
pub struct Wheelchair {
    state: State,
    /// Dock or zone in which it is.
    zone: usize,
    lent_at: i64,
    change_at: i64,
    battery: f64,
    odometer: f64,
    say_at: i64,
    started: bool,
}

impl Wheelchair {
    /// A chair in the dock of a zone, or left in it when the dock is full.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>, number: usize) -> Self {
        let docks = moment.world.docks.len().max(1);
        let zone = number % docks;
        let mut chair = Self {
            state: State::Idle,
            zone,
            lent_at: moment.now,
            change_at: 0,
            battery: moment.random.between(12.0, 100.0),
            odometer: moment.random.between(1_000.0, 400_000.0).round(),
            say_at: 0,
            started: false,
        };
        chair.arrive(moment);
        chair
    }

    /// Brought back to the dock of its zone; stays beside it when that is full.
    fn arrive(&mut self, moment: &mut Moment<'_>) {
        let wait = |moment: &mut Moment<'_>, minutes: f64| {
            moment.now + moment.random.wait_ms((minutes * 60_000.0 / moment.pace).max(10_000.0))
        };
        match moment.world.docks.get_mut(self.zone) {
            Some(dock) if dock.docked < dock.slots => {
                dock.docked += 1;
                dock.available += 1;
                self.state = State::Docked;
                self.change_at = wait(moment, 45.0);
            }
            _ => {
                self.state = State::Idle;
                self.change_at = wait(moment, 25.0);
            }
        }
    }

    fn lend(&mut self, moment: &mut Moment<'_>) {
        if self.state == State::Docked
            && let Some(dock) = moment.world.docks.get_mut(self.zone)
        {
            dock.docked = dock.docked.saturating_sub(1);
            dock.available = dock.available.saturating_sub(1);
            dock.unlocked = dock.unlocked.min(dock.available);
        }
        self.state = State::InUse;
        self.lent_at = moment.now;
        self.change_at = moment.now + moment.random.wait_ms((70.0 * 60_000.0 / moment.pace).max(15_000.0));
    }

    fn change(&mut self, moment: &mut Moment<'_>) {
        match self.state {
            State::Docked | State::Idle => self.lend(moment),
            // One in six is left where the patient got up.
            State::InUse if moment.random.chance(0.17) => {
                self.state = State::Idle;
                self.change_at =
                    moment.now + moment.random.wait_ms((40.0 * 60_000.0 / moment.pace).max(15_000.0));
            }
            State::InUse => self.arrive(moment),
        }
    }

    fn say(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) {
        let moving = self.state == State::InUse && moment.random.chance(0.7);
        if moving {
            self.odometer += moment.random.between(5.0, 40.0).round();
            if moment.random.chance(0.3) {
                let zones = moment.world.docks.len().clamp(1, ZONES.len());
                self.zone = usize::try_from(moment.random.bits() % zones as u64).unwrap_or(0);
            }
        }
        self.battery = if self.state == State::Docked {
            (self.battery + 0.3).min(100.0)
        } else {
            (self.battery - 0.05).max(2.0)
        };
        let state = match self.state {
            State::Docked if self.battery < 40.0 => "charging",
            State::Docked => "available",
            State::InUse => "in_use",
            State::Idle => "idle_off_dock",
        };
        let docked = self.state == State::Docked;
        let mut values = vec![
            word("state", state),
            word("zone", ZONES[self.zone % ZONES.len()]),
            word("fence", "inside"),
            flag("dock", docked, ["in", "out"]),
            flag("lock", docked, ["closed", "open"]),
            flag("motion", moving, ["moving", "still"]),
            whole("battery", self.battery.round() as i64),
            whole("rssi", moment.random.whole(-92, -55)),
            whole("odometer", self.odometer as i64),
        ];
        if self.state == State::InUse {
            values.push(whole("trip", (moment.now - self.lent_at) / 60_000));
        }
        said.push(Said { stream: "state", taken: moment.device_now, values });
    }

    /// Somebody has opened its lock at the dock and takes it.
    fn is_taken(&mut self, moment: &mut Moment<'_>) -> bool {
        let docked = self.state == State::Docked;
        let dock = moment.world.docks.get_mut(self.zone).filter(|dock| docked && dock.unlocked > 0);
        let Some(dock) = dock else { return false };
        dock.unlocked -= 1;
        self.lend(moment);
        true
    }
}

impl Model for Wheelchair {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        if !self.started {
            self.started = true;
            self.say_at = moment.now + moment.random.whole(300, 9_000);
            return self.say_at;
        }
        let taken = self.is_taken(moment);
        if !taken && moment.now >= self.change_at {
            self.change(moment);
        } else if !taken && moment.now < self.say_at {
            return self.next(moment.now);
        }
        self.say(moment, said);
        self.say_at = moment.now + if self.state == State::InUse { 30_000 } else { 120_000 };
        self.next(moment.now)
    }
}

impl Wheelchair {
    /// When there is something to do; one in a dock looks every second whether its lock was opened.
    fn next(&self, now: i64) -> i64 {
        let due = self.say_at.min(self.change_at.max(now + 1_000));
        if self.state == State::Docked { due.min(now + 1_000) } else { due }
    }
}
