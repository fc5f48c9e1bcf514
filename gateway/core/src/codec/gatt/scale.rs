//! 0x2A9D Weight Measurement.

use super::{Cursor, Document, date_time, small};
use crate::codec::document::CodecError;

/// The device could not measure.
const UNSUCCESSFUL: u16 = 0xffff;

/// One measurement.
pub(super) fn measurement(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = bytes.u8("flags")?;
    let imperial = flags & 1 != 0;
    document.key("unit");
    document.text(if imperial { "lb" } else { "kg" });
    let steps = bytes.u16("weight")?;
    document.key("weight");
    match (steps, imperial) {
        (UNSUCCESSFUL, _) => document.text("unsuccessful"),
        (steps, false) => document.decimal(i64::from(steps) * 5, -3),
        (steps, true) => document.decimal(steps.into(), -2),
    }
    if flags & 1 << 1 != 0 {
        date_time(bytes, document, "time")?;
    }
    if flags & 1 << 2 != 0 {
        small(bytes, document, "user_id")?;
    }
    if flags & 1 << 3 != 0 {
        let index = bytes.u16("bmi")?;
        document.key("bmi");
        document.decimal(index.into(), -1);
        let height = bytes.u16("height")?;
        document.key(if imperial { "height_in" } else { "height_m" });
        document.decimal(height.into(), if imperial { -1 } else { -3 });
    }
    Ok(())
}
