//! What leaves the simulated hospital, and by which names it is polled.

use std::sync::Arc;

use super::value::Values;

/// A message that a device sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Which connection carries it.
    pub group: usize,
    /// The device.
    pub device: Arc<str>,
    /// Its class.
    pub class: Arc<str>,
    /// The stream; `ack` for an answer to a command.
    pub stream: &'static str,
    /// Counts the messages of the device, from 1; a repeat has the number of the first.
    pub number: u64,
    /// The time that the payload carries.
    pub device_time: Option<i64>,
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// What was done to it, if something was.
    pub fault: Option<&'static str>,
    /// What it means.
    pub values: Values,
}

/// A unit on the Modbus link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitName {
    /// Its unit number.
    pub unit: u8,
    /// The device behind it.
    pub device: Arc<str>,
    /// Its class.
    pub class: Arc<str>,
    /// Its profile.
    pub profile: Arc<str>,
    /// The stream of its polls.
    pub stream: Arc<str>,
}

/// A connection of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// It goes to the site's broker: its devices speak on topics of their makers.
    pub foreign: bool,
}
