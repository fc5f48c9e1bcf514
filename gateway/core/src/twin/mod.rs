//! The twin of a device: what the engine knows of it between two readings.
//!
//! It holds no history: windows that rules need are bounded, everything older is in the stores.

mod codec;
mod rules_codec;
mod stream;
mod stream_codec;
#[cfg(test)]
mod tests;
mod view;

use crate::rule::RuleState;
use crate::time::Timestamp;

pub use codec::{TwinError, decode, encode, encode_into};
pub use stream::{Disbelief, Held, Latest, MAX_STREAMS, Odd, StreamTwin};
pub use view::{Presence, View};

/// What is known of one device.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Twin {
    /// Its streams, in the order in which they first came.
    pub streams: Vec<StreamTwin>,
    /// The runs of the device that were seen last: hash of the boot id, and its epoch.
    pub boots: Vec<(u64, u32)>,
    /// When it was last heard by the wall clock; for a device that was never heard, when it was registered.
    pub heard_at: Timestamp,
    /// How much listening time had passed on its source by then, in milliseconds.
    pub heard_listening: i64,
    /// The source that it was last heard on, by number of the engine's list; `None`: never heard.
    pub source: Option<u16>,
    /// Its last will, or itself, said that it is gone.
    pub said_offline: bool,
    /// How often in a row its connection was ended for a packet too large to take.
    pub too_large: u32,
    /// The rules of its class.
    pub rules: RuleState,
}

/// After so many expected intervals without a word a device is not there any more.
pub const SILENT_AFTER: i64 = 3;

/// How many runs of a device are remembered.
const MAX_BOOTS: usize = 4;

impl Twin {
    /// The epoch of a boot id, when it was seen before.
    #[must_use]
    pub fn epoch_of(&self, boot: u64) -> Option<u32> {
        self.boots.iter().find(|(known, _)| *known == boot).map(|(_, epoch)| *epoch)
    }

    /// Remembers which epoch a boot id is.
    pub fn learn_boot(&mut self, boot: u64, epoch: u32) {
        if self.boots.len() >= MAX_BOOTS {
            self.boots.remove(0);
        }
        self.boots.push((boot, epoch));
    }

    /// The number of a stream of the device.
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<usize> {
        self.streams.iter().position(|stream| stream.stream.as_str() == name)
    }
}
