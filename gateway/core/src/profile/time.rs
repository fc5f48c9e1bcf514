//! How a device writes its time, and how far its clock is believed.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Taken;
use super::layout::{Place, Places};
use crate::codec::Sent;
use crate::diagnostic::Section;
use crate::time::Timestamp;

/// Zone of devices that send local time and say no zone (DOMAIN 0.3).
const DEFAULT_ZONE: &str = "Asia/Shanghai";
const DAY_MS: u64 = 86_400_000;
/// What a device says in place of an offset that it cannot say.
const UNKNOWN_OFFSETS: [&str; 2] = ["overrun", "underrun"];
/// Classes whose readings may be a year old when they come: the patient's meter kept them (DESIGN section 3, Time).
const CLINICAL: [&str; 7] =
    ["bp_meter", "glucose_meter", "cgm", "scale", "thermometer", "oximeter", "bedside_monitor"];

/// How a device's clock is read and how far it is believed.
#[derive(Debug, Clone)]
pub struct TimeRule {
    format: Format,
    /// Milliseconds of one unit of what is added to the time.
    offset_unit_ms: f64,
    /// A device time further ahead than this is a clock that is wrong, in milliseconds.
    pub max_future_ms: u64,
    /// A reading older than this may not touch twins and latest values, in milliseconds.
    pub max_past_ms: u64,
}

#[derive(Debug, Clone)]
enum Format {
    Rfc3339,
    EpochSeconds,
    EpochMillis,
    Local { pattern: Option<String>, zone: TimeZone },
}

impl TimeRule {
    /// The rule of a device that sends no time.
    pub(super) fn none(class: &str) -> Self {
        let past = if CLINICAL.contains(&class) { 400 } else { 1 };
        Self {
            format: Format::Rfc3339,
            offset_unit_ms: 0.0,
            max_future_ms: 600_000,
            max_past_ms: past * DAY_MS,
        }
    }

    /// Reads `[time]`; the place of the time in the payload comes back beside it.
    pub(super) fn read(
        section: &Section<'_, '_>,
        class: &str,
        places: Places,
    ) -> Option<(Self, Option<Place>, Option<Place>)> {
        let mut rule = Self::none(class);
        let place = places.read(section);
        let mut offset = None;
        if section.has("plus") {
            let plus = section.section("plus")?;
            offset = Some(places.need(&plus)?);
            plus.need_text("unit")?;
            rule.offset_unit_ms = [1.0, 1_000.0, 60_000.0][plus.choice("unit", &["ms", "s", "min"])?];
        }
        let zone = section.text("zone");
        let format = section.text("format");
        rule.max_future_ms = section.millis("max_future").unwrap_or(rule.max_future_ms);
        rule.max_past_ms = section.millis("max_past").unwrap_or(rule.max_past_ms);
        rule.format = match format {
            None | Some("rfc3339") => Format::Rfc3339,
            Some("epoch_s") => Format::EpochSeconds,
            Some("epoch_ms") => Format::EpochMillis,
            Some(local) if local == "local" || local.starts_with("local ") => {
                let pattern = local.strip_prefix("local ").map(str::to_owned);
                let name = zone.unwrap_or(DEFAULT_ZONE);
                let Ok(zone) = TimeZoneDatabase::bundled().get(name) else {
                    section.wrong("zone", format!("there is no time zone {name:?}"), None);
                    return None;
                };
                Format::Local { pattern, zone }
            }
            Some(other) => {
                let hint = crate::diagnostic::nearest(other, ["rfc3339", "epoch_s", "epoch_ms", "local"]);
                section.wrong(
                    "format",
                    format!("{other:?} is not one of rfc3339, epoch_s, epoch_ms, local, \"local %Y-%m-%d %H:%M:%S\""),
                    hint.map(|near| format!("did you mean {near:?}?")),
                );
                return None;
            }
        };
        if zone.is_some() && !matches!(rule.format, Format::Local { .. }) {
            section.wrong("zone", "a zone has a meaning only with format \"local\"", None);
            return None;
        }
        Some((rule, place, offset))
    }

    /// The time that was sent, with what is sent beside it to be added; without one, how far from receipt it was.
    pub(super) fn resolve_with(
        &self,
        sent: &Sent<'_>,
        offset: &Sent<'_>,
        relative: &Sent<'_>,
    ) -> Result<(Option<Timestamp>, Taken), String> {
        let time = self.resolve(sent)?;
        let Some(time) = time else {
            let from_receipt = millis(relative, 1_000.0).map_or(Taken::AsSent, Taken::FromReceipt);
            return Ok((None, from_receipt));
        };
        match offset {
            Sent::Absent | Sent::Null => Ok((Some(time), Taken::AsSent)),
            // The device's clock was put forward or back by more than it can say.
            Sent::Text(word) if UNKNOWN_OFFSETS.contains(&word.as_ref()) => Ok((None, Taken::Unknown)),
            _ => match millis(offset, self.offset_unit_ms) {
                Some(millis) => Ok((Some(Timestamp(time.0 + millis)), Taken::AsSent)),
                None => Err(format!("expected a number to add to it, found {}", offset.describe())),
            },
        }
    }

    /// The time that was sent; `None` when the device sent none.
    pub(super) fn resolve(&self, sent: &Sent<'_>) -> Result<Option<Timestamp>, String> {
        let wrong = |wanted: &str| Err(format!("expected {wanted}, found {}", sent.describe()));
        match (&self.format, sent) {
            (_, Sent::Absent | Sent::Null) => Ok(None),
            (Format::Rfc3339, Sent::Text(text)) => match text.parse::<jiff::Timestamp>() {
                Ok(time) => Ok(Some(Timestamp(time.as_millisecond()))),
                Err(_) => wrong("a time like \"2026-11-21T07:30:00+08:00\""),
            },
            (Format::Rfc3339, _) => wrong("a time like \"2026-11-21T07:30:00+08:00\""),
            (Format::EpochSeconds, _) => match epoch(sent, 1_000.0) {
                Some(time) => Ok(Some(time)),
                None => wrong("seconds since 1970"),
            },
            (Format::EpochMillis, _) => match epoch(sent, 1.0) {
                Some(time) => Ok(Some(time)),
                None => wrong("milliseconds since 1970"),
            },
            (Format::Local { pattern, zone }, Sent::Text(text)) => {
                let civil = match pattern {
                    Some(pattern) => DateTime::strptime(pattern, text.as_bytes()).ok(),
                    None => text.parse::<DateTime>().ok().filter(|_| !has_offset(text)),
                };
                match civil.and_then(|civil| zone.to_timestamp(civil).ok()) {
                    Some(time) => Ok(Some(Timestamp(time.as_millisecond()))),
                    None => wrong(&format!(
                        "a local time like {:?}",
                        pattern.as_deref().unwrap_or("2026-11-21T07:30:00")
                    )),
                }
            }
            (Format::Local { .. }, _) => wrong("a local time in quotes"),
        }
    }
}

/// A number of some unit in milliseconds, if it is a length of time that can be.
fn millis(sent: &Sent<'_>, unit_ms: f64) -> Option<i64> {
    let number = match sent {
        Sent::Digits(digits) => digits.parse::<f64>().ok()?,
        Sent::Whole(n) => *n as f64,
        Sent::Float(n) => *n,
        _ => return None,
    };
    let millis = (number * unit_ms).round();
    (millis.abs() < 1e13).then_some(millis as i64)
}

/// A civil parser drops an offset silently; a device that sends one is not on local time.
fn has_offset(text: &str) -> bool {
    text.ends_with(['Z', 'z', ']']) || text.get(10..).is_some_and(|time| time.contains(['+', '-']))
}

fn epoch(sent: &Sent<'_>, factor: f64) -> Option<Timestamp> {
    let number = match sent {
        Sent::Digits(digits) => digits.parse::<f64>().ok()?,
        Sent::Whole(n) => *n as f64,
        Sent::Float(n) => *n,
        _ => return None,
    };
    let millis = (number * factor).round();
    // Years that a calendar can show; beyond them it is no time.
    (millis.abs() < 2.5e14).then_some(Timestamp(millis as i64))
}
