//! A column of integers: constant, runs, differences or pco, whichever is shortest.

use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use crate::batch::DecodeError;
use crate::batch::wire::{Reader, put_varint, put_zigzag};

const CONSTANT: u8 = 0;
const RUNS: u8 = 1;
const DIFFERENCES: u8 = 2;
const PCO: u8 = 3;

/// From here on pco's own header is paid back.
const PCO_FROM: usize = 48;

/// How pco packs these integers. Said here, not tried out by pco, which costs more than packing columns of this size.
fn config(ints: &[i64]) -> ChunkConfig {
    let n = ints.len() as i128;
    let mean = ints.iter().map(|v| i128::from(*v)).sum::<i128>() / n.max(1);
    let spread: u128 = ints.iter().map(|v| (i128::from(*v) - mean).unsigned_abs()).sum();
    let steps: u128 = ints
        .iter()
        .zip(ints.iter().skip(1))
        .map(|(a, b)| (i128::from(*b) - i128::from(*a)).unsigned_abs())
        .sum();
    let delta = if steps < spread { DeltaSpec::TryConsecutive(1) } else { DeltaSpec::NoOp };
    ChunkConfig::default().with_mode_spec(ModeSpec::Classic).with_delta_spec(delta)
}

/// Appends a column with its length in bytes, so that a reader can skip it.
pub(super) fn put_column(out: &mut Vec<u8>, body: &[u8]) {
    put_varint(out, body.len() as u64);
    out.extend_from_slice(body);
}

/// Appends integers; how many there are must be known to the reader.
pub(super) fn put_ints(out: &mut Vec<u8>, ints: &[i64]) {
    let runs = ints.chunk_by(|a, b| a == b).count();
    if runs <= 1 {
        out.push(CONSTANT);
        put_zigzag(out, ints.first().copied().unwrap_or_default());
        return;
    }
    let start = out.len();
    out.push(RUNS);
    for run in ints.chunk_by(|a, b| a == b) {
        put_zigzag(out, run.first().copied().unwrap_or_default());
        put_varint(out, run.len() as u64);
    }
    let runs_len = out.len() - start;
    let other = if ints.len() < PCO_FROM {
        differences(ints)
    } else if runs_len > 16 {
        packed(ints)
    } else {
        Vec::new()
    };
    if !other.is_empty() && other.len() < runs_len {
        out.truncate(start);
        out.extend_from_slice(&other);
    }
}

fn differences(ints: &[i64]) -> Vec<u8> {
    let mut out = vec![DIFFERENCES];
    let mut previous = 0_i64;
    for &v in ints {
        put_zigzag(&mut out, v.wrapping_sub(previous));
        previous = v;
    }
    out
}

/// Empty when pco refuses, which it does not for integers.
fn packed(ints: &[i64]) -> Vec<u8> {
    let mut out = vec![PCO];
    match simple_compress(ints, &config(ints)) {
        Ok(packed) => {
            out.extend_from_slice(&packed);
            out
        }
        Err(_) => Vec::new(),
    }
}

/// Reads `n` integers from the rest of a column.
pub(super) fn ints(mut r: Reader<'_>, n: usize) -> Result<Vec<i64>, DecodeError> {
    match r.u8()? {
        CONSTANT => Ok(vec![r.zigzag()?; n]),
        RUNS => {
            let mut all = Vec::with_capacity(n);
            while all.len() < n {
                let v = r.zigzag()?;
                let run = usize::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("run"))?;
                if run == 0 || run > n - all.len() {
                    return Err(DecodeError::Malformed("run"));
                }
                all.resize(all.len() + run, v);
            }
            Ok(all)
        }
        DIFFERENCES => {
            let mut all = Vec::with_capacity(n.min(r.left()));
            let mut v = 0_i64;
            for _ in 0..n {
                v = v.wrapping_add(r.zigzag()?);
                all.push(v);
            }
            Ok(all)
        }
        PCO => {
            let all =
                simple_decompress(r.bytes(r.left())?).map_err(|_| DecodeError::Malformed("integers"))?;
            if all.len() == n { Ok(all) } else { Err(DecodeError::Malformed("integers")) }
        }
        _ => Err(DecodeError::Malformed("column of integers")),
    }
}
