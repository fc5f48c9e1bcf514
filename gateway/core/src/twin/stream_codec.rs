//! One stream of a twin as bytes.

use std::sync::Arc;

use crate::reading::{Marks, Measured, Origin, Reading};
use crate::time::Timestamp;
use crate::value::Value;
use crate::wire::{
    DecodeError, Reader, missing, missing_code, put_number, put_text, put_varint, trust, trust_code,
};

use super::codec::{many, name, option, put_option, put_time, small, time};
use super::stream::{Held, Latest, Odd, StreamTwin};

pub(super) fn put(out: &mut Vec<u8>, stream: &StreamTwin) {
    put_text(out, stream.stream.as_str());
    put_varint(out, u64::from(stream.epoch));
    put_option(out, stream.watermark, put_time);
    put_option(out, stream.sequence, put_varint);
    put_option(out, stream.odd.as_deref(), |out, odd| {
        put_option(out, odd.past, put_time);
        put_option(out, odd.ahead, |out, (low, high)| {
            put_time(out, low);
            put_time(out, high);
        });
    });
    put_varint(out, stream.timeless.len() as u64);
    for hash in &stream.timeless {
        out.extend_from_slice(&hash.to_le_bytes());
    }
    put_time(out, stream.received_at);
    put_option(out, stream.latest.as_ref(), |out, held| {
        put_varint(out, held.bytes().len() as u64);
        out.extend_from_slice(held.bytes());
    });
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<StreamTwin, DecodeError> {
    Ok(StreamTwin {
        stream: name(r, "stream")?,
        epoch: small(r, "epoch")?,
        watermark: option(r, time)?,
        sequence: option(r, |r| r.varint())?,
        odd: option(r, |r| {
            let past = option(r, time)?;
            Ok(Box::new(Odd { past, ahead: option(r, |r| Ok((time(r)?, time(r)?)))? }))
        })?,
        timeless: many(r, |r| {
            r.bytes(4)?.try_into().map(u32::from_le_bytes).map_err(|_| DecodeError::Short)
        })?,
        received_at: time(r)?,
        latest: option(r, |r| {
            let n = r.count()?;
            Held::of_bytes(r.bytes(n)?)
        })?,
    })
}

/// Writes what is held of a reading; epoch and time stand first.
pub(super) fn put_latest(out: &mut Vec<u8>, latest: &Reading) {
    put_varint(out, u64::from(latest.epoch));
    put_time(out, latest.taken_at);
    put_varint(out, latest.origin.seq);
    put_varint(out, u64::from(latest.origin.index));
    put_option(out, latest.device_time, put_time);
    put_time(out, latest.received_at);
    put_option(out, latest.sequence, put_varint);
    out.push(latest.marks.0);
    put_varint(out, latest.values.len() as u64);
    for measured in &latest.values {
        put_measured(out, measured);
    }
}

/// What [`put_latest`] wrote first.
pub(super) fn head(r: &mut Reader<'_>) -> Result<(u32, Timestamp), DecodeError> {
    Ok((small(r, "epoch")?, time(r)?))
}

/// Reads what [`put_latest`] wrote.
pub(super) fn latest(r: &mut Reader<'_>) -> Result<Latest, DecodeError> {
    let (epoch, taken_at) = head(r)?;
    Ok(Latest {
        epoch,
        taken_at,
        origin: Origin { seq: r.varint()?, index: small(r, "index")? },
        device_time: option(r, time)?,
        received_at: time(r)?,
        sequence: option(r, |r| r.varint())?,
        marks: Marks(r.u8()?),
        values: many(r, measured)?,
    })
}

fn put_measured(out: &mut Vec<u8>, measured: &Measured) {
    put_text(out, measured.metric.as_str());
    match &measured.value {
        Value::Number(number) => {
            out.push(0);
            put_number(out, *number);
        }
        Value::State(token) => {
            out.push(1);
            put_text(out, token);
        }
        Value::Text(text) => {
            out.push(2);
            put_text(out, text);
        }
        Value::Missing(why) => out.extend_from_slice(&[3, missing_code(*why)]),
    }
    put_text(out, &measured.unit);
    out.push(trust_code(measured.quality, measured.reason));
    put_option(out, measured.raw.as_deref(), put_text);
}

fn measured(r: &mut Reader<'_>) -> Result<Measured, DecodeError> {
    let metric = name(r, "metric")?;
    let value = match r.u8()? {
        0 => Value::Number(r.number()?),
        1 => Value::State(Arc::from(r.text()?)),
        2 => Value::Text(Arc::from(r.text()?)),
        3 => Value::Missing(missing(r.u8()?)?),
        _ => return Err(DecodeError::Malformed("kind of value")),
    };
    let unit = Arc::from(r.text()?);
    let (quality, reason) = trust(r.u8()?)?;
    let raw = option(r, |r| r.text().map(Arc::from))?;
    Ok(Measured { metric, value, unit, quality, reason, raw })
}
