//! One metric of a chunk: its values, how far each can be trusted, and the device's own text where it was kept.

use std::collections::HashMap;
use std::sync::Arc;

use orderly_core::reading::Measured;
use orderly_core::value::{Quality, Value};

use super::ints::{ints, put_column, put_ints};
use super::numbers::{numbers, put_numbers};
use crate::batch::DecodeError;
use crate::batch::row::{missing, missing_code, trust, trust_code};
use crate::batch::wire::{Reader, put_text, put_varint};

/// Appends the values, which are all of one kind, then trust and raw texts.
pub(super) fn put_values(out: &mut Vec<u8>, values: &[&Measured]) {
    let mut body = Vec::new();
    match values.first().map(|m| &m.value) {
        None | Some(Value::Number(_)) => {
            let all: Vec<f64> = values.iter().filter_map(|m| m.value.number()).collect();
            put_numbers(&mut body, &all);
        }
        Some(Value::State(_)) => put_states(&mut body, values),
        Some(Value::Text(_)) => {
            for m in values {
                if let Value::Text(text) = &m.value {
                    put_text(&mut body, text);
                }
            }
        }
        Some(Value::Missing(_)) => {
            let codes: Vec<i64> = values
                .iter()
                .filter_map(|m| {
                    if let Value::Missing(why) = m.value { Some(missing_code(why).into()) } else { None }
                })
                .collect();
            put_ints(&mut body, &codes);
        }
    }
    put_column(out, &body);
    body.clear();
    let codes: Vec<i64> = values.iter().map(|m| trust_code(m.quality, m.reason).into()).collect();
    put_ints(&mut body, &codes);
    put_column(out, &body);
    body.clear();
    let mut next = 0;
    for (i, raw) in values.iter().enumerate().filter_map(|(i, m)| m.raw.as_ref().map(|raw| (i, raw))) {
        put_varint(&mut body, (i - next) as u64);
        put_text(&mut body, raw);
        next = i + 1;
    }
    put_column(out, &body);
}

fn put_states(out: &mut Vec<u8>, values: &[&Measured]) {
    let mut known: HashMap<&str, i64> = HashMap::new();
    let mut list: Vec<&str> = Vec::new();
    let mut codes = Vec::with_capacity(values.len());
    for m in values {
        if let Value::State(token) = &m.value {
            codes.push(*known.entry(token).or_insert_with(|| {
                list.push(token);
                list.len() as i64 - 1
            }));
        }
    }
    put_varint(out, list.len() as u64);
    for token in list {
        put_text(out, token);
    }
    put_ints(out, &codes);
}

/// The three columns of a metric, not yet read.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a> {
    values: Reader<'a>,
    trust: Reader<'a>,
    raw: Reader<'a>,
}

impl<'a> Packed<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { values: column(r)?, trust: column(r)?, raw: column(r)? })
    }

    /// The values with their trust and raw texts; `n` of them, of this kind.
    pub(super) fn values(&self, kind: u8, n: usize) -> Result<Vec<Unnamed>, DecodeError> {
        let values: Vec<Value> = match kind {
            0 => numbers(self.values, n)?.into_iter().map(Value::Number).collect(),
            1 => states(self.values, n)?,
            2 => {
                let mut r = self.values;
                (0..n).map(|_| Ok(Value::Text(Arc::from(r.text()?)))).collect::<Result<_, DecodeError>>()?
            }
            3 => ints(self.values, n)?
                .into_iter()
                .map(|code| missing(u8::try_from(code).unwrap_or(u8::MAX)).map(Value::Missing))
                .collect::<Result<_, _>>()?,
            _ => return Err(DecodeError::Malformed("kind of value")),
        };
        let trusts = self.trusts(n)?;
        let mut all: Vec<Unnamed> = values
            .into_iter()
            .zip(trusts)
            .map(|(value, trust)| Unnamed { value, trust, raw: None })
            .collect();
        let mut r = self.raw;
        let mut at = 0_usize;
        while r.left() > 0 {
            at =
                usize::try_from(r.varint()?).ok().and_then(|skip| at.checked_add(skip)).unwrap_or(usize::MAX);
            let text = Arc::from(r.text()?);
            all.get_mut(at).ok_or(DecodeError::Malformed("raw"))?.raw = Some(text);
            at += 1;
        }
        Ok(all)
    }

    /// Only numbers, and for each whether it is good.
    pub(super) fn good_numbers(&self, n: usize) -> Result<(Vec<f64>, Vec<i64>), DecodeError> {
        Ok((numbers(self.values, n)?, self.trusts(n)?))
    }

    fn trusts(&self, n: usize) -> Result<Vec<i64>, DecodeError> {
        ints(self.trust, n)
    }
}

/// Whether a trust code says that nothing speaks against the value.
pub(super) fn is_good(code: i64) -> bool {
    u8::try_from(code).ok().and_then(|code| trust(code).ok()).is_some_and(|(q, _)| q == Quality::Good)
}

/// A value before its metric is put to it.
pub(super) struct Unnamed {
    pub(super) value: Value,
    pub(super) trust: i64,
    pub(super) raw: Option<Arc<str>>,
}

fn states(mut r: Reader<'_>, n: usize) -> Result<Vec<Value>, DecodeError> {
    let len = r.count()?;
    let tokens =
        (0..len).map(|_| Ok(Arc::from(r.text()?))).collect::<Result<Vec<Arc<str>>, DecodeError>>()?;
    ints(r, n)?
        .into_iter()
        .map(|i| {
            let token = usize::try_from(i).ok().and_then(|i| tokens.get(i));
            token.map(|t| Value::State(Arc::clone(t))).ok_or(DecodeError::Malformed("state"))
        })
        .collect()
}

/// The bytes of the next column.
pub(super) fn column<'a>(r: &mut Reader<'a>) -> Result<Reader<'a>, DecodeError> {
    let n = usize::try_from(r.varint()?).map_err(|_| DecodeError::Short)?;
    r.bytes(n).map(Reader::new)
}
