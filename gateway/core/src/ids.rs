//! Names of things: one checked string type, told apart by what it names.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name that is taken, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Marks an [`Id`] as the name of one physical thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {}
/// Marks an [`Id`] as the name of a device class (DOMAIN section 1: `bp_meter`, `wheelchair` ...).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {}
/// Marks an [`Id`] as the name of one stream of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {}
/// Marks an [`Id`] as the name of what is measured (`sys`, `glucose`, `occupied` ...).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {}
/// Marks an [`Id`] as the name of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {}
/// Marks an [`Id`] as the name of a device profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {}
/// Marks an [`Id`] as the name of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {}
/// Marks an [`Id`] as the name of a hospital site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {}
/// Marks an [`Id`] as the version of a device's firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Firmware {}
/// Marks an [`Id`] as the name of a fixed spot within a place: a bay, a dock, a cabinet, a slot, a bed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {}
/// Marks an [`Id`] as the name of a thing that moves: a wheelchair, a stretcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {}
/// Marks an [`Id`] as the name of a part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayPart {}
/// Marks an [`Id`] as the name of a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Team {}
/// Marks an [`Id`] as the name of a team's shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shift {}
/// Marks an [`Id`] as an opaque reference to a person who acts; never a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {}

/// Marks an [`Id`] as the name of a list of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {}

/// Name of one physical thing.
pub type DeviceId = Id<Device>;
/// Name of a device class.
pub type ClassId = Id<Class>;
/// Name of one stream of a device.
pub type StreamId = Id<Stream>;
/// Name of a metric.
pub type MetricId = Id<Metric>;
/// Name of a rule.
pub type RuleId = Id<Rule>;
/// Name of a device profile.
pub type ProfileId = Id<Profile>;
/// Name of a zone.
pub type ZoneId = Id<Zone>;
/// Name of a site.
pub type SiteId = Id<Site>;
/// Version of a device's firmware, as the maker writes it.
pub type FirmwareId = Id<Firmware>;
/// Name of a fixed spot.
pub type SpotId = Id<Spot>;
/// Name of a thing that moves.
pub type ItemId = Id<Item>;
/// Name of a part of the day.
pub type DayPartId = Id<DayPart>;
/// Name of a team.
pub type TeamId = Id<Team>;
/// Name of a team's shift.
pub type ShiftId = Id<Shift>;
/// Opaque reference to an acting person.
pub type ActorId = Id<Actor>;
/// Name of a list of tasks.
pub type ListId = Id<List>;

/// A checked name: 1 to 64 bytes of `A-Z a-z 0-9 . _ : -`, beginning with a letter or digit.
///
/// Cloning is cheap (a counted reference), so names travel with readings.
pub struct Id<K>(Arc<str>, PhantomData<fn() -> K>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name: {why}")]
pub struct NameError {
    /// The text that was refused, cut to 80 characters.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What keeps a text from being a name; `None` when it is one. Allocates nothing.
#[must_use]
pub fn why_not_a_name(text: &str) -> Option<&'static str> {
    match text.as_bytes() {
        [] => Some("it is empty"),
        bytes if bytes.len() > MAX_NAME_BYTES => Some("it is longer than 64 bytes"),
        [first, ..] if !first.is_ascii_alphanumeric() => Some("it must begin with a letter or digit"),
        bytes if !bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(b)) => {
            Some("only A-Z a-z 0-9 . _ : - may stand in it")
        }
        _ => None,
    }
}

impl<K> Id<K> {
    /// Checks a text and makes it a name.
    ///
    /// # Errors
    /// When the text is empty, longer than 64 bytes, begins with something else than a letter or digit,
    /// or holds a character outside `A-Z a-z 0-9 . _ : -`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let why = why_not_a_name(text);
        match why {
            Some(why) => Err(NameError { text: text.chars().take(80).collect(), why }),
            None => Ok(Self(Arc::from(text), PhantomData)),
        }
    }

    /// Whether both are the very same name in memory; equal names may still differ in this.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K> Borrow<str> for Id<K> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<K> AsRef<str> for Id<K> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<K> std::str::FromStr for Id<K> {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_and_says_why_it_refuses() {
        for good in ["bp-0001", "A", "00:1B:44:11:3A:B7", "icu.3_b"] {
            assert_eq!(DeviceId::new(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", "it is empty"),
            ("-x", "it must begin with a letter or digit"),
            ("a/b", "only A-Z a-z 0-9 . _ : - may stand in it"),
            ("血压", "it must begin with a letter or digit"),
        ] {
            assert_eq!(DeviceId::new(bad).map_err(|e| e.why), Err(why), "{bad}");
        }
        assert!(DeviceId::new(&"x".repeat(65)).is_err());
    }
}
