//! Durations as people write them: `30s`, `5min`, `1h`, `3d`, `1h30min`.

/// The units a duration may have, longest name first so that `min` and `ms` are not read as `m`.
const UNITS: [(&str, u64); 5] =
    [("min", 60_000), ("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("s", 1_000)];

/// Reads a duration and gives its milliseconds.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_millis(text: &str) -> Result<u64, String> {
    let refuse =
        || format!("{text:?} is not a duration; write for instance \"30s\", \"5min\", \"1h\" or \"3d\"");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let (unit, millis) = UNITS.iter().find(|(unit, _)| after.starts_with(unit)).ok_or_else(refuse)?;
        total = number.checked_mul(*millis).and_then(|ms| total.checked_add(ms)).ok_or_else(refuse)?;
        rest = &after[unit.len()..];
    }
    // Everything that counts time is a signed number of milliseconds.
    if i64::try_from(total).is_ok() { Ok(total) } else { Err(refuse()) }
}

/// Writes milliseconds the way [`parse_millis`] reads them, in as few parts as possible.
#[must_use]
pub fn show_millis(millis: u64) -> String {
    let mut out = String::new();
    let mut rest = millis;
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= size {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, ms) in [
            ("30s", 30_000),
            ("5min", 300_000),
            ("1h", 3_600_000),
            ("3d", 259_200_000),
            ("250ms", 250),
            ("1h30min", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_millis(text), Ok(ms), "{text}");
            assert_eq!(parse_millis(&show_millis(ms)), Ok(ms), "{text}");
        }
        for bad in ["", "5", "5 min", "min", "-3s", "1.5h", "5m", "99999999999999999999d", "300000000000d"] {
            assert!(parse_millis(bad).is_err(), "{bad}");
        }
    }
}
