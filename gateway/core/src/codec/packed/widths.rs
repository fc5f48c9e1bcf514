//! The widths of the numbers in a CBOR item, which its reader does not tell.

use crate::codec::float::{half, single};

/// Every floating-point number of a well-formed item, in order, as the decimal that its width says; `None` when the
/// payload ends early.
pub(super) fn floats(payload: &[u8]) -> Option<Vec<f64>> {
    let (mut found, mut rest) = (Vec::new(), payload);
    // Heads follow one another, whatever they are within; only texts and bytes lie between.
    while let Some((head, after)) = rest.split_first() {
        let (major, more) = (head >> 5, head & 31);
        let size = [1, 2, 4, 8].get(usize::from(more).wrapping_sub(24)).copied().unwrap_or(0);
        let (argument, after) = after.split_at_checked(size)?;
        let bits = argument.iter().fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
        rest = match (major, more) {
            // Of unknown length: pieces with heads of their own follow.
            (2 | 3, 31) => after,
            (2 | 3, 0..=23) => after.get(usize::from(more)..)?,
            (2 | 3, _) => after.get(usize::try_from(bits).ok()?..)?,
            _ => after,
        };
        match (major, more) {
            (7, 25) => found.push(half(u16::try_from(bits).ok()?)),
            (7, 26) => found.push(single(f32::from_bits(u32::try_from(bits).ok()?))),
            (7, 27) => found.push(f64::from_bits(bits)),
            _ => {}
        }
    }
    Some(found)
}
