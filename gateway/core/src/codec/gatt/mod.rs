//! Bluetooth GATT measurement characteristics, as a gateway passes them on: the bytes of one notification.
//!
//! Source: Bluetooth SIG GATT Specification Supplement. All fields of several bytes are little-endian. The length
//! must be what the flags demand; more is passed over, less is refused. Reserved bits are ignored. Numbers keep
//! their decimal digits; a special value (not a number, out of range) becomes a word, see [`float`].

pub mod float;
mod glucose;
mod heart_rate;
mod oximeter;
mod pressure;
mod scale;
#[cfg(test)]
mod tests;
mod thermometer;

use super::cursor::Cursor;
use super::document::{CodecError, Document};

/// A characteristic that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characteristic {
    /// 0x2A35, of the service 0x1810.
    BloodPressure,
    /// 0x2A36: the pressure in the cuff while it measures; never a reading.
    CuffPressure,
    /// 0x2A18, of the service 0x1808.
    Glucose,
    /// 0x2A34: meal, carbohydrate and medication of the measurement with the same sequence number.
    GlucoseContext,
    /// 0x2A5E, of the service 0x1822.
    SpotOximetry,
    /// 0x2A5F.
    ContinuousOximetry,
    /// 0x2A9D, of the service 0x181D.
    Weight,
    /// 0x2A1C, of the service 0x1809.
    Temperature,
    /// 0x2A37, of the service 0x180D.
    HeartRate,
}

impl Characteristic {
    /// The names in a profile, and what they stand for.
    pub const NAMES: [(&str, Self); 9] = [
        ("2a35", Self::BloodPressure),
        ("2a36", Self::CuffPressure),
        ("2a18", Self::Glucose),
        ("2a34", Self::GlucoseContext),
        ("2a5e", Self::SpotOximetry),
        ("2a5f", Self::ContinuousOximetry),
        ("2a9d", Self::Weight),
        ("2a1c", Self::Temperature),
        ("2a37", Self::HeartRate),
    ];

    /// Reads the number of a characteristic: `2a35`, `0x2A35` or its long form.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let lower = name.trim().to_ascii_lowercase();
        let short = lower.strip_prefix("0x").unwrap_or(&lower);
        let short = match short.strip_suffix("-0000-1000-8000-00805f9b34fb") {
            Some(long) => long.strip_prefix("0000")?,
            None => short,
        };
        Self::NAMES.iter().find(|(known, _)| *known == short).map(|(_, characteristic)| *characteristic)
    }

    /// Whether a word has the form of a characteristic's number, known here or not: `2a52`, `0x2A52`.
    #[must_use]
    pub fn looks_like(word: &str) -> bool {
        let short = word.strip_prefix("0x").unwrap_or(word).as_bytes();
        matches!(short, [b'2', b'a' | b'A' | b'b' | b'B' | b'c' | b'C', rest @ ..]
            if rest.len() == 2 && rest.iter().all(u8::is_ascii_hexdigit))
    }

    /// The number by which a profile names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// Writes one notification as JSON.
///
/// # Errors
/// When it is shorter than its flags demand.
pub fn read(characteristic: Characteristic, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let (mut bytes, mut document) = (Cursor::new(payload), Document::new(out));
    document.begin_object();
    let read = match characteristic {
        Characteristic::BloodPressure => pressure::measurement,
        Characteristic::CuffPressure => pressure::cuff,
        Characteristic::Glucose => glucose::measurement,
        Characteristic::GlucoseContext => glucose::context,
        Characteristic::SpotOximetry => oximeter::spot,
        Characteristic::ContinuousOximetry => oximeter::continuous,
        Characteristic::Weight => scale::measurement,
        Characteristic::Temperature => thermometer::measurement,
        Characteristic::HeartRate => heart_rate::measurement,
    };
    read(&mut bytes, &mut document)?;
    document.end_object();
    document.check()
}

/// What a flag or status bit says, by name.
fn bits(document: &mut Document<'_>, word: u32, names: &[(u8, &str)]) {
    for (bit, name) in names {
        document.key(name);
        document.flag(word >> bit & 1 == 1);
    }
}

/// Date Time 0x2A08: local, without a zone. A year, month or day of 0 is unknown: then nothing is written.
fn date_time(bytes: &mut Cursor<'_>, document: &mut Document<'_>, key: &str) -> Result<(), CodecError> {
    let [low, high, month, day, hour, minute, second] = bytes.array::<7>("time")?;
    let year = u16::from_le_bytes([low, high]);
    if year != 0 && month != 0 && day != 0 {
        document.key(key);
        document.text(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"));
    }
    Ok(())
}

/// A member whose value is an SFLOAT, scaled by a power of ten.
fn sfloat(
    bytes: &mut Cursor<'_>,
    document: &mut Document<'_>,
    key: &str,
    shift: i8,
) -> Result<(), CodecError> {
    let word = bytes.u16(key)?;
    document.key(key);
    float::short(word).scaled(shift).write(document);
    Ok(())
}

/// A member whose value is one byte.
fn small(bytes: &mut Cursor<'_>, document: &mut Document<'_>, key: &str) -> Result<u8, CodecError> {
    let byte = bytes.u8(key)?;
    document.key(key);
    document.whole(byte.into());
    Ok(byte)
}

/// A member whose value is a word out of a list; a number without a word stays a number.
fn word(document: &mut Document<'_>, key: &str, number: u8, words: &[(u8, &str)]) {
    document.key(key);
    match words.iter().find(|(known, _)| *known == number) {
        Some((_, word)) => document.text(word),
        None => document.whole(number.into()),
    }
}
