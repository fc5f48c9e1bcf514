//! A column of numbers: as whole numbers of tenths, hundredths or thousandths when that is exact, else by pco.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

use super::ints::{ints, put_ints};
use crate::batch::DecodeError;
use crate::batch::wire::{Reader, put_number};

const POWERS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
const MAX_DECIMAL: f64 = 562_949_953_421_312.0; // 2^49
const BITS: u8 = 7;
const EACH: u8 = 8;

/// Appends numbers; how many there are must be known to the reader.
pub(super) fn put_numbers(out: &mut Vec<u8>, numbers: &[f64]) {
    for (k, power) in POWERS.iter().enumerate() {
        let whole: Option<Vec<i64>> = numbers.iter().map(|v| decimal(*v, *power)).collect();
        if let Some(whole) = whole {
            out.push(k as u8);
            put_ints(out, &whole);
            return;
        }
    }
    let mut each = vec![EACH];
    for v in numbers {
        put_number(&mut each, *v);
    }
    match simple_compress(numbers, &ChunkConfig::default()) {
        Ok(packed) if packed.len() < each.len() => {
            out.push(BITS);
            out.extend_from_slice(&packed);
        }
        _ => out.extend_from_slice(&each),
    }
}

/// `v` in units of `1 / power`, when dividing gives back the same bits.
fn decimal(v: f64, power: f64) -> Option<i64> {
    let m = (v * power).round();
    if m.abs() >= MAX_DECIMAL {
        return None;
    }
    let m = m as i64;
    ((m as f64 / power).to_bits() == v.to_bits()).then_some(m)
}

/// Reads `n` numbers from the rest of a column.
pub(super) fn numbers(mut r: Reader<'_>, n: usize) -> Result<Vec<f64>, DecodeError> {
    let all = match r.u8()? {
        BITS => simple_decompress(r.bytes(r.left())?).map_err(|_| DecodeError::Malformed("numbers"))?,
        EACH => (0..n).map(|_| r.number()).collect::<Result<_, _>>()?,
        k => {
            let power = POWERS.get(usize::from(k)).ok_or(DecodeError::Malformed("numbers"))?;
            ints(r, n)?.into_iter().map(|m| m as f64 / power).collect()
        }
    };
    if all.len() == n { Ok(all) } else { Err(DecodeError::Malformed("numbers")) }
}
