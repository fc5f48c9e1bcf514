//! 0x2A5E PLX Spot-Check Measurement and 0x2A5F PLX Continuous Measurement.

use super::{Cursor, Document, bits, date_time, sfloat};
use crate::codec::document::CodecError;

const MEASUREMENT_STATUS: [(u8, &str); 11] = [
    (5, "ongoing"),
    (6, "early_estimate"),
    (7, "validated"),
    (8, "fully_qualified"),
    (9, "from_storage"),
    (10, "demonstration"),
    (11, "testing"),
    (12, "calibrating"),
    (13, "unavailable"),
    (14, "questionable"),
    (15, "invalid"),
];
const SENSOR_STATUS: [(u8, &str); 9] = [
    (1, "malfunction"),
    (3, "inadequate_signal"),
    (4, "poor_signal"),
    (5, "low_perfusion"),
    (6, "erratic_signal"),
    (8, "questionable_pulse"),
    (11, "not_on_user"),
    (13, "displaced"),
    (15, "disconnected"),
];

/// One measurement of a moment.
pub(super) fn spot(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = bytes.u8("flags")?;
    sfloat(bytes, document, "spo2", 0)?;
    sfloat(bytes, document, "pulse", 0)?;
    if flags & 1 != 0 {
        date_time(bytes, document, "time")?;
    }
    status(flags >> 1, bytes, document)?;
    document.key("clock_not_set");
    document.flag(flags & 1 << 4 != 0);
    Ok(())
}

/// One of many measurements in a row: the ordinary average, and a fast and a slow one where the device has them.
pub(super) fn continuous(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = bytes.u8("flags")?;
    sfloat(bytes, document, "spo2", 0)?;
    sfloat(bytes, document, "pulse", 0)?;
    if flags & 1 != 0 {
        sfloat(bytes, document, "spo2_fast", 0)?;
        sfloat(bytes, document, "pulse_fast", 0)?;
    }
    if flags & 1 << 1 != 0 {
        sfloat(bytes, document, "spo2_slow", 0)?;
        sfloat(bytes, document, "pulse_slow", 0)?;
    }
    status(flags >> 2, bytes, document)
}

/// Measurement status, device and sensor status, and pulse amplitude index, each where its flag is set.
fn status(flags: u8, bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    if flags & 1 != 0 {
        let word = bytes.u16("measurement_status")?;
        bits(document, word.into(), &MEASUREMENT_STATUS);
    }
    if flags & 1 << 1 != 0 {
        let word = bytes.u24("sensor_status")?;
        bits(document, word, &SENSOR_STATUS);
    }
    if flags & 1 << 2 != 0 {
        sfloat(bytes, document, "pulse_amplitude", 0)?;
    }
    Ok(())
}
