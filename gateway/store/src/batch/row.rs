//! One reading as a row of bytes; batches and the recent rows of `series.db` share it.
//!
//! A row names its context (who, where) and its shape (which metrics, in which units) by number; both are
//! listed once in front of the rows. Times and origins are differences to the row before.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use orderly_core::ids::MetricId;
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::time::Timestamp;
use orderly_core::value::{Quality, Value};
use smallvec::SmallVec;

use super::DecodeError;
use super::wire::{Reader, put_number, put_text, put_varint, put_zigzag};
pub(crate) use super::wire::{missing, missing_code, trust, trust_code};

const DEVICE_TIME: u8 = 1;
const DEVICE_TIME_IS_TAKEN: u8 = 2;
const SEQUENCE: u8 = 4;
const INDEX: u8 = 8;
const MARKS: u8 = 16;
const NOT_GOOD: u8 = 32;
const RAW: u8 = 64;
const REPLACES: u8 = 128;

/// Numbers for texts that come again and again.
pub(crate) trait Names {
    /// The number of a text; `None`: the list is full, the text is written out.
    fn number(&mut self, text: &str) -> Option<u32>;
}

/// The way back from [`Names`].
pub(crate) trait Texts {
    /// The text with this number.
    fn text(&self, number: u32) -> Option<&Arc<str>>;

    /// The metric of this name.
    fn metric(&self, number: u32) -> Option<MetricId> {
        self.text(number).and_then(|text| MetricId::new(text).ok())
    }
}

/// Appends a text by its number, or written out after a zero.
pub(crate) fn put_name(out: &mut Vec<u8>, names: &mut impl Names, text: &str) {
    match names.number(text) {
        Some(n) => put_varint(out, u64::from(n) + 1),
        None => {
            out.push(0);
            put_text(out, text);
        }
    }
}

/// Reads what [`put_name`] wrote.
pub(crate) fn name(r: &mut Reader<'_>, texts: &impl Texts) -> Result<Arc<str>, DecodeError> {
    match r.varint()?.checked_sub(1) {
        None => Ok(Arc::from(r.text()?)),
        Some(n) => u32::try_from(n)
            .ok()
            .and_then(|n| texts.text(n))
            .cloned()
            .ok_or(DecodeError::Malformed("number of a name")),
    }
}

/// Reads the name of a metric.
pub(crate) fn metric(r: &mut Reader<'_>, texts: &impl Texts) -> Result<MetricId, DecodeError> {
    let metric = match r.varint()?.checked_sub(1) {
        None => MetricId::new(r.text()?).ok(),
        Some(n) => u32::try_from(n).ok().and_then(|n| texts.metric(n)),
    };
    metric.ok_or(DecodeError::Malformed("metric"))
}

/// Collects rows; what it borrows lives as long as the readings.
pub(crate) struct RowWriter<'a> {
    rows: Vec<u8>,
    n: u64,
    shapes: Vec<&'a [Measured]>,
    by_hash: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
    last_shape: Vec<u32>,
    previous: Previous,
}

/// What the differences of a row are taken from: the row before, or the base of its group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Previous {
    pub(crate) seq: u64,
    pub(crate) taken_at: i64,
    pub(crate) received_at: i64,
}

impl<'a> RowWriter<'a> {
    pub(crate) fn new(expected: usize) -> Self {
        Self {
            rows: Vec::with_capacity(expected * 48),
            n: 0,
            shapes: Vec::new(),
            by_hash: HashMap::new(),
            hasher: RandomState::new(),
            last_shape: Vec::new(),
            previous: Previous::default(),
        }
    }

    /// Appends a reading whose context has this number.
    pub(crate) fn push(&mut self, context: u32, reading: &'a Reading, names: &mut impl Names) {
        let shape = self.shape(context, &reading.values);
        let flags = flags(reading);
        let out = &mut self.rows;
        out.push(flags);
        put_varint(out, u64::from(context));
        put_varint(out, u64::from(shape));
        let p = &mut self.previous;
        put_zigzag(out, reading.origin.seq.wrapping_sub(p.seq) as i64);
        if flags & INDEX != 0 {
            put_varint(out, u64::from(reading.origin.index));
        }
        put_zigzag(out, reading.taken_at.0.wrapping_sub(p.taken_at));
        put_zigzag(out, reading.received_at.0.wrapping_sub(p.received_at));
        p.seq = reading.origin.seq;
        p.taken_at = reading.taken_at.0;
        p.received_at = reading.received_at.0;
        if let Some(t) = reading.device_time
            && flags & DEVICE_TIME_IS_TAKEN == 0
        {
            put_zigzag(out, t.0.wrapping_sub(reading.taken_at.0));
        }
        if let Some(s) = reading.sequence {
            put_varint(out, s);
        }
        put_varint(out, u64::from(reading.offset_ns));
        if flags & MARKS != 0 {
            out.push(reading.marks.0);
        }
        if let Some(replaced) = reading.replaces {
            put_zigzag(out, reading.origin.seq.wrapping_sub(replaced.seq) as i64);
            put_varint(out, u64::from(replaced.index));
        }
        for m in &reading.values {
            match &m.value {
                Value::Number(v) => put_number(out, *v),
                Value::State(token) => put_name(out, names, token),
                Value::Text(text) => put_text(out, text),
                Value::Missing(why) => out.push(missing_code(*why)),
            }
        }
        if flags & NOT_GOOD != 0 {
            out.extend(reading.values.iter().map(|m| trust_code(m.quality, m.reason)));
        }
        if flags & RAW != 0 {
            for m in &reading.values {
                match &m.raw {
                    None => out.push(0),
                    Some(raw) => {
                        put_varint(out, raw.len() as u64 + 1);
                        out.extend_from_slice(raw.as_bytes());
                    }
                }
            }
        }
        self.n += 1;
    }

    /// Begins a group of rows that can be read without those before; gives where it begins.
    pub(crate) const fn begin_group(&mut self, base: Previous) -> usize {
        self.previous = base;
        self.rows.len()
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> &[u8] {
        &self.rows
    }

    /// Writes the shapes, the count and the rows.
    pub(crate) fn finish(self, out: &mut Vec<u8>, names: &mut impl Names) {
        self.put_shapes(out, names);
        put_varint(out, self.n);
        out.extend_from_slice(&self.rows);
    }

    /// Writes the shapes.
    pub(crate) fn put_shapes(&self, out: &mut Vec<u8>, names: &mut impl Names) {
        put_varint(out, self.shapes.len() as u64);
        for shape in &self.shapes {
            put_varint(out, shape.len() as u64);
            for m in *shape {
                out.push(kind(&m.value));
                put_name(out, names, m.metric.as_str());
                put_name(out, names, &m.unit);
            }
        }
    }

    /// The number of the shape of these values. Most devices keep theirs, so the context's last is tried first.
    fn shape(&mut self, context: u32, values: &'a [Measured]) -> u32 {
        let slot = context as usize;
        if self.last_shape.len() <= slot {
            self.last_shape.resize(slot + 1, 0);
        }
        let same = |n: u32| self.shapes.get(n as usize).is_some_and(|s| same_shape(s, values));
        if let Some(&last) = self.last_shape.get(slot)
            && same(last)
        {
            return last;
        }
        let hash = self.hasher.hash_one(ShapeKey(values));
        let known = self.by_hash.entry(hash).or_default();
        let found = known.iter().copied().find(|&n| same(n));
        let number = found.unwrap_or_else(|| {
            let n = self.shapes.len() as u32;
            self.shapes.push(values);
            known.push(n);
            n
        });
        if let Some(last) = self.last_shape.get_mut(slot) {
            *last = number;
        }
        number
    }
}

struct ShapeKey<'a>(&'a [Measured]);

impl std::hash::Hash for ShapeKey<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for m in self.0 {
            kind(&m.value).hash(state);
            m.metric.hash(state);
            m.unit.hash(state);
        }
    }
}

/// Whether these values are of the same metrics, units and kinds, in the same order.
pub(crate) fn same_shape(a: &[Measured], b: &[Measured]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            kind(&a.value) == kind(&b.value)
                && a.metric == b.metric
                && (Arc::ptr_eq(&a.unit, &b.unit) || a.unit == b.unit)
        })
}

fn flags(r: &Reading) -> u8 {
    let mut f = 0;
    if let Some(t) = r.device_time {
        f |= DEVICE_TIME | if t == r.taken_at { DEVICE_TIME_IS_TAKEN } else { 0 };
    }
    if r.sequence.is_some() {
        f |= SEQUENCE;
    }
    if r.origin.index != 0 {
        f |= INDEX;
    }
    if r.marks.0 != 0 {
        f |= MARKS;
    }
    if r.replaces.is_some() {
        f |= REPLACES;
    }
    for m in &r.values {
        if m.quality != Quality::Good || m.reason.is_some() {
            f |= NOT_GOOD;
        }
        if m.raw.is_some() {
            f |= RAW;
        }
    }
    f
}

/// A row before its context is put to it.
pub(crate) struct Row {
    pub(crate) context: u32,
    pub(crate) origin: Origin,
    pub(crate) device_time: Option<Timestamp>,
    pub(crate) taken_at: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) sequence: Option<u64>,
    pub(crate) offset_ns: u32,
    pub(crate) marks: Marks,
    pub(crate) replaces: Option<Origin>,
    pub(crate) values: SmallVec<[Measured; 1]>,
}

struct Column {
    kind: u8,
    metric: MetricId,
    unit: Arc<str>,
}

/// The shapes that stand in front of rows.
pub(crate) struct Shapes(Vec<Vec<Column>>);

impl Shapes {
    /// Reads what [`RowWriter::put_shapes`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>, texts: &impl Texts) -> Result<Self, DecodeError> {
        let n = r.count()?;
        let mut shapes = Vec::with_capacity(n.min(1024));
        for _ in 0..n {
            let len = r.count()?;
            let mut columns = Vec::with_capacity(len.min(256));
            for _ in 0..len {
                let kind = r.u8()?;
                columns.push(Column { kind, metric: metric(r, texts)?, unit: name(r, texts)? });
            }
            shapes.push(columns);
        }
        Ok(Self(shapes))
    }
}

/// Reads rows one after the other.
pub(crate) struct Rows<'a, T> {
    r: Reader<'a>,
    texts: &'a T,
    shapes: &'a Shapes,
    left: usize,
    previous: Previous,
}

impl<'a, T: Texts> Rows<'a, T> {
    /// `n` rows that are all that is left to read, with what the first differs from.
    pub(crate) fn new(
        r: Reader<'a>,
        n: usize,
        base: Previous,
        shapes: &'a Shapes,
        texts: &'a T,
    ) -> Result<Self, DecodeError> {
        if n > r.left() {
            return Err(DecodeError::Short);
        }
        Ok(Self { r, texts, shapes, left: n, previous: base })
    }

    /// Rows not yet read.
    pub(crate) const fn left(&self) -> usize {
        self.left
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            return if self.r.left() == 0 { Ok(None) } else { Err(DecodeError::Malformed("end")) };
        };
        self.left = left;
        let r = &mut self.r;
        let flags = r.u8()?;
        let context = u32::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("context"))?;
        let shape = usize::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("shape"))?;
        let shape = self.shapes.0.get(shape).ok_or(DecodeError::Malformed("shape"))?;
        let p = &mut self.previous;
        p.seq = p.seq.wrapping_add(r.zigzag()? as u64);
        let index = if flags & INDEX == 0 { 0 } else { r.varint()? };
        let index = u16::try_from(index).map_err(|_| DecodeError::Malformed("index"))?;
        p.taken_at = p.taken_at.wrapping_add(r.zigzag()?);
        p.received_at = p.received_at.wrapping_add(r.zigzag()?);
        let device_time = match flags & (DEVICE_TIME | DEVICE_TIME_IS_TAKEN) {
            0 => None,
            DEVICE_TIME => Some(Timestamp(p.taken_at.wrapping_add(r.zigzag()?))),
            _ => Some(Timestamp(p.taken_at)),
        };
        let sequence = if flags & SEQUENCE == 0 { None } else { Some(r.varint()?) };
        let offset_ns = u32::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("offset"))?;
        let marks = Marks(if flags & MARKS == 0 { 0 } else { r.u8()? });
        let replaces = if flags & REPLACES == 0 {
            None
        } else {
            let seq = p.seq.wrapping_sub(r.zigzag()? as u64);
            let index = u16::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("index"))?;
            Some(Origin { seq, index })
        };
        let mut values: SmallVec<[Measured; 1]> = SmallVec::with_capacity(shape.len().min(r.left()));
        for column in shape {
            values.push(Measured {
                metric: column.metric.clone(),
                value: value(r, column.kind, self.texts)?,
                unit: Arc::clone(&column.unit),
                quality: Quality::Good,
                reason: None,
                raw: None,
            });
        }
        if flags & NOT_GOOD != 0 {
            for m in &mut values {
                (m.quality, m.reason) = trust(r.u8()?)?;
            }
        }
        if flags & RAW != 0 {
            for m in &mut values {
                if let Some(len) = r.varint()?.checked_sub(1) {
                    let len = usize::try_from(len).map_err(|_| DecodeError::Short)?;
                    let raw =
                        std::str::from_utf8(r.bytes(len)?).map_err(|_| DecodeError::Malformed("raw"))?;
                    m.raw = Some(Arc::from(raw));
                }
            }
        }
        Ok(Some(Row {
            context,
            origin: Origin { seq: p.seq, index },
            device_time,
            taken_at: Timestamp(p.taken_at),
            received_at: Timestamp(p.received_at),
            sequence,
            offset_ns,
            marks,
            replaces,
            values,
        }))
    }
}

fn value(r: &mut Reader<'_>, kind: u8, texts: &impl Texts) -> Result<Value, DecodeError> {
    Ok(match kind {
        0 => Value::Number(r.number()?),
        1 => Value::State(name(r, texts)?),
        2 => Value::Text(Arc::from(r.text()?)),
        3 => Value::Missing(missing(r.u8()?)?),
        _ => return Err(DecodeError::Malformed("kind of value")),
    })
}

/// The number of a kind of value on disk.
pub(crate) const fn kind(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::State(_) => 1,
        Value::Text(_) => 2,
        Value::Missing(_) => 3,
    }
}
