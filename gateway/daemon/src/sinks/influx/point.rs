//! One reading as one line of line protocol: measurement = class; tags site, device, zone, stream; one field
//! per metric in its canonical unit; nanoseconds that make two readings of one millisecond two rows.
//!
//! A line carries the device, never a person.

use orderly_core::ids::SiteId;
use orderly_core::reading::Reading;
use orderly_core::value::{Quality, Value};

/// Why a reading cannot be written as a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A text holds a character that could end the line or hide something.
    #[error("the text of {metric} holds a control character")]
    Control {
        /// The metric.
        metric: String,
    },
    /// A number that is none. Decoding refuses them, so this is a fault of ours.
    #[error("the number of {metric} is not finite")]
    NotFinite {
        /// The metric.
        metric: String,
    },
    /// It has nothing that could be written.
    #[error("the reading has no value")]
    Empty,
}

/// Appends the line of a reading, line end included. `quality` is written when it is asked for, and always
/// when a value is not good. On an error nothing is appended.
///
/// # Errors
/// When a value cannot stand in a line.
pub fn write(
    out: &mut Vec<u8>,
    site: &SiteId,
    reading: &Reading,
    with_quality: bool,
) -> Result<(), Unwritable> {
    let start = out.len();
    let written = try_write(out, site, reading, with_quality);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn try_write(
    out: &mut Vec<u8>,
    site: &SiteId,
    reading: &Reading,
    with_quality: bool,
) -> Result<(), Unwritable> {
    // Names are made of letters, digits and `. _ : -` only (core::ids), none of which needs an escape.
    out.extend_from_slice(reading.class.as_str().as_bytes());
    for (key, value) in [(",device=", Some(reading.device.as_str())), (",site=", Some(site.as_str()))] {
        tag(out, key, value);
    }
    tag(out, ",stream=", Some(reading.stream.as_str()));
    tag(out, ",zone=", reading.zone.as_ref().map(|z| z.as_str()));
    let mut separator = b' ';
    for measured in &reading.values {
        if matches!(measured.value, Value::Missing(_)) {
            continue;
        }
        out.push(separator);
        separator = b',';
        out.extend_from_slice(measured.metric.as_str().as_bytes());
        out.push(b'=');
        let metric = || measured.metric.to_string();
        match &measured.value {
            Value::Number(n) if n.is_finite() => number(out, *n),
            Value::Number(_) => return Err(Unwritable::NotFinite { metric: metric() }),
            Value::State(text) | Value::Text(text) if text.chars().any(char::is_control) => {
                return Err(Unwritable::Control { metric: metric() });
            }
            Value::State(text) | Value::Text(text) => quoted(out, text),
            Value::Missing(_) => {}
        }
    }
    let quality = reading.values.iter().map(|m| m.quality).max().ok_or(Unwritable::Empty)?;
    if with_quality || quality != Quality::Good || separator == b' ' {
        out.push(separator);
        out.extend_from_slice(match quality {
            Quality::Good => b"quality=\"good\"",
            Quality::Uncertain => b"quality=\"uncertain\"",
            Quality::Bad => b"quality=\"bad\"",
        });
    }
    out.push(b' ');
    integer(out, reading.export_ns());
    out.push(b'\n');
    Ok(())
}

fn tag(out: &mut Vec<u8>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// The shortest text that reads back as the same number; whole numbers without a point, which is a float too.
fn number(out: &mut Vec<u8>, n: f64) {
    let whole = n as i64;
    if whole as f64 == n && whole.unsigned_abs() < 1 << 53 && (whole != 0 || n.is_sign_positive()) {
        integer(out, whole);
    } else {
        // Writing into memory does not fail, and a finite number is always JSON.
        drop(serde_json::to_writer(out, &n));
    }
}

fn integer(out: &mut Vec<u8>, n: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
pub(super) mod tests;
