//! Readings and their values on the wire.

use std::collections::BTreeMap;

use orderly_core::reading as core;
use orderly_core::value as core_value;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Moment, name};
use crate::api::reads;

/// A value: a number, a token or text, or null when the device had none.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A number in the canonical unit.
    Number(f64),
    /// A token of a state, or free text.
    Text(String),
    /// The device had no value; `missing` says why.
    Nothing,
}

/// How far a value can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Nothing speaks against it.
    Good,
    /// Shown, left out of means and thresholds.
    Uncertain,
    /// An artefact: shown with its reason, never counted.
    Bad,
}

/// One metric of a reading.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Value {
    /// The value.
    pub value: Scalar,
    /// UCUM code of the canonical unit; empty for states and texts.
    #[schema(example = "mm[Hg]")]
    pub unit: String,
    /// How far it can be trusted.
    pub quality: Quality,
    /// Why there is no value (`high`, `low`, `not_a_number`, `absent`, `sensor_fault`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Why it is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The device's own text, where that says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// One act of measuring.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Reading {
    /// Where it came from: journal record and place within it.
    #[schema(example = "1204.0")]
    pub origin: String,
    /// The stream of the device.
    pub stream: String,
    /// The time as the device sent it.
    pub device_time: Option<Moment>,
    /// The time at which it was measured.
    pub taken_at: Moment,
    /// The time at which the gateway took it in.
    pub received_at: Moment,
    /// The device's own counter.
    pub sequence: Option<u64>,
    /// What was noticed about it (`late`, `conflict`, `clock_suspect` ...).
    pub marks: Vec<String>,
    /// The values by metric.
    pub values: BTreeMap<String, Value>,
}

/// The latest reading of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Latest {
    /// The stream of the device.
    pub stream: String,
    /// The time at which it was measured.
    pub taken_at: Moment,
    /// The time at which the gateway took it in.
    pub received_at: Moment,
    /// What was noticed about it.
    pub marks: Vec<String>,
    /// The values by metric.
    pub values: BTreeMap<String, Value>,
}

/// The good numbers of one metric in one span of time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Bucket {
    /// Where the span begins.
    pub at: Moment,
    /// The metric.
    pub metric: String,
    /// How many numbers.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
}

/// A reading as a store outside gives it back: what is not exported is not there.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OlderReading {
    /// The stream of the device.
    pub stream: String,
    /// The time at which it was measured.
    pub taken_at: Moment,
    /// The values by metric.
    pub values: BTreeMap<String, OlderValue>,
}

/// One metric of such a reading.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OlderValue {
    /// The value.
    pub value: Scalar,
    /// UCUM code of the canonical unit, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How far it can be trusted; null: the store does not say.
    pub quality: Option<Quality>,
}

impl OlderValue {
    /// Says the unit, if it is known.
    pub fn set_unit(&mut self, unit: Option<&str>) {
        self.unit = unit.map(str::to_owned);
    }
}

/// What a store outside has from before the local history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Older {
    /// The sink whose store it is.
    pub store: String,
    /// All of these were taken before this moment.
    pub to: Moment,
    /// The readings, in the asked order.
    pub readings: Vec<OlderReading>,
    /// Nothing that was asked for is missing. If it is `false` without an error there is more: ask up to the last.
    pub complete: bool,
    /// Why the store could not be asked.
    pub error: Option<String>,
}

/// Readings of one device.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Readings {
    /// The readings, newest first unless `order=asc`.
    pub readings: Vec<Reading>,
    /// The spans, oldest first, when `every` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<Vec<Bucket>>,
    /// Give it as `after` for the next page; null: there is no more.
    pub next: Option<String>,
    /// What a store outside has, when `from` lies before the local history: on the page where that ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older: Option<Older>,
}

impl From<&core::Reading> for Reading {
    fn from(reading: &core::Reading) -> Self {
        Self {
            origin: format!("{}.{}", reading.origin.seq, reading.origin.index),
            stream: name(&reading.stream),
            device_time: reading.device_time.map(Moment),
            taken_at: Moment(reading.taken_at),
            received_at: Moment(reading.received_at),
            sequence: reading.sequence,
            marks: marks(reading),
            values: values(reading, true),
        }
    }
}

impl From<&core::Reading> for Latest {
    fn from(reading: &core::Reading) -> Self {
        Self {
            stream: name(&reading.stream),
            taken_at: Moment(reading.taken_at),
            received_at: Moment(reading.received_at),
            marks: marks(reading),
            values: values(reading, false),
        }
    }
}

impl From<&reads::Bucket> for Bucket {
    fn from(bucket: &reads::Bucket) -> Self {
        Self {
            at: Moment(bucket.at),
            metric: name(&bucket.metric),
            count: bucket.count,
            min: bucket.min,
            max: bucket.max,
            mean: bucket.mean,
        }
    }
}

fn marks(reading: &core::Reading) -> Vec<String> {
    reading.marks.names().map(str::to_owned).collect()
}

fn values(reading: &core::Reading, with_raw: bool) -> BTreeMap<String, Value> {
    reading.values.iter().map(|measured| (name(&measured.metric), value(measured, with_raw))).collect()
}

fn value(measured: &core::Measured, with_raw: bool) -> Value {
    let (value, missing) = match &measured.value {
        core_value::Value::Number(number) => (Scalar::Number(*number), None),
        core_value::Value::State(text) | core_value::Value::Text(text) => {
            (Scalar::Text(text.to_string()), None)
        }
        core_value::Value::Missing(why) => (Scalar::Nothing, Some(missing(*why).to_owned())),
    };
    Value {
        value,
        unit: measured.unit.to_string(),
        quality: match measured.quality {
            core_value::Quality::Good => Quality::Good,
            core_value::Quality::Uncertain => Quality::Uncertain,
            core_value::Quality::Bad => Quality::Bad,
        },
        missing,
        reason: measured.reason.map(|why| reason(why).to_owned()),
        raw: measured.raw.as_deref().filter(|_| with_raw).map(str::to_owned),
    }
}

const fn missing(why: core_value::Missing) -> &'static str {
    match why {
        core_value::Missing::High => "high",
        core_value::Missing::Low => "low",
        core_value::Missing::NotANumber => "not_a_number",
        core_value::Missing::Absent => "absent",
        core_value::Missing::SensorFault => "sensor_fault",
    }
}

const fn reason(why: core_value::Reason) -> &'static str {
    match why {
        core_value::Reason::OutOfRange => "out_of_range",
        core_value::Reason::UnknownState => "unknown_state",
        core_value::Reason::DeviceFlag => "device_flag",
        core_value::Reason::Implausible => "implausible",
        core_value::Reason::Missing => "missing",
    }
}
