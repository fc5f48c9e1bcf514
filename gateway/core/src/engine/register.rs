//! The devices that the engine knows, found by name without copying one.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::ids::DeviceId;
use crate::output::DeviceRow;
use crate::profile::Profile;
use crate::rule::NEVER;
use crate::time::Timestamp;
use crate::twin::Twin;

use super::presence::NOT_THERE;

/// A device: its row, its profile, its twin, and marks of the present batch.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) row: DeviceRow,
    /// `None`: the profile was taken away.
    pub(super) profile: Option<Arc<Profile>>,
    /// Number of its class.
    pub(super) class: usize,
    pub(super) twin: Twin,
    /// The earliest entry for it among the timers, in even time.
    pub(super) timer: i64,
    /// Until when it is there, as was told last.
    pub(super) until: Timestamp,
    /// Twin and row changed since the last drain.
    pub(super) twin_changed: bool,
    pub(super) row_changed: bool,
    /// For each stream, its last reading of the present batch.
    pub(super) chains: Vec<Chain>,
    /// The rules of groups in which it is counted, by place.
    pub(super) counted: Vec<u16>,
}

/// The readings of one stream in the present batch, linked from last to first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chain {
    pub(super) batch: u64,
    pub(super) last: u32,
    /// The one that was taken last, if it is newer than what the twin holds. The twin gets it at the drain:
    /// once per commit and not once per message.
    pub(super) newest: Option<u32>,
}

impl Device {
    pub(super) fn new(row: DeviceRow, profile: Option<Arc<Profile>>, class: usize, twin: Twin) -> Self {
        Self {
            row,
            profile,
            class,
            twin,
            timer: NEVER,
            until: NOT_THERE,
            twin_changed: false,
            row_changed: false,
            chains: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// What the device is expected to report at least, in milliseconds.
    pub(super) fn every_ms(&self) -> Option<i64> {
        self.profile.as_ref()?.every_ms().and_then(|ms| i64::try_from(ms).ok())
    }
}

/// All devices. A device keeps its number while the daemon runs.
#[derive(Debug, Default)]
pub(super) struct Register {
    devices: Vec<Device>,
    numbers: HashMap<DeviceId, usize, BuildHasherDefault<NameHasher>>,
}

impl Register {
    /// The number of a device.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    pub(super) fn get(&self, number: usize) -> &Device {
        &self.devices[number]
    }

    pub(super) fn get_mut(&mut self, number: usize) -> &mut Device {
        &mut self.devices[number]
    }

    /// Adds a device that is not there yet and gives its number.
    pub(super) fn add(&mut self, device: Device) -> usize {
        self.numbers.insert(device.row.device.clone(), self.devices.len());
        self.devices.push(device);
        self.devices.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Device> {
        self.devices.iter_mut()
    }
}

/// Multiplies and folds eight bytes at a time. Names are given by the hospital, so no flood of equal hashes
/// is to be feared, and nothing is ever iterated in hash order.
#[derive(Debug, Default)]
pub(super) struct NameHasher(u64);

impl NameHasher {
    fn mix(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded together")]
        let folded = wide as u64 ^ (wide >> 64) as u64;
        self.0 = folded;
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 59);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
