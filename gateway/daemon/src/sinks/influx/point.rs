//! One reading as one line of line protocol: measurement = class; tags site, device, zone, stream; one field
//! per metric in its canonical unit; nanoseconds that make two readings of one millisecond two rows.
//!
//! A line carries the device, never a person.

use orderly_core::codec::line::{LineWriter, WriteError};
use orderly_core::ids::SiteId;
use orderly_core::reading::Reading;
use orderly_core::value::{Quality, Value};

/// Appends the line of a reading, line end included. `quality` is written when it is asked for, and always
/// when a value is not good or there is nothing else. On an error nothing is appended.
///
/// # Errors
/// When a value cannot stand in a line, or there is none.
pub fn write(
    out: &mut Vec<u8>,
    site: &SiteId,
    reading: &Reading,
    with_quality: bool,
) -> Result<(), WriteError> {
    let mut line = LineWriter::new(out, reading.class.as_str());
    line.tag("device", reading.device.as_str());
    line.tag("site", site.as_str());
    line.tag("stream", reading.stream.as_str());
    line.tag("zone", reading.zone.as_ref().map_or("", |zone| zone.as_str()));
    let (mut written, mut worst) = (false, None);
    for measured in &reading.values {
        worst = worst.max(Some(measured.quality));
        match &measured.value {
            Value::Number(n) => line.float(measured.metric.as_str(), *n),
            Value::State(text) | Value::Text(text) => line.text(measured.metric.as_str(), text),
            Value::Missing(_) => continue,
        };
        written = true;
    }
    match worst {
        Some(Quality::Good) if written && !with_quality => {}
        Some(quality) => {
            line.text("quality", name(quality));
        }
        None => {}
    }
    line.finish(Some(reading.export_ns()))
}

const fn name(quality: Quality) -> &'static str {
    match quality {
        Quality::Good => "good",
        Quality::Uncertain => "uncertain",
        Quality::Bad => "bad",
    }
}

#[cfg(test)]
pub(in crate::sinks) mod tests;
