//! 0x2A35 Blood Pressure Measurement and 0x2A36 Intermediate Cuff Pressure.

use super::{Cursor, Document, date_time, sfloat, small, word};
use crate::codec::document::CodecError;

/// One finished measurement.
pub(super) fn measurement(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = unit(bytes, document)?;
    sfloat(bytes, document, "systolic", 0)?;
    sfloat(bytes, document, "diastolic", 0)?;
    sfloat(bytes, document, "mean_arterial", 0)?;
    rest(flags, bytes, document)
}

/// The pressure in the cuff; the other two fields hold nothing.
pub(super) fn cuff(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = unit(bytes, document)?;
    sfloat(bytes, document, "cuff", 0)?;
    bytes.take(4, "unused")?;
    rest(flags, bytes, document)
}

fn unit(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<u8, CodecError> {
    let flags = bytes.u8("flags")?;
    document.key("unit");
    document.text(if flags & 1 == 0 { "mmHg" } else { "kPa" });
    Ok(flags)
}

fn rest(flags: u8, bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    if flags & 1 << 1 != 0 {
        date_time(bytes, document, "time")?;
    }
    if flags & 1 << 2 != 0 {
        sfloat(bytes, document, "pulse", 0)?;
    }
    if flags & 1 << 3 != 0 {
        small(bytes, document, "user_id")?;
    }
    if flags & 1 << 4 != 0 {
        let status = bytes.u16("status")?;
        super::bits(
            document,
            status.into(),
            &[(0, "body_movement"), (1, "cuff_loose"), (2, "irregular_pulse"), (5, "wrong_position")],
        );
        let range = (status >> 3 & 0b11).to_le_bytes()[0];
        word(document, "pulse_range", range, &[(0, "within"), (1, "above"), (2, "below")]);
    }
    Ok(())
}
