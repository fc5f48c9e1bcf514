//! The states that the engine keeps, on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Condition, Latest, Moment, name};
use crate::api::reads;

/// The state of one device as the engine keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Twin {
    /// The device.
    pub device: String,
    /// Whether it reports as expected; null when nothing is expected of it.
    pub online: Option<bool>,
    /// When the gateway last heard from it.
    pub last_seen: Option<Moment>,
    /// Its streams.
    pub streams: Vec<TwinStream>,
    /// What its rules hold.
    pub rules: Vec<TwinRule>,
}

/// One stream of a twin.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TwinStream {
    /// The stream.
    pub stream: String,
    /// The newest time that was believed.
    pub watermark: Option<Moment>,
    /// Its latest reading.
    pub latest: Option<Latest>,
}

/// One rule on a twin.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TwinRule {
    /// The rule.
    pub rule: String,
    /// Whether what it describes is so.
    pub condition: Condition,
    /// Since when.
    pub since: Option<Moment>,
}

/// Twins in the order of the devices' names.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Twins {
    /// The twins.
    pub twins: Vec<Twin>,
    /// Give it as `after` for the next page; null: there is no more.
    pub next: Option<String>,
}

impl From<&reads::TwinView> for Twin {
    fn from(view: &reads::TwinView) -> Self {
        Self {
            device: name(&view.device),
            online: view.online,
            last_seen: view.last_seen.map(Moment),
            streams: view.streams.iter().map(TwinStream::from).collect(),
            rules: view.rules.iter().map(TwinRule::from).collect(),
        }
    }
}

impl From<&reads::TwinStream> for TwinStream {
    fn from(stream: &reads::TwinStream) -> Self {
        Self {
            stream: name(&stream.stream),
            watermark: stream.watermark.map(Moment),
            latest: stream.latest.as_ref().map(Latest::from),
        }
    }
}

impl From<&reads::TwinRule> for TwinRule {
    fn from(rule: &reads::TwinRule) -> Self {
        Self { rule: name(&rule.rule), condition: rule.condition.into(), since: rule.since.map(Moment) }
    }
}
