//! A twin as bytes: one format byte, then MessagePack.

use serde::{Deserialize, Serialize};

use crate::rule::{Layout, RuleState};
use crate::time::Timestamp;

use super::Twin;
use super::stream::StreamTwin;

/// The format that this version writes.
const FORMAT: u8 = 1;

/// Why a twin cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// The blob is empty.
    #[error("the twin's blob is empty")]
    Empty,
    /// A newer version of Orderly wrote it.
    #[error("the twin has format {0}; this version reads up to {FORMAT}, so a newer Orderly wrote it")]
    Newer(u8),
    /// The bytes are not what the format says.
    #[error("the twin's blob is damaged: {0}")]
    Damaged(#[from] rmp_serde::decode::Error),
    /// It cannot be written.
    #[error("the twin cannot be written: {0}")]
    Unwritable(#[from] rmp_serde::encode::Error),
}

#[derive(Serialize)]
struct Writing<'a> {
    streams: &'a [StreamTwin],
    boots: &'a [(u64, u32)],
    heard_at: Timestamp,
    heard_listening: i64,
    source: Option<u16>,
    said_offline: bool,
    layout: &'a Layout,
    rules: &'a RuleState,
    too_large: u32,
}

#[derive(Deserialize)]
struct Written {
    streams: Vec<StreamTwin>,
    boots: Vec<(u64, u32)>,
    heard_at: Timestamp,
    heard_listening: i64,
    source: Option<u16>,
    said_offline: bool,
    layout: Layout,
    rules: RuleState,
    #[serde(default)]
    too_large: u32,
}

/// Writes a twin; `layout` says what the numbers in its rule state mean.
///
/// # Errors
/// When a value cannot be written; none of ours is like that.
pub fn encode(twin: &Twin, layout: &Layout) -> Result<Vec<u8>, TwinError> {
    let mut blob = Vec::with_capacity(512);
    blob.push(FORMAT);
    let writing = Writing {
        streams: &twin.streams,
        boots: &twin.boots,
        heard_at: twin.heard_at,
        heard_listening: twin.heard_listening,
        source: twin.source,
        said_offline: twin.said_offline,
        layout,
        rules: &twin.rules,
        too_large: twin.too_large,
    };
    rmp_serde::encode::write(&mut blob, &writing)?;
    Ok(blob)
}

/// Reads a twin, and the layout that its rule state was written under.
///
/// # Errors
/// When the blob is empty, damaged or of a newer format.
pub fn decode(blob: &[u8]) -> Result<(Twin, Layout), TwinError> {
    match blob.split_first() {
        None => Err(TwinError::Empty),
        Some((&FORMAT, rest)) => {
            let written: Written = rmp_serde::from_slice(rest)?;
            let twin = Twin {
                streams: written.streams,
                boots: written.boots,
                heard_at: written.heard_at,
                heard_listening: written.heard_listening,
                source: written.source,
                said_offline: written.said_offline,
                too_large: written.too_large,
                rules: written.rules,
            };
            Ok((twin, written.layout))
        }
        Some((&format, _)) => Err(TwinError::Newer(format)),
    }
}
