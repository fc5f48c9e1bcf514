//! 0x2A18 Glucose Measurement and 0x2A34 Glucose Measurement Context; the sequence number joins them.

use super::{Cursor, Document, bits, date_time, sfloat, small, word};
use crate::codec::document::CodecError;

/// From kg/l to mg/dl.
const TO_MG_PER_DL: i8 = 5;
/// From mol/l to mmol/l, from l to ml, from kg to g: a thousandth.
const TO_THOUSANDTHS: i8 = 3;
/// From kg to mg.
const TO_MILLIGRAMS: i8 = 6;

const SAMPLES: [(u8, &str); 10] = [
    (1, "capillary_whole_blood"),
    (2, "capillary_plasma"),
    (3, "venous_whole_blood"),
    (4, "venous_plasma"),
    (5, "arterial_whole_blood"),
    (6, "arterial_plasma"),
    (7, "undetermined_whole_blood"),
    (8, "undetermined_plasma"),
    (9, "interstitial_fluid"),
    (10, "control_solution"),
];
const LOCATIONS: [(u8, &str); 5] =
    [(1, "finger"), (2, "alternate_site"), (3, "earlobe"), (4, "control_solution"), (15, "not_available")];
const SENSOR_STATUS: [(u8, &str); 12] = [
    (0, "battery_low"),
    (1, "sensor_fault"),
    (2, "sample_too_small"),
    (3, "strip_insertion_error"),
    (4, "wrong_strip"),
    (5, "above_range"),
    (6, "below_range"),
    (7, "too_hot"),
    (8, "too_cold"),
    (9, "strip_pulled"),
    (10, "general_fault"),
    (11, "time_fault"),
];

/// Bits that make the result worthless, and what the first one of them is called.
const FAULTS: [u8; 8] = [1, 2, 3, 4, 7, 8, 9, 10];
/// Bits that say where the result lies when the meter cannot show it.
const BEYOND: [u8; 2] = [5, 6];

/// One measurement.
pub(super) fn measurement(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = bytes.u8("flags")?;
    document.key("sequence");
    document.whole(bytes.u16("sequence")?.into());
    date_time(bytes, document, "base_time")?;
    if flags & 1 != 0 {
        match bytes.u16("time_offset")?.cast_signed() {
            0x7fff => word(document, "time_offset_min", 0, &[(0, "overrun")]),
            i16::MIN => word(document, "time_offset_min", 0, &[(0, "underrun")]),
            minutes => {
                document.key("time_offset_min");
                document.whole(minutes.into());
            }
        }
    }
    if flags & 1 << 1 != 0 {
        let molar = flags & 1 << 2 != 0;
        document.key("unit");
        document.text(if molar { "mmol/L" } else { "mg/dL" });
        sfloat(bytes, document, "glucose", if molar { TO_THOUSANDTHS } else { TO_MG_PER_DL })?;
        let both = bytes.u8("sample")?;
        word(document, "sample", both & 0x0f, &SAMPLES);
        word(document, "location", both >> 4, &LOCATIONS);
    }
    let mut status = 0;
    if flags & 1 << 3 != 0 {
        status = bytes.u16("sensor_status")?;
        bits(document, status.into(), &SENSOR_STATUS);
    }
    // In each measurement, also of a meter that sends a status only when there is something to say: what one
    // measurement said must not stand for the next.
    first_of(document, "fault", status, &FAULTS);
    first_of(document, "beyond", status, &BEYOND);
    document.key("context_follows");
    document.flag(flags & 1 << 4 != 0);
    Ok(())
}

/// Writes the name of the first of these bits that is set.
fn first_of(document: &mut Document<'_>, key: &str, status: u16, among: &[u8]) {
    let set = |bit: &u8| among.contains(bit) && status >> bit & 1 == 1;
    let name = SENSOR_STATUS.iter().find(|(bit, _)| set(bit)).map_or("none", |(_, name)| name);
    document.key(key);
    document.text(name);
}

/// What a measurement was taken with: meal, exercise, medication.
pub(super) fn context(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let flags = bytes.u8("flags")?;
    document.key("sequence");
    document.whole(bytes.u16("sequence")?.into());
    let has = |bit: u8| flags >> bit & 1 == 1;
    if has(7) {
        bytes.take(1, "extended_flags")?;
    }
    if has(0) {
        let id = bytes.u8("carbohydrate_kind")?;
        let kinds = [
            (1, "breakfast"),
            (2, "lunch"),
            (3, "dinner"),
            (4, "snack"),
            (5, "drink"),
            (6, "supper"),
            (7, "brunch"),
        ];
        word(document, "carbohydrate_kind", id, &kinds);
        sfloat(bytes, document, "carbohydrate_g", TO_THOUSANDTHS)?;
    }
    if has(1) {
        let meal = bytes.u8("meal")?;
        let meals = [(1, "before_meal"), (2, "after_meal"), (3, "fasting"), (4, "casual"), (5, "bedtime")];
        word(document, "meal", meal, &meals);
    }
    if has(2) {
        let both = bytes.u8("tester")?;
        let testers = [(1, "self"), (2, "professional"), (3, "laboratory"), (15, "not_available")];
        let health = [
            (1, "minor_issue"),
            (2, "major_issue"),
            (3, "during_menses"),
            (4, "under_stress"),
            (5, "none"),
            (15, "not_available"),
        ];
        word(document, "tester", both & 0x0f, &testers);
        word(document, "health", both >> 4, &health);
    }
    if has(3) {
        match bytes.u16("exercise_s")? {
            0xffff => word(document, "exercise_s", 0, &[(0, "overrun")]),
            seconds => {
                document.key("exercise_s");
                document.whole(seconds.into());
            }
        }
        small(bytes, document, "exercise_intensity")?;
    }
    if has(4) {
        let id = bytes.u8("medication")?;
        let kinds = [(1, "rapid"), (2, "short"), (3, "intermediate"), (4, "long"), (5, "premixed")];
        word(document, "medication", id, &kinds);
        if has(5) {
            sfloat(bytes, document, "medication_ml", TO_THOUSANDTHS)?;
        } else {
            sfloat(bytes, document, "medication_mg", TO_MILLIGRAMS)?;
        }
    }
    if has(6) {
        sfloat(bytes, document, "hba1c", 0)?;
    }
    Ok(())
}
