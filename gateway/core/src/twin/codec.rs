//! A twin as bytes: one format byte, then pieces of [`crate::wire`].
//!
//! Every commit writes the twin of each device that was heard, so it is short and quick to write.

use crate::rule::Layout;
use crate::time::Timestamp;
use crate::wire::{DecodeError, Reader, put_varint, put_zigzag};

use super::{Twin, rules_codec, stream_codec};

/// The format that this version writes. The first one was never released.
const FORMAT: u8 = 2;

/// The same with rules that look at more than values and holds: at calendars. Only such a twin is written in it.
const WIDER: u8 = 3;

/// Why a twin cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// The blob is empty.
    #[error("the twin's blob is empty")]
    Empty,
    /// Another version of Orderly wrote it.
    #[error("the twin has format {0}; this version reads {FORMAT} and {WIDER}, so another Orderly wrote it")]
    Other(u8),
    /// The bytes are not what the format says.
    #[error("the twin's blob is damaged: {0}")]
    Damaged(#[from] DecodeError),
}

/// Writes a twin; `layout` says what the numbers in its rule state mean.
#[must_use]
pub fn encode(twin: &Twin, layout: &Layout) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    encode_into(&mut out, twin, layout);
    out
}

/// Appends a twin, so that who writes many can keep the memory.
pub fn encode_into(out: &mut Vec<u8>, twin: &Twin, layout: &Layout) {
    // All fields by name: a new one must find its place here.
    let Twin { streams, boots, heard_at, heard_listening, source, said_offline, too_large, rules } = twin;
    out.push(if rules_codec::is_plain(rules) { FORMAT } else { WIDER });
    put_varint(out, streams.len() as u64);
    for stream in streams {
        stream_codec::put(out, stream);
    }
    put_varint(out, boots.len() as u64);
    for (boot, epoch) in boots {
        out.extend_from_slice(&boot.to_le_bytes());
        put_varint(out, u64::from(*epoch));
    }
    put_zigzag(out, heard_at.0);
    put_zigzag(out, *heard_listening);
    put_varint(out, source.map_or(0, |source| u64::from(source) + 1));
    out.push(u8::from(*said_offline));
    put_varint(out, u64::from(*too_large));
    put_varint(out, layout.bytes().len() as u64);
    out.extend_from_slice(layout.bytes());
    rules_codec::put(out, rules);
}

/// Reads a twin and the layout that its rule state was written under.
///
/// # Errors
/// When the blob is empty, damaged or of another format.
pub fn decode(blob: &[u8]) -> Result<(Twin, Layout), TwinError> {
    match blob.split_first() {
        None => Err(TwinError::Empty),
        Some((format @ (&FORMAT | &WIDER), rest)) => Ok(body(&mut Reader::new(rest), *format == FORMAT)?),
        Some((&format, _)) => Err(TwinError::Other(format)),
    }
}

fn body(r: &mut Reader<'_>, plain: bool) -> Result<(Twin, Layout), DecodeError> {
    let mut twin = Twin { streams: many(r, stream_codec::read)?, ..Twin::default() };
    twin.boots = many(r, |r| {
        let boot = r.bytes(8)?.try_into().map(u64::from_le_bytes).map_err(|_| DecodeError::Short)?;
        Ok((boot, small(r, "epoch")?))
    })?;
    twin.heard_at = Timestamp(r.zigzag()?);
    twin.heard_listening = r.zigzag()?;
    twin.source = match small::<u32>(r, "source")?.checked_sub(1) {
        None => None,
        Some(source) => Some(u16::try_from(source).map_err(|_| DecodeError::Malformed("source"))?),
    };
    twin.said_offline = flag(r)?;
    twin.too_large = small(r, "count of what was too large")?;
    let n = r.count()?;
    let layout = Layout::of_bytes(r.bytes(n)?);
    twin.rules = rules_codec::read(r, plain)?;
    if r.left() == 0 { Ok((twin, layout)) } else { Err(DecodeError::Malformed("end")) }
}

/// A count and so many things. What they take is never more than in proportion to the bytes.
pub(super) fn many<T, C: FromIterator<T>>(
    r: &mut Reader<'_>,
    mut one: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<C, DecodeError> {
    (0..r.count()?).map(|_| one(r)).collect()
}

/// An integer that must fit.
pub(super) fn small<T: TryFrom<u64>>(r: &mut Reader<'_>, what: &'static str) -> Result<T, DecodeError> {
    T::try_from(r.varint()?).map_err(|_| DecodeError::Malformed(what))
}

/// A checked name.
pub(super) fn name<K>(r: &mut Reader<'_>, what: &'static str) -> Result<crate::ids::Id<K>, DecodeError> {
    crate::ids::Id::new(r.text()?).map_err(|_| DecodeError::Malformed(what))
}

/// Yes or no.
pub(super) fn flag(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Malformed("flag")),
    }
}

/// Something after a flag that tells whether it is there.
pub(super) fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// The way back from [`put_option`].
pub(super) fn option<T>(
    r: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if flag(r)? { read(r).map(Some) } else { Ok(None) }
}

/// A moment.
pub(super) fn put_time(out: &mut Vec<u8>, at: Timestamp) {
    put_zigzag(out, at.0);
}

/// The way back from [`put_time`].
pub(super) fn time(r: &mut Reader<'_>) -> Result<Timestamp, DecodeError> {
    r.zigzag().map(Timestamp)
}
