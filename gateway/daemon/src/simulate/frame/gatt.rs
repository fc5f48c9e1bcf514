//! Bluetooth notifications of home meters, after the GATT Specification Supplement: 0x2A35 and 0x2A18.

use orderly_core::value::{Missing, Value};

use super::super::value::{Values, find, is, number_of};
use super::{Bytes, local};

/// Below what can be shown, above it, and no number at this resolution.
const BELOW: u16 = 0x0802;
const ABOVE: u16 = 0x07fe;
const NO_NUMBER: u16 = 0x0800;

/// A decimal number in 16 bits: its digits in 12, the power of ten in 4.
fn sfloat(digits: f64, power: i8) -> [u8; 2] {
    let mantissa = digits.round().clamp(-2_045.0, 2_045.0) as i16;
    let word = (mantissa.cast_unsigned() & 0x0fff) | u16::from(power.cast_unsigned() & 0x0f) << 12;
    word.to_le_bytes()
}

/// Year, month, day, hour, minute, second by the meter's own clock.
fn date_time(ms: i64) -> [u8; 7] {
    let Some(time) = local(ms) else { return [0; 7] };
    let [low, high] = time.year().cast_unsigned().to_le_bytes();
    let small = |part: i8| part.cast_unsigned();
    [
        low,
        high,
        small(time.month()),
        small(time.day()),
        small(time.hour()),
        small(time.minute()),
        small(time.second()),
    ]
}

/// Blood Pressure Measurement in mmHg with time, pulse and status.
pub(super) fn pressure(values: &Values, taken: i64) -> Bytes {
    let mut out = vec![0b0001_0110];
    for metric in ["sys", "dia", "map"] {
        out.extend(sfloat(number_of(values, metric), 0));
    }
    out.extend(date_time(taken));
    out.extend(sfloat(number_of(values, "pulse"), 0));
    let bits =
        [(0, "motion", "yes"), (1, "cuff", "loose"), (2, "rhythm", "irregular"), (5, "position", "wrong")];
    let status: u16 = bits.iter().map(|(bit, name, on)| u16::from(is(values, name, on)) << bit).sum();
    out.extend(status.to_le_bytes());
    (out, &["sys", "dia", "map", "pulse", "motion", "cuff", "rhythm", "position"])
}

/// Glucose Measurement in mol/l with time offset, kind of sample and status of the sensor.
pub(super) fn glucose(values: &Values, taken: i64, counter: u16) -> Bytes {
    let mut out = vec![0b0000_1111];
    out.extend(counter.to_le_bytes());
    out.extend(date_time(taken));
    out.extend(0_i16.to_le_bytes());
    out.extend(match find(values, "glucose") {
        Some(Value::Number(value)) => sfloat(*value * 10.0, -4),
        Some(Value::Missing(Missing::High)) => ABOVE.to_le_bytes(),
        Some(Value::Missing(Missing::Low)) => BELOW.to_le_bytes(),
        _ => NO_NUMBER.to_le_bytes(),
    });
    // From a fingertip.
    out.push(0x10 | if is(values, "sample", "control") { 10 } else { 1 });
    let status = u16::from(is(values, "strip", "too_small")) << 2
        | u16::from(is(values, "range", "above")) << 5
        | u16::from(is(values, "range", "below")) << 6;
    out.extend(status.to_le_bytes());
    (out, &["glucose", "sample", "strip", "range"])
}
