//! What holds for a class where neither profile nor rule says otherwise (DESIGN section 3, Time).

const MINUTE_MS: i64 = 60_000;

/// Meters that people use at home; their values come when the phone is near.
const HOME: [&str; 6] = ["bp_meter", "glucose_meter", "cgm", "scale", "thermometer", "oximeter"];

/// Devices at the bed.
const BEDSIDE: [&str; 6] =
    ["bedside_monitor", "infusion_pump", "drip_monitor", "bed_sensor", "nurse_call", "ambulance"];

/// How old a reading of the class may be for a live decision, in milliseconds.
#[must_use]
pub fn late_ms(class: &str) -> i64 {
    if HOME.contains(&class) {
        24 * 60 * MINUTE_MS
    } else if BEDSIDE.contains(&class) {
        10 * MINUTE_MS
    } else {
        2 * MINUTE_MS
    }
}

/// Whether values of the class are a patient's: they never go into a notice (DOMAIN rule 9).
#[must_use]
pub fn is_clinical(class: &str) -> bool {
    HOME.contains(&class) || BEDSIDE.contains(&class)
}
