//! What was measured: a number, a state, a text, or the reason why there is none.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One measured value in the canonical unit of its metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A finite number. NaN and infinities never get here: they are refused at decode.
    Number(f64),
    /// One token of the list in the profile; booleans are two-token states.
    State(Arc<str>),
    /// At most 64 bytes of text, never aggregated.
    Text(Arc<str>),
    /// The device said that it has no value, and why.
    Missing(Missing),
}

/// Why a device has no number to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Above what the device can measure (a glucose meter's HI).
    High,
    /// Below what the device can measure (a glucose meter's LO).
    Low,
    /// The device sent NaN, an infinity or its own "not a number" code.
    NotANumber,
    /// The device sent null or an empty field.
    Absent,
    /// The device reported a fault of its sensor.
    SensorFault,
}

/// How far a value can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Nothing speaks against it.
    #[default]
    Good,
    /// Kept and shown, left out of means and thresholds unless a rule asks for it.
    Uncertain,
    /// An artefact: kept and shown with its reason, never counted.
    Bad,
}

/// Why a value is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Outside the plausible range of the profile.
    OutOfRange,
    /// A state that is not on the profile's list.
    UnknownState,
    /// The device flagged the value itself (motion, poor fit, test strip).
    DeviceFlag,
    /// Values of the same reading contradict one another (diastolic above systolic).
    Implausible,
    /// The value is missing; see [`Missing`].
    Missing,
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::State(_) | Self::Text(_) | Self::Missing(_) => None,
        }
    }
}
