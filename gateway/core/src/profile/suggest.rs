//! Which profiles read what an unknown device sent.

use std::sync::Arc;

use super::{Input, Profile};
use crate::ids::{ClassId, MetricId, ProfileId};
use crate::record::Flags;
use crate::time::Timestamp;
use crate::topic::Topic;
use crate::value::Quality;

/// A profile that reads a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The profile.
    pub profile: ProfileId,
    /// Its class.
    pub class: ClassId,
    /// Messages from this address come to the profile: its class or its topic pattern fits.
    pub fits: bool,
    /// The metrics that it found good values of.
    pub metrics: Vec<MetricId>,
}

/// The profiles that find a good value in the payload: first those that the address fits, then by how much they find.
#[must_use]
pub fn suggest(
    profiles: &[Arc<Profile>],
    address: &str,
    payload: &[u8],
    received_at: Timestamp,
) -> Vec<Suggestion> {
    let class = Topic::parse(address).ok().map(|topic| topic.class);
    let input = Input { address, payload, received_at, flags: Flags::default() };
    let read = |profile: &Arc<Profile>| {
        let decoded = profile.decode(input).ok()?;
        let mut metrics: Vec<MetricId> = Vec::new();
        for measured in decoded.iter().flat_map(|decoded| &decoded.values) {
            if measured.quality == Quality::Good && !metrics.contains(&measured.metric) {
                metrics.push(measured.metric.clone());
            }
        }
        let pattern = profile.matching().topic.as_ref();
        let fits = class == Some(profile.class().as_str())
            || pattern.is_some_and(|pattern| pattern.matches(address).is_some());
        (!metrics.is_empty()).then(|| Suggestion {
            profile: profile.id().clone(),
            class: profile.class().clone(),
            fits,
            metrics,
        })
    };
    let mut found: Vec<Suggestion> = profiles.iter().filter_map(read).collect();
    found.sort_by(|a, b| {
        let key = |s: &Suggestion| (!s.fits, usize::MAX - s.metrics.len());
        key(a).cmp(&key(b)).then_with(|| a.profile.cmp(&b.profile))
    });
    found
}
