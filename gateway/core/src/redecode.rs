//! What another profile would make of messages that were decided already: counted by metric, with examples.
//!
//! Nothing is decided here. What stands in the history is what was decided; beside it is put what would be decoded now.

mod versions;

use std::collections::BTreeMap;

use crate::ids::{DeviceId, MetricId};
use crate::profile::{DecodeError, Decoded, Half, Profile};
use crate::reading::{Measured, Reading};
use crate::record::Seq;
use crate::time::Timestamp;
use crate::value::{Quality, Value};

pub use versions::{Version, Versions};

/// What is compared beside the metrics of a reading.
const TIME: &str = "(time)";
const STREAM: &str = "(stream)";
/// So many different reasons of refusal are told apart.
const REASONS: usize = 20;

/// Reasons that another profile may do away with; all others are not about what the payload says.
const ABOUT_DECODING: [&str; 4] = ["malformed", "bad_field", "no_firmware", "no_profile"];

/// A message that was decided, and what the history has of it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Its record.
    pub seq: Seq,
    /// Whose it was.
    pub device: &'a DeviceId,
    /// When it came.
    pub received_at: Timestamp,
    /// The readings that were kept of it.
    pub kept: &'a [Reading],
    /// Why it stands in quarantine, if it does: the code of the reason.
    pub refused: Option<&'a str>,
}

/// How one metric would change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Values that stay as they are.
    pub same: u64,
    /// Values that would be others.
    pub changed: u64,
    /// Values where there is none.
    pub added: u64,
    /// Values that would not be there.
    pub gone: u64,
    /// The first of those that would change.
    pub examples: Vec<Example>,
}

/// A value that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The record of its message.
    pub seq: Seq,
    /// Whose it is.
    pub device: DeviceId,
    /// When its message came.
    pub received_at: Timestamp,
    /// What stands; `None`: nothing.
    pub before: Option<String>,
    /// What would stand.
    pub after: Option<String>,
}

/// All that would change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// How many examples of each metric are kept.
    most: usize,
    /// Metrics whose values are personal: examples do not show them.
    private: Vec<String>,
    /// Metrics of the context, where a reading comes in two messages.
    context: Vec<MetricId>,
    /// Messages that were compared.
    pub messages: u64,
    /// Those of which everything stays as it is.
    pub same: u64,
    /// Those of which something would change.
    pub changed: u64,
    /// Those in quarantine that could be read.
    pub readable: u64,
    /// Those in quarantine that could not.
    pub unreadable: u64,
    /// Those that were read and would be refused.
    pub refused: u64,
    /// Those in quarantine for a reason that is none of the profile's, by its code.
    pub elsewhere: BTreeMap<String, u64>,
    /// Those of a version of the firmware that nobody knows any more.
    pub unversioned: u64,
    /// Those of which the history has nothing: repeats, and what its retention has let go.
    pub unknown: u64,
    /// By metric.
    pub metrics: BTreeMap<String, Change>,
    /// Why messages would be refused, how often, and the first record of each.
    pub reasons: BTreeMap<String, (u64, Seq)>,
}

impl Diff {
    /// Nothing is compared yet; `most` examples of each metric are kept, those of `private` metrics without values.
    #[must_use]
    pub fn new(most: usize, private: &[String]) -> Self {
        Self { most, private: private.to_vec(), ..Self::default() }
    }

    /// The same of this profile.
    #[must_use]
    pub fn of(most: usize, profile: &Profile) -> Self {
        let context = profile.metrics().iter().map(|metric| &metric.name);
        let context = context.filter(|name| profile.is_context(name)).cloned().collect();
        Self { context, ..Self::new(most, profile.private()) }
    }

    /// Whether nothing would change.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changed == 0 && self.readable == 0 && self.refused == 0
    }

    /// Compares one message with what would be decoded of it now.
    pub fn compare(&mut self, told: Told<'_>, now: Result<Vec<Decoded>, DecodeError>) {
        self.messages += 1;
        match (told.kept, now) {
            ([], _) if told.refused.is_none() => self.unknown += 1,
            ([], _) if told.refused.is_some_and(|code| !ABOUT_DECODING.contains(&code)) => {
                *self.elsewhere.entry(told.refused.unwrap_or_default().to_owned()).or_default() += 1;
            }
            ([], Ok(decoded)) => {
                self.readable += 1;
                for measured in decoded.iter().flat_map(|decoded| &decoded.values) {
                    self.note(told, measured.metric.as_str(), None, Some(shown(measured)));
                }
            }
            ([], Err(_)) => self.unreadable += 1,
            (kept, Err(error)) => {
                self.refused += 1;
                if self.reasons.len() < REASONS || self.reasons.contains_key(&error.reason) {
                    self.reasons.entry(error.reason).or_insert((0, told.seq)).0 += 1;
                }
                for measured in kept.iter().flat_map(|reading| &reading.values) {
                    self.note(told, measured.metric.as_str(), Some(shown(measured)), None);
                }
            }
            (kept, Ok(decoded)) => {
                let mut changed = false;
                for reading in kept {
                    changed |= self.reading(told, reading, decoded.get(usize::from(reading.origin.index)));
                }
                if changed { self.changed += 1 } else { self.same += 1 }
            }
        }
    }

    /// Whether a reading would be another one.
    fn reading(&mut self, told: Told<'_>, kept: &Reading, now: Option<&Decoded>) -> bool {
        let mut changed = false;
        let said = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let time = now.and_then(|now| now.device_time);
        // Of a reading that came in two messages, each tells its own half.
        let half = now.map_or(Half::Whole, |now| now.half);
        let context = self.context.clone();
        let tells = |measured: &&Measured| half.tells(context.contains(&measured.metric));
        if now.is_some() && half != Half::Context {
            changed |= self.note(told, TIME, said(kept.device_time), said(time));
        }
        let stream = now.map(|now| now.stream.to_string());
        changed |= self.note(told, STREAM, Some(kept.stream.to_string()), stream);
        for measured in kept.values.iter().filter(tells) {
            let after = now.and_then(|now| now.values.iter().find(|after| after.metric == measured.metric));
            changed |= self.note(told, measured.metric.as_str(), Some(shown(measured)), after.map(shown));
        }
        for after in now.into_iter().flat_map(|now| &now.values).filter(tells) {
            if !kept.values.iter().any(|measured| measured.metric == after.metric) {
                changed |= self.note(told, after.metric.as_str(), None, Some(shown(after)));
            }
        }
        changed
    }

    /// Counts one value; whether it would change.
    fn note(&mut self, told: Told<'_>, metric: &str, before: Option<String>, after: Option<String>) -> bool {
        if before.is_none() && after.is_none() {
            return false;
        }
        let change = self.metrics.entry(metric.to_owned()).or_default();
        let count = match (&before, &after) {
            (before, after) if before == after => {
                change.same += 1;
                return false;
            }
            (Some(_), Some(_)) => &mut change.changed,
            (None, _) => &mut change.added,
            (Some(_), None) => &mut change.gone,
        };
        *count += 1;
        if change.examples.len() < self.most {
            let hide = |text: String| {
                if self.private.iter().any(|known| known == metric) { "*".to_owned() } else { text }
            };
            change.examples.push(Example {
                seq: told.seq,
                device: told.device.clone(),
                received_at: told.received_at,
                before: before.map(hide),
                after: after.map(hide),
            });
        }
        true
    }
}

/// A value with its unit and, if it is not good, its quality: what makes two values the same.
fn shown(measured: &Measured) -> String {
    let mut text = match &measured.value {
        Value::Number(n) if measured.unit.is_empty() => n.to_string(),
        Value::Number(n) => format!("{n} {}", measured.unit),
        Value::State(text) => text.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Missing(missing) => format!("missing ({})", word(missing)),
    };
    if measured.quality != Quality::Good {
        text.push_str(&format!(", {}", word(&measured.quality)));
    }
    if let Some(reason) = &measured.reason {
        text.push_str(&format!(" ({})", word(reason)));
    }
    text
}

/// The name by which a plain enum is written everywhere else.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Input;
    use crate::reading::{Marks, Origin};
    use crate::record::Flags;

    const PROFILE: &str = r#"
[profile]
id = "t"
class = "cold_store"
vendor = "T"
model = "F"
version = "1"
schema = 1
[source]
document = "constructed"
[codec]
kind = "json"
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
range = [-40, 60]
[[metric]]
name = "door"
path = "$.door"
states = ["closed", "open"]
required = false
[[test]]
input = '{"temp":5}'
from = "constructed"
[test.expect]
temp = 5
"#;

    fn decode(profile: &Profile, payload: &str) -> Result<Vec<Decoded>, DecodeError> {
        let address = "orderly/v1/main/cold_store/f1/up/reading";
        let input = Input {
            address,
            payload: payload.as_bytes(),
            received_at: Timestamp(0),
            flags: Flags::default(),
        };
        profile.decode(input)
    }

    fn kept(profile: &Profile, seq: Seq, payload: &str) -> Vec<Reading> {
        let reading = |(index, decoded): (u16, Decoded)| Reading {
            origin: Origin { seq, index },
            device: "f1".parse().unwrap(),
            class: "cold_store".parse().unwrap(),
            epoch: 0,
            stream: decoded.stream,
            device_time: decoded.device_time,
            taken_at: Timestamp(0),
            received_at: Timestamp(0),
            sequence: None,
            offset_ns: 0,
            profile: profile.hash(),
            marks: Marks::default(),
            replaces: None,
            zone: None,
            values: decoded.values,
        };
        (0..).zip(decode(profile, payload).unwrap()).map(reading).collect()
    }

    #[test]
    fn what_would_change_is_counted_by_message_and_metric() {
        let old = Profile::parse(PROFILE, "old").unwrap();
        let text = PROFILE.replace("range = [-40, 60]", "range = [-40, 8]").replace("$.door", "$.d");
        let new = Profile::parse(&text, "new").unwrap();
        let device: DeviceId = "f1".parse().unwrap();
        let mut diff = Diff::new(1, &["door".to_owned()]);
        let mut compare = |seq, payload: &str, stood: bool, refused: Option<&str>| {
            let kept = if stood { kept(&old, seq, payload) } else { Vec::new() };
            let told = Told { seq, device: &device, received_at: Timestamp(0), kept: &kept, refused };
            diff.compare(told, decode(&new, payload));
        };
        compare(1, r#"{"temp":5}"#, true, None);
        compare(2, r#"{"temp":9,"door":"open"}"#, true, None);
        compare(3, r#"{"temp":10,"d":"closed"}"#, true, None);
        compare(4, r#"{"temp":5}"#, false, None);
        compare(5, r#"{"temp":5}"#, false, Some("bad_field"));
        compare(6, "nothing", false, Some("malformed"));
        // What is wrong with these is not what they say.
        for (seq, code) in [(7, "wrong_class"), (8, "revoked"), (9, "revoked")] {
            compare(seq, r#"{"temp":5}"#, false, Some(code));
        }
        assert_eq!((diff.messages, diff.same, diff.changed), (9, 1, 2));
        let elsewhere: Vec<_> = diff.elsewhere.iter().map(|(code, n)| (code.as_str(), *n)).collect();
        assert_eq!(elsewhere, [("revoked", 2), ("wrong_class", 1)]);
        assert_eq!((diff.readable, diff.unreadable, diff.refused, diff.unknown), (1, 1, 0, 1));
        let temp = &diff.metrics["temp"];
        assert_eq!((temp.same, temp.changed, temp.added, temp.gone), (1, 2, 1, 0));
        let Example { seq, before, after, .. } = &temp.examples[0];
        let said = (before.as_deref(), after.as_deref());
        assert_eq!((*seq, said), (2, (Some("9 Cel"), Some("9 Cel, bad (out_of_range)"))));
        assert_eq!(temp.examples.len(), 1);
        let door = &diff.metrics["door"];
        assert_eq!((door.added, door.gone, door.examples[0].before.as_deref()), (1, 1, Some("*")));
        assert!(!diff.is_empty() && !diff.metrics.contains_key("(time)"));
    }

    #[test]
    fn what_would_be_refused_says_why_and_nothing_changes_under_the_same_profile() {
        let old = Profile::parse(PROFILE, "old").unwrap();
        let new = Profile::parse(
            &PROFILE
                .replace(
                    "$.door\"\nstates = [\"closed\", \"open\"]\nrequired = false",
                    "$.door\"\nstates = [\"closed\", \"open\"]",
                )
                .replace("{\"temp\":5}", "{\"temp\":5,\"door\":\"open\"}")
                .replace("temp = 5\n", "temp = 5\ndoor = \"open\"\n"),
            "new",
        )
        .unwrap();
        let device: DeviceId = "f1".parse().unwrap();
        let stood = kept(&old, 7, r#"{"temp":5}"#);
        let told = Told { seq: 7, device: &device, received_at: Timestamp(0), kept: &stood, refused: None };
        let mut diff = Diff::new(3, &[]);
        diff.compare(told, decode(&old, r#"{"temp":5}"#));
        assert!(diff.is_empty());
        diff.compare(told, decode(&new, r#"{"temp":5}"#));
        assert_eq!((diff.refused, diff.metrics["temp"].gone), (1, 1));
        assert_eq!(diff.reasons.values().next(), Some(&(1, 7)));
    }
}
