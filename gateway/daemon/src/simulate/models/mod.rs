//! The devices that speak MQTT. Each is a small state machine; time and chance are handed to it.

mod bay;
mod bp_meter;
mod cabinet;
mod dock;
mod glucose_meter;
mod monitor;
mod wheelchair;

use super::frame::Said;
use super::random::Random;
use super::world::World;

pub use bay::Bay;
pub use bp_meter::BpMeter;
pub use cabinet::Cabinet;
pub use dock::Dock;
pub use glucose_meter::GlucoseMeter;
pub use monitor::Monitor;
pub use wheelchair::Wheelchair;

/// What a device knows at one moment.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Milliseconds since 1970, true time.
    pub now: i64,
    /// The same by the device's own clock.
    pub device_now: i64,
    /// Its chance.
    pub random: &'a mut Random,
    /// The place it stands in.
    pub world: &'a mut World,
    /// How many times as busy as a real day.
    pub pace: f64,
}

/// A device.
pub trait Model: std::fmt::Debug + Send {
    /// Does what is due and says what there is to say; gives the moment at which it wants to be asked again.
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64;

    /// Carries out a command, with what was said with it; it is asked at once what there is to say. Else why not.
    ///
    /// # Errors
    /// Why it does not.
    fn told(&mut self, command: &str, value: &str, moment: &mut Moment<'_>) -> Result<(), &'static str> {
        _ = (command, value, moment);
        Err("this device takes no commands")
    }
}

/// Hour of the day in the hospital, with fraction.
pub(super) fn local_hour(ms: i64) -> f64 {
    (ms + 8 * 3_600_000).rem_euclid(86_400_000) as f64 / 3_600_000.0
}
