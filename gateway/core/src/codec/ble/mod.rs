//! Bluetooth advertisements as a reader passes them on: the whole data of one advertisement, or one part of it.
//!
//! After the Bluetooth Core Specification supplement part A (data types), the layout of Apple's Proximity Beacon
//! Specification, and <https://bthome.io/format> (version 2) with its public reference reader. Who heard whom, and how loud, stands in the report around the bytes:
//! a profile takes it from the envelope.

mod bthome;
#[cfg(test)]
mod tests;

use super::cursor::Cursor;
use super::document::{CodecError, Document};

/// Assigned to BTHome.
const BTHOME: u16 = 0xfcd2;
/// Assigned to Apple.
const APPLE: u16 = 0x004c;
/// What Apple's data begins with in a beacon: its kind and its length.
const BEACON: [u8; 2] = [0x02, 0x15];
/// An advertisement has at most so many bytes (extended advertising).
const MOST_BYTES: usize = 1_650;

/// What of an advertisement a payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// All of it: parts with length and type.
    #[default]
    Whole,
    /// Manufacturer data, with the number of the company in front.
    Manufacturer,
    /// Service data of BTHome, without the number of the service.
    BtHome,
}

impl Part {
    /// The names in a profile, in the order of the variants.
    pub const NAMES: [&str; 3] = ["whole", "manufacturer", "bthome"];

    /// The part with this place in [`Part::NAMES`].
    #[must_use]
    pub const fn numbered(place: usize) -> Self {
        match place {
            1 => Self::Manufacturer,
            2 => Self::BtHome,
            _ => Self::Whole,
        }
    }
}

/// Writes one advertisement as JSON.
///
/// # Errors
/// When it is cut off, is encrypted, or holds what its format does not know.
pub fn read(part: Part, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    if payload.len() > MOST_BYTES {
        return Err(CodecError::whole(format!(
            "the payload has {} bytes; at most {MOST_BYTES} are read",
            payload.len()
        )));
    }
    let (mut bytes, mut document) = (Cursor::new(payload), Document::new(out));
    document.begin_object();
    match part {
        Part::Whole => whole(&mut bytes, &mut document)?,
        Part::Manufacturer => manufacturer(&mut bytes, &mut document)?,
        Part::BtHome => bthome::read(&mut bytes, &mut document)?,
    }
    document.end_object();
    document.check()
}

/// Each part once: where a type comes again, the first counts, as names in an object must be one of a kind.
fn whole(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let mut seen: u8 = 0;
    let mut first = |bit: u8| {
        let new = seen & 1 << bit == 0;
        seen |= 1 << bit;
        new
    };
    while let Some(length) = bytes.rest().first().copied() {
        bytes.take(1, "length")?;
        // What follows a length of 0 is filling.
        if length == 0 {
            break;
        }
        let at = bytes.at();
        let body = bytes.take(length.into(), "part")?;
        let (kind, data) = (body[0], &body[1..]);
        let mut inner = Cursor::within(data, at + 1);
        match kind {
            0x01 if first(0) => {
                document.key("flags");
                document.whole(inner.u8("flags")?.into());
            }
            0x08 | 0x09 if first(1) => {
                document.key("name");
                document.text(&String::from_utf8_lossy(data));
            }
            0x0a if first(2) => {
                document.key("tx_power");
                document.whole(inner.u8("tx_power")?.cast_signed().into());
            }
            0x16 if data.starts_with(&BTHOME.to_le_bytes()) && first(3) => {
                inner.take(2, "service")?;
                document.key("bthome");
                document.begin_object();
                bthome::read(&mut inner, document)?;
                document.end_object();
            }
            0xff if first(4) => manufacturer(&mut inner, document)?,
            _ => {}
        }
    }
    Ok(())
}

/// The data of a company: a beacon of Apple's, else as it is.
fn manufacturer(bytes: &mut Cursor<'_>, document: &mut Document<'_>) -> Result<(), CodecError> {
    let company = bytes.u16("company")?;
    document.key("company");
    document.whole(company.into());
    if company != APPLE || !bytes.rest().starts_with(&BEACON) {
        document.key("manufacturer_data");
        document.bytes(bytes.rest());
        return Ok(());
    }
    bytes.take(BEACON.len(), "kind")?;
    let uuid = bytes.array::<16>("uuid")?;
    // Numbers of a beacon stand with the higher byte first.
    let [major, minor] = [bytes.array("major")?, bytes.array("minor")?].map(u16::from_be_bytes);
    let power = bytes.u8("power_at_1m")?.cast_signed();
    document.key("ibeacon");
    document.begin_object();
    document.key("uuid");
    document.text(&dashed(&uuid));
    document.key("major");
    document.whole(major.into());
    document.key("minor");
    document.whole(minor.into());
    document.key("power_at_1m");
    document.whole(power.into());
    document.end_object();
    Ok(())
}

fn dashed(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in uuid.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
