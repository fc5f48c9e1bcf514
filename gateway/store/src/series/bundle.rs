//! A bundle: the new readings of a few neighbouring streams in one blob, the format of `recent`.
//!
//! One row for each stream would touch as many pages of the file as there are streams; bundles touch a few. The
//! rows stand stream by stream behind a list of where each begins, so one stream is read without the others.

use orderly_core::ids::ZoneId;
use orderly_core::reading::Reading;

use super::catalog::Catalog;
use super::rows::{head, place_and_profile, put_context};
use crate::batch::row::{Previous, RowWriter, Rows, Shapes};
use crate::batch::wire::{Reader, put_varint, put_zigzag};
use crate::batch::{DecodeError, Head};

/// First byte of such a blob.
pub(super) const BUNDLE: u8 = 3;
/// Streams that share bundles; the number is on disk.
pub(super) const STREAMS: u32 = 16;

/// Packs readings with the numbers of their streams, which must be in order.
pub(super) fn encode(readings: &[(u32, &Reading)], catalog: &mut Catalog) -> Vec<u8> {
    let base = readings.first().map_or_else(Previous::default, |(_, r)| Previous {
        seq: r.origin.seq,
        taken_at: r.taken_at.0,
        received_at: r.received_at.0,
    });
    let mut contexts: Vec<(&Option<ZoneId>, u64)> = Vec::new();
    let mut rows = RowWriter::new(readings.len());
    let mut groups = Vec::new();
    for of_stream in readings.chunk_by(|a, b| a.0 == b.0) {
        let start = rows.begin_group(base);
        for (_, r) in of_stream {
            let same = |c: &(&Option<ZoneId>, u64)| c.1 == r.profile && *c.0 == r.zone;
            let context = contexts.iter().rposition(same).unwrap_or_else(|| {
                contexts.push((&r.zone, r.profile));
                contexts.len() - 1
            });
            rows.push(context as u32, r, catalog);
        }
        let stream = of_stream.first().map_or(0, |(stream, _)| *stream);
        groups.push((stream, of_stream.len(), rows.rows().len() - start));
    }
    let mut out = Vec::with_capacity(128 + rows.rows().len() + 4 * groups.len());
    out.push(BUNDLE);
    put_varint(&mut out, contexts.len() as u64);
    for (zone, profile) in contexts {
        put_context(&mut out, catalog, zone.as_ref(), profile);
    }
    rows.put_shapes(&mut out, catalog);
    put_varint(&mut out, base.seq);
    put_zigzag(&mut out, base.taken_at);
    put_zigzag(&mut out, base.received_at);
    put_varint(&mut out, groups.len() as u64);
    let mut before = 0;
    for (stream, n, bytes) in groups {
        put_varint(&mut out, u64::from(stream - before));
        put_varint(&mut out, n as u64);
        put_varint(&mut out, bytes as u64);
        before = stream;
    }
    out.extend_from_slice(rows.rows());
    out
}

/// A bundle whose lists are read, but not yet its rows.
pub(super) struct Bundle<'a> {
    contexts: Vec<(Option<ZoneId>, u64)>,
    shapes: Shapes,
    base: Previous,
    groups: Vec<(u32, usize, Reader<'a>)>,
}

impl<'a> Bundle<'a> {
    /// Opens what [`encode`] packed.
    pub(super) fn open(blob: &'a [u8], catalog: &Catalog) -> Result<Self, DecodeError> {
        let mut r = Reader::new(blob);
        match r.u8()? {
            BUNDLE => {}
            other => return Err(DecodeError::Format(other)),
        }
        let n = r.count()?;
        let contexts = (0..n).map(|_| place_and_profile(&mut r, catalog)).collect::<Result<_, _>>()?;
        let shapes = Shapes::read(&mut r, catalog)?;
        let base = Previous { seq: r.varint()?, taken_at: r.zigzag()?, received_at: r.zigzag()? };
        let n = r.count()?;
        let mut list = Vec::with_capacity(n.min(64));
        let mut stream = 0_u32;
        for _ in 0..n {
            let step = u32::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("stream"))?;
            stream = stream.checked_add(step).ok_or(DecodeError::Malformed("stream"))?;
            list.push((stream, r.count()?, r.count()?));
        }
        let mut groups = Vec::with_capacity(list.len());
        for (stream, n, bytes) in list {
            groups.push((stream, n, Reader::new(r.bytes(bytes)?)));
        }
        if r.left() > 0 {
            return Err(DecodeError::Malformed("end"));
        }
        Ok(Self { contexts, shapes, base, groups })
    }

    /// The streams in it.
    pub(super) fn streams(&self) -> impl Iterator<Item = u32> {
        self.groups.iter().map(|(stream, _, _)| *stream)
    }

    /// Adds the readings of one stream, or of all, to those found.
    pub(super) fn readings(
        &self,
        wanted: Option<u32>,
        catalog: &Catalog,
        found: &mut Vec<Reading>,
    ) -> Result<(), DecodeError> {
        for (number, n, r) in self.groups.iter().filter(|g| wanted.is_none_or(|w| g.0 == w)) {
            let stream = catalog.stream(*number).map_err(|_| DecodeError::Malformed("stream"))?;
            let heads: Vec<Head> =
                self.contexts.iter().map(|(zone, profile)| head(stream, zone.clone(), *profile)).collect();
            let mut rows = Rows::new(*r, *n, self.base, &self.shapes, catalog)?;
            found.reserve(rows.left());
            while let Some(row) = rows.next()? {
                let head = heads.get(row.context as usize).ok_or(DecodeError::Malformed("context"))?;
                found.push(head.reading(row));
            }
        }
        Ok(())
    }
}
