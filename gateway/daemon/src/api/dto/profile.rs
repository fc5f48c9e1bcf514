//! Profiles on the wire: what a board needs to show a reading, nothing of how it is decoded.

use orderly_core::profile::{self as core, MetricKind as Kind};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Text, name};

/// A model of device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Profile {
    /// Its name.
    #[schema(example = "orderly-cs-1")]
    pub id: String,
    /// The class of the devices that it reads.
    #[schema(example = "cold_store")]
    pub class: String,
    /// Who makes the device.
    pub vendor: String,
    /// What the maker calls it.
    pub model: String,
    /// Version of the profile.
    pub version: String,
    /// What it measures, in the order in which people read it out.
    pub metrics: Vec<Metric>,
}

/// One thing that a model measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Metric {
    /// Its name, the same for all models of a class.
    #[schema(example = "temp")]
    pub name: String,
    /// What boards call it; null: the profile does not say.
    pub label: Option<Text>,
    /// What kind of value it has.
    pub kind: MetricKind,
    /// UCUM code of its unit; empty for states and texts.
    #[schema(example = "Cel")]
    pub unit: String,
    /// How many decimals the device sends; null: as many as there are.
    pub decimals: Option<u32>,
    /// Its states; empty for numbers and texts.
    pub states: Vec<String>,
}

/// What kind of value a metric has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// A number in a unit.
    Number,
    /// One of a list of states.
    State,
    /// A short text.
    Text,
}

/// The profiles in force, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Profiles {
    /// The profiles.
    pub profiles: Vec<Profile>,
}

impl From<&core::Profile> for Profile {
    fn from(profile: &core::Profile) -> Self {
        Self {
            id: name(profile.id()),
            class: name(profile.class()),
            vendor: profile.vendor().to_owned(),
            model: profile.model().to_owned(),
            version: profile.version().to_owned(),
            metrics: profile.metrics().iter().map(Metric::from).collect(),
        }
    }
}

impl From<&core::Metric> for Metric {
    fn from(metric: &core::Metric) -> Self {
        let (kind, unit, decimals, states) = match &metric.kind {
            Kind::Number(number) => {
                (MetricKind::Number, number.unit.to_string(), number.decimals(), Vec::new())
            }
            Kind::State(states) => {
                let tokens = states.tokens().map(|token| token.to_string()).collect();
                (MetricKind::State, String::new(), None, tokens)
            }
            Kind::Text => (MetricKind::Text, String::new(), None, Vec::new()),
        };
        let label = metric.label.as_ref().map(|label| Text { zh: label.zh.clone(), en: label.en.clone() });
        Self { name: name(&metric.name), label, kind, unit, decimals, states }
    }
}
