//! 0x2A37 Heart Rate Measurement.

use super::{Cursor, Document};
use crate::codec::document::CodecError;

/// One measurement.
pub(super) fn measurement(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = bytes.u8("flags")?;
    let rate = if flags & 1 == 0 { bytes.u8("heart_rate")?.into() } else { bytes.u16("heart_rate")? };
    document.key("heart_rate");
    document.whole(rate.into());
    // Bit 2: the sensor can tell whether it touches the skin; bit 1: whether it does.
    if flags & 1 << 2 != 0 {
        document.key("contact");
        document.flag(flags & 1 << 1 != 0);
    }
    if flags & 1 << 3 != 0 {
        document.key("energy_kj");
        document.whole(bytes.u16("energy_kj")?.into());
    }
    if flags & 1 << 4 != 0 {
        document.key("rr_ms");
        document.begin_list();
        while bytes.rest().len() >= 2 {
            // In 1/1024 s.
            let steps = u32::from(bytes.u16("rr_ms")?);
            document.decimal((i64::from(steps) * 10_000_000 + 512) / 1024, -4);
        }
        document.end_list();
    }
    Ok(())
}
