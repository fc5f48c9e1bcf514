//! The devices that speak MQTT. Each is a small state machine; time and chance are handed to it.

mod bay;
mod bp_meter;
mod cabinet;
mod dock;
mod glucose_meter;
mod monitor;
mod wheelchair;

use serde_json::Value as Json;

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

/// What a device says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The stream.
    pub stream: &'static str,
    /// The device's own time of it.
    pub device_time: Option<i64>,
    /// The payload.
    pub body: Json,
}

/// A device.
pub trait Model: std::fmt::Debug + Send {
    /// Does what is due and says what there is to say; gives the moment at which it wants to be asked again.
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64;
}

/// A moment as home devices write it: local time of the hospital with its offset, in seconds.
pub(super) fn local_time(ms: i64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        Err(_) => "1970-01-01T08:00:00+08:00".to_owned(),
    }
}

/// Hour of the day in the hospital, with fraction.
pub(super) fn local_hour(ms: i64) -> f64 {
    (ms + 8 * 3_600_000).rem_euclid(86_400_000) as f64 / 3_600_000.0
}

/// One decimal, as a display shows it.
pub(super) fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
