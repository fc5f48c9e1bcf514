//! Devices on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Latest, Moment, name};
use crate::api::reads::DeviceView;

/// A device with its latest readings. Secrets never appear here.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Device {
    /// Its name.
    #[schema(example = "bp-0001")]
    pub id: String,
    /// Its class.
    #[schema(example = "bp_meter")]
    pub class: String,
    /// The profile that reads it.
    pub profile: String,
    /// Where it is.
    pub zone: Option<String>,
    /// Version of its firmware, where somebody said it.
    pub firmware: Option<String>,
    /// Grows when it is replaced or reset.
    pub epoch: u32,
    /// It registered itself on loopback.
    pub self_registered: bool,
    /// It was taken off the register.
    pub revoked: bool,
    /// Whether it reports as expected; null when nothing is expected of it.
    pub online: Option<bool>,
    /// When the gateway last heard from it.
    pub last_seen: Option<Moment>,
    /// How often it is expected to report, in seconds.
    pub expect_every_s: Option<f64>,
    /// The latest reading of each stream.
    pub latest: Vec<Latest>,
}

/// Devices in the order of their names.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Devices {
    /// The devices.
    pub devices: Vec<Device>,
    /// Give it as `after` for the next page; null: there is no more.
    pub next: Option<String>,
}

impl From<&DeviceView> for Device {
    #[expect(clippy::cast_precision_loss, reason = "an interval of a device is far below 2^53 ms")]
    fn from(view: &DeviceView) -> Self {
        Self {
            id: name(&view.row.device),
            class: name(&view.row.class),
            profile: name(&view.row.profile),
            zone: view.row.zone.as_ref().map(name),
            firmware: view.row.firmware.as_ref().map(name),
            epoch: view.row.epoch,
            self_registered: view.row.self_registered,
            revoked: view.row.revoked,
            online: view.online,
            last_seen: view.last_seen.map(Moment),
            expect_every_s: view.expect_ms.map(|ms| ms as f64 / 1_000.0),
            latest: view.latest.iter().map(Latest::from).collect(),
        }
    }
}
