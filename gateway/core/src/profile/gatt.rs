//! Which Bluetooth characteristic a message is of, and the two messages that make one reading.
//!
//! A glucose measurement and its context (meal, medication) come in two messages with one sequence number. Each is
//! decoded by itself; [`Profile::join`] puts them together, in whichever order the engine gets to know them.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{DecodeError, DedupeBy, Profile};
use crate::codec::gatt::Characteristic;
use crate::codec::json::Locator;
use crate::diagnostic::{Section, nearest};
use crate::ids::MetricId;
use crate::reading::Measured;
use crate::topic::{PREFIX, TopicPattern};

/// What a message is of the reading that it tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Half {
    /// All of it.
    #[default]
    Whole,
    /// What was measured; a context may come, or have come, in a message of its own.
    Measurement,
    /// What it was measured with.
    Context,
}

impl Half {
    /// Whether a metric stands in such a message; `context`: it stands in the context.
    #[must_use]
    pub const fn tells(self, context: bool) -> bool {
        match self {
            Self::Whole => true,
            Self::Measurement => !context,
            Self::Context => context,
        }
    }
}

/// `[codec]` of the kind `gatt`.
#[derive(Debug)]
pub(super) struct Gatt {
    measurement: Characteristic,
    context: Option<Characteristic>,
    said: Said,
}

/// Where a message says which characteristic it is of.
#[derive(Debug)]
enum Said {
    /// The last level of our own topic, if it is the number of one.
    OwnTopic,
    /// A wildcard of a foreign topic; on our own topics as above.
    Topic(String),
    /// In the envelope.
    Outer(Locator),
}

impl Gatt {
    /// Reads it.
    pub(super) fn read(section: &Section<'_, '_>) -> Option<Self> {
        let measurement = characteristic(section, "characteristic")?;
        if !section.has("context") {
            return Some(Self { measurement, context: None, said: Said::OwnTopic });
        }
        let context = characteristic(section, "context")?;
        if (measurement, context) != (Characteristic::Glucose, Characteristic::GlucoseContext) {
            section.wrong("context", "only 2a18 has a context, and it is 2a34", None);
            return None;
        }
        let said = match section.section("said") {
            None if section.has("said") => return None,
            None => Said::OwnTopic,
            Some(said) if said.has("outer") => Said::Outer(said.parsed("outer", Locator::one)?),
            Some(said) => Said::Topic(said.need_text("topic")?.to_owned()),
        };
        Some(Self { measurement, context: Some(context), said })
    }

    /// Whether two messages make one reading.
    pub(super) const fn joins(&self) -> bool {
        self.context.is_some()
    }

    /// The wildcard of the topic that says which characteristic it is.
    pub(super) fn wildcard(&self) -> Option<&str> {
        match &self.said {
            Said::Topic(name) => Some(name),
            Said::OwnTopic | Said::Outer(_) => None,
        }
    }

    /// Whether the envelope must say it.
    pub(super) const fn needs_envelope(&self) -> bool {
        matches!(self.said, Said::Outer(_))
    }

    /// What a message is; one that does not say which characteristic it is of is a measurement.
    pub(super) fn half(
        &self,
        address: &str,
        envelope: Option<&str>,
        pattern: Option<&TopicPattern>,
    ) -> Result<Half, DecodeError> {
        let Some(context) = self.context else { return Ok(Half::Whole) };
        let said = match &self.said {
            Said::Outer(path) => envelope.and_then(|envelope| path.value(envelope)).and_then(text),
            Said::Topic(name) => {
                let captures = pattern.and_then(|pattern| pattern.matches(address));
                let level = captures.and_then(|captures| captures.get(name));
                level.or_else(|| own_level(address)).map(Cow::Borrowed)
            }
            Said::OwnTopic => own_level(address).map(Cow::Borrowed),
        };
        let Some(said) = said else { return Ok(Half::Measurement) };
        match Characteristic::named(&said) {
            Some(found) if found == self.measurement => Ok(Half::Measurement),
            Some(found) if found == context => Ok(Half::Context),
            _ => Err(DecodeError::bad_field(format!(
                "the message is of the characteristic {:?}; this profile reads {} and {}",
                crate::codec::cut(&said),
                self.measurement.name(),
                context.name(),
            ))),
        }
    }

    /// What is read of such a message.
    pub(super) fn of(&self, half: Half) -> Characteristic {
        match (half, self.context) {
            (Half::Context, Some(context)) => context,
            _ => self.measurement,
        }
    }
}

/// The last level of one of our own topics, where it is the number of a characteristic and no stream.
pub(super) fn own_level(address: &str) -> Option<&str> {
    let level = address.strip_prefix(PREFIX)?.rsplit_once("/up/")?.1;
    (Characteristic::named(level).is_some() || Characteristic::looks_like(level)).then_some(level)
}

/// The text that stands there as JSON.
fn text(json: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<String>(json).ok().map(Cow::Owned)
}

fn characteristic(section: &Section<'_, '_>, key: &str) -> Option<Characteristic> {
    let name = section.need_text(key)?;
    let found = Characteristic::named(name);
    if found.is_none() {
        let known = Characteristic::NAMES.map(|(name, _)| name);
        let near = nearest(name, known).map(|near| format!("did you mean {near:?}?"));
        section.wrong(key, format!("{name:?} is not one of {}", known.join(", ")), near);
    }
    found
}

/// Refuses what does not go together in a profile whose readings come in two messages, or in one.
pub(super) fn check(root: &Section<'_, '_>, gatt: Option<&Gatt>, by: Option<DedupeBy>, envelope: bool) {
    let joins = gatt.is_some_and(Gatt::joins);
    for metric in root.sections("metric") {
        // Who read the metric has told what is unknown in it.
        drop(metric.keys());
        if metric.flag("context") == Some(true) && !joins {
            metric.wrong("context", "the codec reads no context: it has no context = \"2a34\"", None);
        }
    }
    if !joins {
        return;
    }
    let Some(section) = root.section("codec") else { return };
    drop(section.keys());
    if by.is_some_and(|by| by != DedupeBy::Sequence) {
        let hint = "give [sequence] path = \"$.sequence\" and [dedupe] by = \"seq\"".to_owned();
        section.wrong("context", "only the sequence number says whose context it is", Some(hint));
    }
    if gatt.is_some_and(Gatt::needs_envelope) && !envelope {
        section.wrong("said", "there is no [envelope] around the payload", None);
    }
}

impl Profile {
    /// Whether its readings may come in two messages, a measurement and its context.
    #[must_use]
    pub fn joins(&self) -> bool {
        self.form.as_ref().is_some_and(super::form::Form::joins)
    }

    /// Whether a metric stands in the context.
    #[must_use]
    pub fn is_context(&self, metric: &MetricId) -> bool {
        self.metric(metric).is_some_and(|metric| metric.context)
    }

    /// A reading and what its context tells: what was measured stays, and what an earlier context told goes.
    /// Before the measurement has come there is only the context.
    #[must_use]
    pub fn join(&self, before: &[Measured], context: &[Measured]) -> SmallVec<[Measured; 1]> {
        let measured = before.iter().filter(|one| !self.is_context(&one.metric));
        let mut all: SmallVec<[Measured; 1]> = measured.cloned().collect();
        let is_measured = !all.is_empty();
        for metric in self.metrics.iter().filter(|metric| metric.context) {
            match context.iter().find(|told| told.metric == metric.name) {
                Some(told) => all.push(told.clone()),
                None if is_measured => all.extend(metric.untold()),
                None => {}
            }
        }
        all
    }
}
