//! Unknown devices on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::quarantine::shown;
use super::{Moment, name};
use crate::api::reads;

/// Devices that are on no register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Strangers {
    /// The devices, by name.
    pub devices: Vec<Stranger>,
}

/// A device that speaks and is on no register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stranger {
    /// Its name.
    pub id: String,
    /// The class that its topic says; null: none.
    pub class: Option<String>,
    /// How many of its messages stand in quarantine.
    pub samples: usize,
    /// When the oldest of them came.
    pub first_at: Moment,
    /// When the newest came.
    pub last_at: Moment,
    /// Where the newest came from.
    pub address: String,
    /// The beginning of the newest; empty when it may say who somebody is.
    pub excerpt: String,
    /// Profiles that read it, the best first.
    pub suggestions: Vec<Suggestion>,
}

/// A profile that reads what a device sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suggestion {
    /// The profile.
    pub profile: String,
    /// Its class.
    pub class: String,
    /// The address fits as well.
    pub fits: bool,
    /// The metrics of which it found good values.
    pub metrics: Vec<String>,
}

/// How a device is taken on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Adopt {
    /// Its profile; without it the only one that reads it and whose address fits.
    pub profile: Option<String>,
    /// Where it is.
    pub zone: Option<String>,
}

/// What a person says to claim a device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What is printed on it: its code, its address, or the text of its QR code.
    #[schema(example = "7K4M-2Q9X")]
    pub code: String,
    /// Its name, where several have the same code.
    #[serde(default)]
    pub device: Option<String>,
    /// Its profile; without it the only one that fits.
    #[serde(default)]
    pub profile: Option<String>,
    /// Where it is.
    #[serde(default)]
    pub zone: Option<String>,
}

/// A device that was taken on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adopted {
    /// The device.
    pub device: String,
    /// Its class.
    pub class: String,
    /// Its profile.
    pub profile: String,
    /// Messages from quarantine that were read.
    pub read: u64,
    /// Messages that its profile cannot read; they stay there.
    pub left: u64,
}

impl From<&reads::Stranger> for Stranger {
    fn from(stranger: &reads::Stranger) -> Self {
        let suggestion = |found: &orderly_core::profile::Suggestion| Suggestion {
            profile: name(&found.profile),
            class: name(&found.class),
            fits: found.fits,
            metrics: found.metrics.iter().map(name).collect(),
        };
        Self {
            id: name(&stranger.device),
            class: stranger.class.as_ref().map(name),
            samples: stranger.samples,
            first_at: stranger.first_at.into(),
            last_at: stranger.last_at.into(),
            address: stranger.address.clone(),
            excerpt: shown(&stranger.excerpt),
            suggestions: stranger.suggestions.iter().map(suggestion).collect(),
        }
    }
}
