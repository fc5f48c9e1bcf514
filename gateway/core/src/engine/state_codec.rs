//! Engine-wide state as bytes: one format byte, then MessagePack.

use serde::{Deserialize, Serialize};

use super::clock::EngineClock;
use super::keys::Keys;

/// The format that this version writes.
const FORMAT: u8 = 1;

/// Why the state cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A newer version of Orderly wrote it.
    #[error(
        "the engine's state has format {0}; this version reads up to {FORMAT}, so a newer Orderly wrote it"
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

#[derive(Deserialize)]
struct Written {
    clock: EngineClock,
    keys: Keys,
}

/// Writes the state.
pub(super) fn encode(clock: &EngineClock, keys: &Keys) -> Vec<u8> {
    let mut blob = vec![FORMAT];
    // Numbers and texts always have a MessagePack form, and a Vec takes every byte.
    if let Ok(body) = rmp_serde::to_vec(&Writing { clock, keys }) {
        blob.extend_from_slice(&body);
    }
    blob
}

/// Reads the state.
pub(super) fn decode(blob: &[u8]) -> Result<(EngineClock, Keys), RestoreError> {
    match blob.split_first() {
        Some((&FORMAT, rest)) => {
            let written: Written =
                rmp_serde::from_slice(rest).map_err(|error| RestoreError::Damaged(error.to_string()))?;
            Ok((written.clock, written.keys))
        }
        Some((&format, _)) => Err(RestoreError::Newer(format)),
        None => Err(RestoreError::Damaged("it is empty".to_owned())),
    }
}
