//! A decoded batch as one blob: what the engine decided between two commits.
//!
//! Stored in `state.db` in the same transaction as the cursor; `series.db` and the sinks read it and never
//! decode a payload again. Every name is written once per batch; the first byte is the format.

pub(crate) mod row;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;

use orderly_core::ids::{ClassId, DeviceId, StreamId, ZoneId};
use orderly_core::reading::Reading;

pub(crate) use orderly_core::wire;
pub use orderly_core::wire::DecodeError;

use row::{Names, Previous, Row, RowWriter, Rows, Shapes, Texts, name, put_name};
use wire::{Reader, put_text, put_varint};

/// Format: as it stands.
pub const PLAIN: u8 = 1;
/// Format: the same, packed with zstd.
pub const PACKED: u8 = 2;
/// Below this packing saves less than its own set-up costs.
const PACK_FROM: usize = 2048;
/// The largest batch that is unpacked; the engine stops far earlier.
const MAX_UNPACKED: u64 = 64 << 20;

/// Packs readings, in their order.
#[must_use]
pub fn encode(readings: &[Reading]) -> Vec<u8> {
    let mut strings = Strings::default();
    let mut heads = Heads::default();
    let mut rows = RowWriter::new(readings.len());
    for r in readings {
        let head = heads.number(r);
        rows.push(head, r, &mut strings);
    }
    let mut tail = Vec::new();
    put_varint(&mut tail, heads.list.len() as u64);
    for r in &heads.list {
        put_name(&mut tail, &mut strings, r.device.as_str());
        put_name(&mut tail, &mut strings, r.class.as_str());
        put_name(&mut tail, &mut strings, r.stream.as_str());
        put_varint(&mut tail, u64::from(r.epoch));
        match &r.zone {
            None => tail.push(0),
            Some(zone) => {
                tail.push(1);
                put_name(&mut tail, &mut strings, zone.as_str());
            }
        }
        tail.extend_from_slice(&r.profile.to_le_bytes());
    }
    rows.finish(&mut tail, &mut strings);
    let mut out = Vec::with_capacity(tail.len() + strings.bytes.len() + 8);
    out.push(PLAIN);
    put_varint(&mut out, strings.known.len() as u64);
    out.extend_from_slice(&strings.bytes);
    out.extend_from_slice(&tail);
    if out.len() < PACK_FROM {
        return out;
    }
    match zstd::bulk::compress(out.get(1..).unwrap_or_default(), 1) {
        Ok(packed) if packed.len() < out.len() / 5 * 4 => {
            out.clear();
            out.push(PACKED);
            out.extend_from_slice(&packed);
            out
        }
        _ => out,
    }
}

/// Unpacks what [`encode`] packed.
///
/// # Errors
/// When the bytes are not a whole batch of a known format. Never panics, and takes memory only in proportion
/// to the bytes.
pub fn decode(bytes: &[u8]) -> Result<Vec<Reading>, DecodeError> {
    let (&format, body) = bytes.split_first().ok_or(DecodeError::Short)?;
    match format {
        PLAIN => body_of(body),
        PACKED => {
            let mut plain = Vec::new();
            zstd::stream::read::Decoder::with_buffer(body)
                .map_err(|_| DecodeError::Malformed("packing"))?
                .take(MAX_UNPACKED)
                .read_to_end(&mut plain)
                .map_err(|_| DecodeError::Malformed("packing"))?;
            body_of(&plain)
        }
        other => Err(DecodeError::Format(other)),
    }
}

fn body_of(body: &[u8]) -> Result<Vec<Reading>, DecodeError> {
    let mut r = Reader::new(body);
    let n = r.count()?;
    let mut texts = Vec::with_capacity(n.min(4096));
    for _ in 0..n {
        texts.push(Arc::from(r.text()?));
    }
    let texts = List(texts);
    let n = r.count()?;
    let mut heads = Vec::with_capacity(n.min(4096));
    for _ in 0..n {
        heads.push(Head::read(&mut r, &texts)?);
    }
    let shapes = Shapes::read(&mut r, &texts)?;
    let n = r.count()?;
    let mut rows = Rows::new(r, n, Previous::default(), &shapes, &texts)?;
    let mut readings = Vec::with_capacity(rows.left().min(16_384));
    while let Some(row) = rows.next()? {
        let head = heads.get(row.context as usize).ok_or(DecodeError::Malformed("context"))?;
        readings.push(head.reading(row));
    }
    Ok(readings)
}

/// Who measured, where, and which profile read it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) device: DeviceId,
    pub(crate) class: ClassId,
    pub(crate) stream: StreamId,
    pub(crate) epoch: u32,
    pub(crate) zone: Option<ZoneId>,
    pub(crate) profile: u64,
}

impl Head {
    fn read(r: &mut Reader<'_>, texts: &List) -> Result<Self, DecodeError> {
        let device = DeviceId::new(&name(r, texts)?).map_err(|_| DecodeError::Malformed("device"))?;
        let class = ClassId::new(&name(r, texts)?).map_err(|_| DecodeError::Malformed("class"))?;
        let stream = StreamId::new(&name(r, texts)?).map_err(|_| DecodeError::Malformed("stream"))?;
        let epoch = u32::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("epoch"))?;
        let zone = match r.u8()? {
            0 => None,
            1 => Some(ZoneId::new(&name(r, texts)?).map_err(|_| DecodeError::Malformed("zone"))?),
            _ => return Err(DecodeError::Malformed("zone")),
        };
        let profile = r.bytes(8)?.try_into().map(u64::from_le_bytes).map_err(|_| DecodeError::Short)?;
        Ok(Self { device, class, stream, epoch, zone, profile })
    }

    /// The reading of a row in this context.
    pub(crate) fn reading(&self, row: Row) -> Reading {
        self.clone().into_reading(row)
    }

    /// The same of a context that only this row has.
    pub(crate) fn into_reading(self, row: Row) -> Reading {
        Reading {
            origin: row.origin,
            device: self.device,
            class: self.class,
            epoch: self.epoch,
            stream: self.stream,
            device_time: row.device_time,
            taken_at: row.taken_at,
            received_at: row.received_at,
            sequence: row.sequence,
            offset_ns: row.offset_ns,
            profile: self.profile,
            marks: row.marks,
            replaces: row.replaces,
            zone: self.zone,
            values: row.values,
        }
    }
}

/// The strings of one batch, numbered as they come.
#[derive(Default)]
struct Strings {
    known: HashMap<Box<str>, u32>,
    bytes: Vec<u8>,
}

impl Names for Strings {
    fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(n) = self.known.get(text) {
            return Some(*n);
        }
        let n = self.known.len() as u32;
        self.known.insert(text.into(), n);
        put_text(&mut self.bytes, text);
        Some(n)
    }
}

struct List(Vec<Arc<str>>);

impl Texts for List {
    fn text(&self, number: u32) -> Option<&Arc<str>> {
        self.0.get(number as usize)
    }
}

/// The contexts of one batch, each by the first reading that has it.
#[derive(Default)]
struct Heads<'a> {
    list: Vec<&'a Reading>,
    by_device: HashMap<&'a str, Vec<u32>>,
}

impl<'a> Heads<'a> {
    fn number(&mut self, r: &'a Reading) -> u32 {
        let of_device = self.by_device.entry(r.device.as_str()).or_default();
        let same = |n: &u32| self.list.get(*n as usize).is_some_and(|h| same_head(h, r));
        if let Some(n) = of_device.iter().copied().find(same) {
            return n;
        }
        let n = self.list.len() as u32;
        self.list.push(r);
        of_device.push(n);
        n
    }
}

fn same_head(a: &Reading, b: &Reading) -> bool {
    a.stream == b.stream
        && a.epoch == b.epoch
        && a.zone == b.zone
        && a.profile == b.profile
        && a.class == b.class
}
