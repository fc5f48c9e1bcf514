//! `[[variant]]`: what is read otherwise in devices with some versions of the firmware.
//!
//! A variant is the profile with parts replaced. It is checked in full, with vectors of its own. What a device of the
//! model measures, and what a repeat is, is the same in all: a variant says how it is read.

use std::cmp::Ordering;
use std::sync::Arc;

use super::decode;
use super::layout::{Place, Places};
use super::metric::{Metric, MetricKind};
use super::{Codec, Input, Profile};
use crate::codec::json::{Limits, Paths};
use crate::diagnostic::Section;
use crate::ids::{DeviceId, FirmwareId};

/// What a variant may replace as a whole.
const PARTS: [&str; 6] = ["source", "codec", "time", "sequence", "boot", "check"];
/// Comparisons; the longer ones first.
const OPERATORS: [(&str, &[Ordering]); 5] = [
    (">=", &[Ordering::Greater, Ordering::Equal]),
    ("<=", &[Ordering::Less, Ordering::Equal]),
    (">", &[Ordering::Greater]),
    ("<", &[Ordering::Less]),
    ("=", &[Ordering::Equal]),
];

/// What stands before the numbers of a version; the longer ones first.
const MARKS: [&str; 5] = ["firmware", "version", "ver", "fw", "v"];

/// How a version must compare, and with which.
type Bound = (&'static [Ordering], Vec<u64>);

/// The profile as it is for some versions of the firmware.
#[derive(Debug)]
pub struct Variant {
    /// For which, as the profile writes it.
    pub firmware: String,
    wanted: Vec<Bound>,
    pub(super) profile: Arc<Profile>,
}

impl Variant {
    /// Whether it is for this version.
    #[must_use]
    pub fn is_for(&self, firmware: &str) -> bool {
        let Some(version) = numbers(firmware) else { return false };
        self.wanted.iter().all(|(orders, than)| orders.contains(&compare(&version, than)))
    }
}

/// Where a message says the version of the firmware.
#[derive(Debug)]
pub(super) enum Told {
    Document(Paths),
    Envelope(Paths),
    Topic(String),
}

impl Told {
    /// Reads `[firmware]`.
    pub(super) fn read(section: &Section<'_, '_>, places: Places) -> Option<Self> {
        let paths = |path: &str| Paths::new([path], Limits::default()).ok();
        match places.need(section)? {
            Place::Path(path) => paths(&path).map(Self::Document),
            Place::Outer(path) => paths(&path).map(Self::Envelope),
            Place::Topic(name) => Some(Self::Topic(name)),
            _ => {
                let hint = "path = \"$.fw\", outer = \"$.fw\" or topic = \"fw\"".to_owned();
                section.wrong_here("a version stands once in a message", Some(hint));
                None
            }
        }
    }
}

impl Profile {
    /// The variants, in the order of the text.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The profile as it is for a device with this version, as far as the register knows it. Where messages say the
    /// version themselves, [`Profile::decode_for`] chooses for each.
    #[must_use]
    pub fn for_firmware(self: &Arc<Self>, firmware: Option<&FirmwareId>) -> Arc<Self> {
        let told = self.told.is_none().then_some(firmware).flatten();
        match told.and_then(|firmware| self.variant(firmware.as_str())) {
            Some(variant) => Arc::clone(&variant.profile),
            None => Arc::clone(self),
        }
    }

    /// The first variant that is for this version.
    fn variant(&self, firmware: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.is_for(firmware))
    }

    /// The profile or the variant that reads this message of a device with this version on the register, which counts
    /// where the message tells none that can be read; `None` when neither does.
    pub(super) fn reader(
        &self,
        input: Input<'_>,
        port: Option<u8>,
        registered: Option<&FirmwareId>,
    ) -> Option<&Self> {
        if self.variants.is_empty() {
            return Some(self);
        }
        let told = self.told.as_ref().and_then(|told| decode::firmware(self, told, input, port));
        let told = told.filter(|firmware| numbers(firmware).is_some());
        let firmware = match (&told, registered) {
            (Some(told), _) => told.as_str(),
            (None, Some(registered)) => registered.as_str(),
            (None, None) => return None,
        };
        numbers(firmware)?;
        Some(self.variant(firmware).map_or(self, |variant| &*variant.profile))
    }

    /// The only device that a message names, as far as the profile or one of its variants can read that.
    #[must_use]
    pub fn names(&self, input: Input<'_>) -> Option<DeviceId> {
        let readers = std::iter::once(self).chain(self.variants.iter().map(|variant| &*variant.profile));
        let mut all = readers.filter_map(|reader| decode::decode(reader, input, None).ok());
        all.find_map(|decoded| {
            let (first, rest) = decoded.split_first()?;
            let device = first.device.clone()?;
            rest.iter().all(|other| other.device.as_ref() == Some(&device)).then_some(device)
        })
    }
}

/// Reads the variants; each is built by `build` of the text in which its parts are replaced.
pub(super) fn read(
    root: &Section<'_, '_>,
    base: &Profile,
    build: impl Fn(&Section<'_, '_>) -> Option<Profile>,
) -> Vec<Variant> {
    let mut variants = Vec::new();
    for section in root.sections("variant") {
        let wanted = section.need_text("firmware").and_then(|_| section.parsed("firmware", requirement));
        let firmware = section.text("firmware").unwrap_or_default().to_owned();
        let known = PARTS.iter().chain(&["firmware", "metric", "test"]);
        let known: Vec<&str> = known.copied().collect();
        for key in section.keys().into_iter().filter(|key| !known.contains(key)) {
            let hint = format!("known here: {}", known.join(", "));
            section.wrong(key, format!("{key:?} is the same for all versions, or not known"), Some(hint));
        }
        if base.codec != Codec::Document {
            let hint = "write a profile for each version, and say which one a device has".to_owned();
            section.wrong_here("what is polled, and line protocol, has no variants", Some(hint));
            continue;
        }
        if matches!(base.told, Some(Told::Document(_))) && section.has("codec") {
            let hint = "say it in [firmware] with outer or topic, or on the register".to_owned();
            section.wrong("codec", "the version stands in what the codec reads", Some(hint));
            continue;
        }
        if !section.has("test") {
            section.wrong_here("there is no [[variant.test]]: a variant without tests is refused", None);
            continue;
        }
        let names_no_device = base.matching.topic.as_ref().is_some_and(|pattern| !pattern.names("device"));
        if names_no_device && base.told.is_none() {
            let hint = "say where the message tells it: [firmware] path = \"$.fw\"".to_owned();
            section.wrong_here(
                "whose message it is, and so its version, is not known from the topic",
                Some(hint),
            );
            continue;
        }
        let built = root.replaced(&section, &["variant", "test"], &["firmware"], ("metric", "name"), &build);
        let (Some(mut profile), Some(wanted)) = (built, wanted) else { continue };
        // The engine tells repeats apart by the rule of the model.
        profile.dedupe = base.dedupe;
        for metric in &profile.metrics {
            if let Some(why) = differs(base, metric) {
                section.wrong(
                    "metric",
                    why,
                    Some("say in [[metric]] of the profile what there is".to_owned()),
                );
            }
        }
        variants.push(Variant { firmware, wanted, profile: Arc::new(profile) });
    }
    variants
}

/// Why a metric of a variant is another than that of the profile.
fn differs(base: &Profile, metric: &Metric) -> Option<String> {
    let name = metric.name.as_str();
    let Some(known) = base.metric(&metric.name) else {
        return Some(format!("{name} is no metric of the profile; put it there, with required = false"));
    };
    match (&known.kind, &metric.kind) {
        (MetricKind::Number(a), MetricKind::Number(b)) if a.unit != b.unit => {
            Some(format!("{name} is kept in {}, and in the profile in {}", b.unit, a.unit))
        }
        (MetricKind::State(a), MetricKind::State(b)) => {
            let strange = b.tokens().find(|token| !a.tokens().any(|known| known == *token))?;
            Some(format!("{strange:?} is no state of {name} in the profile"))
        }
        (MetricKind::Number(_), MetricKind::Number(_)) | (MetricKind::Text, MetricKind::Text) => None,
        _ => Some(format!("{name} has another kind of value in the profile")),
    }
}

/// Reads `>=2.0, <3`.
fn requirement(text: &str) -> Result<Vec<Bound>, String> {
    let one = |part: &str| {
        let part = part.trim();
        let found = OPERATORS.iter().find_map(|(sign, orders)| Some((*orders, part.strip_prefix(sign)?)));
        let (orders, version) = found?;
        Some((orders, numbers(version)?))
    };
    let wrong = || format!("{text:?} says no versions; write \">=2.0\", \"<3\", \"=1.4\" or \">=2.0, <3\"");
    text.split(',').map(|part| one(part).ok_or_else(wrong)).collect()
}

/// The numbers of a version, with points between them: those at its beginning, or after a mark that begins a word
/// (`V2.10-beta` and `WS301-v2.10` are 2 and 10). A number without a point gives way to a mark behind it (`301-v2.10`):
/// it is the name of a model, as digits elsewhere are.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.trim();
    let first = digits(version);
    if first.as_ref().is_some_and(|parts| parts.len() > 1) {
        return first;
    }
    let begins = |at: usize| version[..at].chars().next_back().is_none_or(separates);
    let words = version.char_indices().filter(|(at, _)| begins(*at)).map(|(at, _)| &version[at..]);
    words.filter_map(marked).find_map(digits).or(first)
}

/// What stands after the mark that this begins with, if it does.
fn marked(text: &str) -> Option<&str> {
    let rest = MARKS.iter().find_map(|mark| {
        let (head, rest) = text.split_at_checked(mark.len())?;
        head.eq_ignore_ascii_case(mark).then_some(rest)
    })?;
    Some(rest.trim_start_matches([' ', '.', ':', '_', '-']))
}

/// The numbers that a text begins with, up to its end, a separator or, where there is a point (`1.4b`), a letter.
fn digits(text: &str) -> Option<Vec<u64>> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (version, rest) = text.split_at(end);
    let lettered = version.contains('.') && rest.starts_with(|c: char| c.is_ascii_alphabetic());
    let ended = lettered || rest.chars().next().is_none_or(ends);
    if !(version.starts_with(|c: char| c.is_ascii_digit()) && ended) {
        return None;
    }
    let parts = version.split('.').filter(|part| !part.is_empty());
    parts.map(|part| part.parse().ok()).collect()
}

/// Whether a word may begin after this character.
const fn separates(c: char) -> bool {
    matches!(c, ' ' | '-' | '_' | '.' | '/')
}

/// Whether the numbers may end before this character.
const fn ends(c: char) -> bool {
    separates(c) || matches!(c, '+' | ',' | ';' | '(')
}

/// What is not said counts as 0.
fn compare(a: &[u64], b: &[u64]) -> Ordering {
    let at = |numbers: &[u64], n: usize| numbers.get(n).copied().unwrap_or(0);
    let mut orders = (0..a.len().max(b.len())).map(|n| at(a, n).cmp(&at(b, n)));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_for(wanted: &str, version: &str) -> bool {
        let Some(version) = numbers(version) else { return false };
        requirement(wanted).unwrap().iter().all(|(orders, than)| orders.contains(&compare(&version, than)))
    }

    #[test]
    fn a_version_stands_at_the_beginning_or_after_its_mark() {
        for (text, wanted) in [
            ("2.1", &[2, 1][..]),
            ("2.1.0-rc1", &[2, 1, 0]),
            ("v2.1", &[2, 1]),
            ("V2.10-beta", &[2, 10]),
            ("FW 2.1", &[2, 1]),
            ("fw1.4.0", &[1, 4, 0]),
            ("ver1.4", &[1, 4]),
            ("v1.4b", &[1, 4]),
            ("WS301-v1.2", &[1, 2]),
            ("301-v1.2", &[1, 2]),
            ("2.1-v3", &[2, 1]),
            ("7-rc1", &[7]),
        ] {
            assert_eq!(numbers(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["0x0112", "ESP32-1.4", "BP3_1.9", "unknown", "", "v", "温度 2.1", "dev2"] {
            assert_eq!(numbers(text), None, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_number_by_number() {
        for (wanted, version) in [
            (">=2.0", "2"),
            (">=2.0", "V2.10-beta"),
            ("<2", "WS301-v1.2"),
            ("<2.10", "2.9.9"),
            ("=1.4", "fw1.4.0"),
            (">=2, <3", "2.99"),
        ] {
            assert!(is_for(wanted, version), "{wanted} {version}");
        }
        for (wanted, version) in
            [(">=2.0", "1.99"), (">2", "2.0"), ("<=2", "2.0.1"), (">=2, <3", "3"), (">=1", "unknown")]
        {
            assert!(!is_for(wanted, version), "{wanted} {version}");
        }
        for wrong in ["2.0", "~2", "", ">=", ">=2,"] {
            assert!(requirement(wrong).is_err(), "{wrong}");
        }
    }
}
