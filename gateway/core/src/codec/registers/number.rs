//! How registers become a value: widths, orders of bytes, and what is no number.

use std::borrow::Cow;

use super::{Form, Order};
use crate::codec::Sent;
use crate::codec::float::{half, single};

/// Reads a value from its registers, two bytes each as they came.
pub(super) fn value(form: Form, order: Order, wire: &[u8]) -> Sent<'static> {
    if let Form::Text(_) = form {
        return text(order, wire);
    }
    let mut bytes = [0; 8];
    let Some(room) = bytes.get_mut(..wire.len()) else { return Sent::Absent };
    room.copy_from_slice(wire);
    big_endian(order, room);
    let whole = room.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let low = whole.to_le_bytes();
    let signed = |bits: u32| Sent::Whole((whole << (64 - bits)).cast_signed() >> (64 - bits));
    match form {
        Form::U8 { high } => Sent::Whole(i64::from(low[usize::from(high)])),
        Form::I8 { high } => Sent::Whole(i64::from(low[usize::from(high)].cast_signed())),
        Form::U16 | Form::U32 | Form::U64 => unsigned(whole),
        Form::I16 => signed(16),
        Form::I32 => signed(32),
        Form::I64 => signed(64),
        Form::F16 => Sent::Float(half(u16::from_le_bytes([low[0], low[1]]))),
        Form::F32 => Sent::Float(single(f32::from_le_bytes([low[0], low[1], low[2], low[3]]))),
        Form::F64 => Sent::Float(f64::from_bits(whole)),
        Form::Bit(n) => Sent::Flag(whole >> n & 1 == 1),
        Form::Bits { from, count } => unsigned(whole >> from & ((1 << count) - 1)),
        Form::Bcd(_) => decimal(room),
        Form::Text(_) => Sent::Absent,
    }
}

/// Brings the bytes of a number into the order in which they are written down.
pub(super) fn big_endian(order: Order, bytes: &mut [u8]) {
    if matches!(order, Order::Cdab | Order::Dcba) {
        // Whole words change places; the bytes within them keep theirs.
        bytes.reverse();
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
    if matches!(order, Order::Badc | Order::Dcba) {
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
}

fn unsigned(n: u64) -> Sent<'static> {
    i64::try_from(n).map_or_else(|_| Sent::Digits(Cow::Owned(n.to_string())), Sent::Whole)
}

/// Binary-coded decimal: a digit in every four bits.
fn decimal(bytes: &[u8]) -> Sent<'static> {
    let mut n = 0;
    for digit in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        if digit > 9 {
            return Sent::Structure("digits that are not decimal");
        }
        n = n * 10 + i64::from(digit);
    }
    Sent::Whole(n)
}

/// Two characters in each register; it ends at the first zero, and blanks after it do not count.
fn text(order: Order, wire: &[u8]) -> Sent<'static> {
    let mut bytes = wire.to_vec();
    if matches!(order, Order::Badc | Order::Dcba) {
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    match String::from_utf8(bytes) {
        Ok(text) => Sent::Text(Cow::Owned(text.trim_end().to_owned())),
        Err(_) => Sent::Structure("bytes that are no text"),
    }
}
