//! Readings of one stream as rows in one blob: the format of `latest` and of small chunks.

use orderly_core::ids::ZoneId;
use orderly_core::reading::Reading;

use super::catalog::{Catalog, Stream};
use crate::batch::row::{Names as _, Previous, RowWriter, Rows, Shapes, put_name};
use crate::batch::wire::{Reader, put_varint};
use crate::batch::{DecodeError, Head};

/// First byte of such a blob.
pub(super) const ROWS: u8 = 1;

/// Packs readings of one stream, in their order.
pub(super) fn encode(readings: &[&Reading], catalog: &mut Catalog) -> Vec<u8> {
    let mut contexts: Vec<(&Option<ZoneId>, u64)> = Vec::new();
    let mut rows = RowWriter::new(readings.len());
    for r in readings {
        let same = |c: &(&Option<ZoneId>, u64)| c.1 == r.profile && *c.0 == r.zone;
        let context = contexts.iter().rposition(same).unwrap_or_else(|| {
            contexts.push((&r.zone, r.profile));
            contexts.len() - 1
        });
        rows.push(context as u32, r, catalog);
    }
    let mut out = Vec::with_capacity(64 + readings.len() * 48);
    out.push(ROWS);
    put_varint(&mut out, contexts.len() as u64);
    for (zone, profile) in contexts {
        put_context(&mut out, catalog, zone.as_ref(), profile);
    }
    rows.finish(&mut out, catalog);
    out
}

/// Zone and profile; the profile by the number of its hash written out, since a site has few of them.
pub(super) fn put_context(out: &mut Vec<u8>, catalog: &mut Catalog, zone: Option<&ZoneId>, profile: u64) {
    match zone {
        None => out.push(0),
        Some(zone) => {
            out.push(1);
            put_name(out, catalog, zone.as_str());
        }
    }
    match catalog.number(&format!("{profile:016x}")) {
        Some(n) => put_varint(out, u64::from(n) + 1),
        None => {
            out.push(0);
            out.extend_from_slice(&profile.to_le_bytes());
        }
    }
}

/// Reads what [`put_context`] wrote.
pub(super) fn place_and_profile(
    r: &mut Reader<'_>,
    catalog: &Catalog,
) -> Result<(Option<ZoneId>, u64), DecodeError> {
    let number = |n: u64| u32::try_from(n).map_err(|_| DecodeError::Malformed("number of a name"));
    let zone = match r.u8()? {
        0 => None,
        1 => {
            let zone = match r.varint()?.checked_sub(1) {
                None => ZoneId::new(r.text()?).ok(),
                Some(n) => catalog.zone(number(n)?).cloned(),
            };
            Some(zone.ok_or(DecodeError::Malformed("zone"))?)
        }
        _ => return Err(DecodeError::Malformed("zone")),
    };
    let profile = match r.varint()?.checked_sub(1) {
        None => r.bytes(8)?.try_into().map(u64::from_le_bytes).map_err(|_| DecodeError::Short)?,
        Some(n) => catalog.profile(number(n)?).ok_or(DecodeError::Malformed("profile"))?,
    };
    Ok((zone, profile))
}

/// Reads what [`put_context`] wrote, as the context of this stream.
pub(super) fn context(r: &mut Reader<'_>, catalog: &Catalog, stream: &Stream) -> Result<Head, DecodeError> {
    place_and_profile(r, catalog).map(|(zone, profile)| head(stream, zone, profile))
}

/// The context of a stream.
pub(super) fn head(stream: &Stream, zone: Option<ZoneId>, profile: u64) -> Head {
    Head {
        device: stream.device.clone(),
        class: stream.class.clone(),
        stream: stream.stream.clone(),
        epoch: stream.epoch,
        zone,
        profile,
    }
}

/// Reads blobs of one reading each, as `latest` has them: most begin with the same zone, profile, metrics and units,
/// which are read once and then known by their bytes.
#[derive(Default)]
pub(super) struct Singles {
    known: Vec<Beginning>,
    /// Where the last one was found: neighbours are often of one kind.
    last: usize,
}

/// What stands in a blob before its one row, and what it means.
struct Beginning {
    bytes: Box<[u8]>,
    zone: Option<ZoneId>,
    profile: u64,
    shapes: Shapes,
}

/// Beginnings that are remembered; a site has few kinds of devices, and each is compared.
const BEGINNINGS: usize = 64;

impl Singles {
    /// The reading in a blob of this stream.
    pub(super) fn read(
        &mut self,
        blob: &[u8],
        stream: &Stream,
        catalog: &Catalog,
    ) -> Result<Reading, DecodeError> {
        let begins = |known: &Beginning| blob.starts_with(&known.bytes);
        if !self.known.get(self.last).is_some_and(begins) {
            self.last = match self.known.iter().position(begins) {
                Some(at) => at,
                None => self.learn(blob, catalog)?,
            };
        }
        let known = self.known.get(self.last).ok_or(DecodeError::Short)?;
        let r = Reader::new(blob.get(known.bytes.len()..).ok_or(DecodeError::Short)?);
        let mut rows = Rows::new(r, 1, Previous::default(), &known.shapes, catalog)?;
        let row = rows.next()?.filter(|row| row.context == 0).ok_or(DecodeError::Malformed("context"))?;
        rows.next()?;
        Ok(head(stream, known.zone.clone(), known.profile).into_reading(row))
    }

    /// Reads a beginning and remembers it; where.
    fn learn(&mut self, blob: &[u8], catalog: &Catalog) -> Result<usize, DecodeError> {
        let mut r = Reader::new(blob);
        match r.u8()? {
            ROWS => {}
            other => return Err(DecodeError::Format(other)),
        }
        if r.count()? != 1 {
            return Err(DecodeError::Malformed("context"));
        }
        let (zone, profile) = place_and_profile(&mut r, catalog)?;
        let shapes = Shapes::read(&mut r, catalog)?;
        if r.count()? != 1 {
            return Err(DecodeError::Malformed("number of rows"));
        }
        let bytes = blob.get(..blob.len() - r.left()).unwrap_or_default().into();
        if self.known.len() >= BEGINNINGS {
            self.known.clear();
        }
        self.known.push(Beginning { bytes, zone, profile, shapes });
        Ok(self.known.len() - 1)
    }
}

/// Unpacks what [`encode`] packed, without its first byte.
pub(super) fn decode(body: &[u8], stream: &Stream, catalog: &Catalog) -> Result<Vec<Reading>, DecodeError> {
    let mut r = Reader::new(body);
    let n = r.count()?;
    let mut heads = Vec::with_capacity(n.min(64));
    for _ in 0..n {
        heads.push(context(&mut r, catalog, stream)?);
    }
    let shapes = Shapes::read(&mut r, catalog)?;
    let n = r.count()?;
    let mut rows = Rows::new(r, n, Previous::default(), &shapes, catalog)?;
    let mut readings = Vec::with_capacity(rows.left().min(16_384));
    while let Some(row) = rows.next()? {
        let head = heads.get(row.context as usize).ok_or(DecodeError::Malformed("context"))?;
        readings.push(head.reading(row));
    }
    Ok(readings)
}
