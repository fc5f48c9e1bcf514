//! Engine-wide state as bytes: one format byte, then MessagePack.

use serde::{Deserialize, Serialize};

use super::clock::EngineClock;
use super::groups::Key;
use super::keys::Keys;
use crate::rule::GroupTrack;

/// The format that this version writes.
const FORMAT: u8 = 1;

/// The same with groups of devices. Only a state that has any is written in it.
const GROUPED: u8 = 2;

/// Why the state cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A newer version of Orderly wrote it.
    #[error(
        "the engine's state has format {0}; this version reads up to {GROUPED}, so a newer Orderly wrote it"
    )]
    Newer(u8),
    /// The bytes are not what the format says.
    #[error("the engine's state is damaged: {0}")]
    Damaged(String),
    /// A twin cannot be read.
    #[error("the twin of {device:?}: {error}")]
    Twin {
        /// The device.
        device: String,
        /// Why.
        error: crate::twin::TwinError,
    },
}

#[derive(Serialize)]
struct Writing<'a> {
    clock: &'a EngineClock,
    keys: &'a Keys,
}

#[derive(Serialize, Deserialize)]
struct Grouped {
    clock: EngineClock,
    keys: Keys,
    groups: Vec<(Key, GroupTrack)>,
}

#[derive(Deserialize)]
struct Written {
    clock: EngineClock,
    keys: Keys,
}

/// What the state is made of.
pub(super) type Parts = (EngineClock, Keys, Vec<(Key, GroupTrack)>);

/// Writes the state.
pub(super) fn encode(clock: &EngineClock, keys: &Keys, groups: &[(Key, GroupTrack)]) -> Vec<u8> {
    if !groups.is_empty() {
        let mut blob = vec![GROUPED];
        if let Ok(body) = rmp_serde::to_vec(&(clock, keys, groups)) {
            blob.extend_from_slice(&body);
        }
        return blob;
    }
    let mut blob = vec![FORMAT];
    // Numbers and texts always have a MessagePack form, and a Vec takes every byte.
    if let Ok(body) = rmp_serde::to_vec(&Writing { clock, keys }) {
        blob.extend_from_slice(&body);
    }
    blob
}

/// Reads the state.
pub(super) fn decode(blob: &[u8]) -> Result<Parts, RestoreError> {
    match blob.split_first() {
        Some((&FORMAT, rest)) => {
            let written: Written =
                rmp_serde::from_slice(rest).map_err(|error| RestoreError::Damaged(error.to_string()))?;
            Ok((written.clock, written.keys, Vec::new()))
        }
        Some((&GROUPED, rest)) => {
            let written: Grouped =
                rmp_serde::from_slice(rest).map_err(|error| RestoreError::Damaged(error.to_string()))?;
            Ok((written.clock, written.keys, written.groups))
        }
        Some((&format, _)) => Err(RestoreError::Newer(format)),
        None => Err(RestoreError::Damaged("it is empty".to_owned())),
    }
}
