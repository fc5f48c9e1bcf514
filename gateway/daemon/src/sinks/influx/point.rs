//! One reading as one line of line protocol: measurement = class; tags site, device, zone, stream; one field
//! per metric in its canonical unit; nanoseconds that make two readings of one millisecond two rows.
//!
//! A line carries the device, never a person.

use orderly_core::codec::line::{LineWriter, WriteError};
use orderly_core::ids::SiteId;
use orderly_core::reading::Reading;
use orderly_core::value::{Quality, Value};

use super::field;

/// What a store makes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// Numbers and texts are kept as they are.
    All,
    /// Numbers only: a text would be kept as 0, so states and texts stay out and a quality is a number (0 good,
    /// 1 uncertain, 2 bad).
    Numbers,
}

/// Appends the line of a reading, line end included. `quality` is always there, the worst of its values; where it is
/// not good and there are several, each has its own in `<metric>_quality`. A metric with the name of a tag, as `zone`, is the
/// field `measured_zone`. So a point that is written again
/// with better values says so, and nobody must remember what was written before. On an error nothing is appended.
///
/// # Errors
/// When a value cannot stand in a line, or there is none.
pub fn write(out: &mut Vec<u8>, site: &SiteId, reading: &Reading, fields: Fields) -> Result<(), WriteError> {
    let mut line = LineWriter::new(out, reading.class.as_str());
    line.tag("device", reading.device.as_str());
    line.tag("site", site.as_str());
    line.tag("stream", reading.stream.as_str());
    line.tag("zone", reading.zone.as_ref().map_or("", |zone| zone.as_str()));
    for measured in &reading.values {
        match (&measured.value, fields) {
            (Value::Number(n), _) => line.float(&field::of(measured.metric.as_str()), *n),
            (Value::State(text) | Value::Text(text), Fields::All) => {
                line.text(&field::of(measured.metric.as_str()), text)
            }
            (Value::State(_) | Value::Text(_), Fields::Numbers) | (Value::Missing(_), _) => continue,
        };
    }
    let mut judge = |field: &str, quality: Quality| {
        match fields {
            Fields::All => line.text(field, name(quality)),
            Fields::Numbers => line.float(field, number(quality)),
        };
    };
    if let Some(worst) = reading.values.iter().map(|m| m.quality).max() {
        judge("quality", worst);
        if worst != Quality::Good && reading.values.len() > 1 {
            for measured in &reading.values {
                judge(&field::quality_of(measured.metric.as_str()), measured.quality);
            }
        }
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

const fn number(quality: Quality) -> f64 {
    match quality {
        Quality::Good => 0.0,
        Quality::Uncertain => 1.0,
        Quality::Bad => 2.0,
    }
}

#[cfg(test)]
pub(in crate::sinks) mod tests;
