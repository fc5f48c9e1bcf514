//! 0x2A1C Temperature Measurement.

use super::{Cursor, Document, date_time, float, word};
use crate::codec::document::CodecError;

const SITES: [(u8, &str); 9] = [
    (1, "armpit"),
    (2, "body"),
    (3, "ear"),
    (4, "finger"),
    (5, "gastrointestinal"),
    (6, "mouth"),
    (7, "rectum"),
    (8, "toe"),
    (9, "tympanum"),
];

/// One measurement.
pub(super) fn measurement(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = bytes.u8("flags")?;
    document.key("unit");
    document.text(if flags & 1 == 0 { "Cel" } else { "[degF]" });
    document.key("temperature");
    float::long(bytes.u32("temperature")?).write(document);
    if flags & 1 << 1 != 0 {
        date_time(bytes, document, "time")?;
    }
    if flags & 1 << 2 != 0 {
        word(document, "site", bytes.u8("site")?, &SITES);
    }
    Ok(())
}
