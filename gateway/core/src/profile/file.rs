//! The TOML form of a profile.

use std::sync::Arc;

use super::check::Check;
use super::layout::{Codec, Layout, Place, Places, Poll, Wanted};
use super::metric::{Label, Metric, MetricKind, Number, Report, States, Word};
use super::time::TimeRule;
use super::{Dedupe, DedupeBy, Matching, Profile, Source, short_hash, vectors};
use crate::diagnostic::{Diagnostic, Section, read};
use crate::ids::{MetricId, StreamId};
use crate::topic::TopicPattern;
use crate::unit::Unit;
use crate::value::Missing;

/// The form of the text that this version reads.
const SCHEMA: i64 = 1;
/// Stock and counters: a repeat that is taken for a new reading would be counted twice.
const COUNTING_CLASSES: [&str; 3] = ["drug_cabinet", "narcotics_cabinet", "zone_counter"];

/// Reads a profile and runs its tests.
pub(super) fn parse(text: &str, file: &str) -> Result<Profile, Vec<Diagnostic>> {
    read(file, text, |root| {
        let head = root.need_section("profile");
        let id = head.as_ref().and_then(|s| s.need_text("id").and_then(|_| s.parsed("id", str::parse)));
        let class =
            head.as_ref().and_then(|s| s.need_text("class").and_then(|_| s.parsed("class", str::parse)));
        let vendor = head.as_ref().and_then(|s| s.need_text("vendor"));
        let model = head.as_ref().and_then(|s| s.need_text("model"));
        let version = head.as_ref().and_then(|s| s.need_text("version"));
        if let Some(head) = &head {
            schema(head);
        }
        let class: Option<crate::ids::ClassId> = class;
        let class_name = class.as_ref().map_or("", |class| class.as_str());

        let source = source(root);
        let (codec, places) = codec(root)?;
        let matching = matching(root, places);
        let mut wanted = Wanted::default();
        let (metrics, metric_places) = metrics(root, places);
        wanted.metrics = metric_places;
        let time = match root.section("time") {
            Some(section) => TimeRule::read(&section, class_name, places).map(|(rule, place)| {
                wanted.time = place;
                rule
            }),
            None => Some(TimeRule::none(class_name)),
        };
        wanted.sequence = place_of(root, "sequence", places);
        wanted.boot = place_of(root, "boot", places);
        if let Some((_, device)) = &matching {
            wanted.device.clone_from(device);
        }
        let default_stream = stream(head.as_ref(), places, &mut wanted);
        let dedupe = dedupe(root, wanted.sequence.is_some(), class_name);
        let every_ms = root.section("expect").and_then(|expect| expect.millis("every"));
        let private = private(root, &metrics);
        let checks: Option<Vec<Check>> =
            root.sections("check").iter().map(|section| Check::read(section, &metrics)).collect();
        if metrics.is_empty() && !root.has("metric") {
            root.wrong_here("there is no [[metric]]: a profile must measure something", None);
        }
        let layout = match Layout::new(places, wanted, default_stream?) {
            Ok(layout) => Some(layout),
            Err(error) => {
                root.wrong_here(error, None);
                None
            }
        };
        let tests = root.sections("test");
        let (matching, _) = matching?;
        let profile = (|| {
            Some(Profile {
                id: id?,
                class: class?,
                vendor: vendor?.to_owned(),
                model: model?.to_owned(),
                version: version?.to_owned(),
                source: source?,
                matching,
                codec,
                layout: layout?,
                metrics,
                checks: checks?,
                time: time?,
                dedupe: dedupe?,
                every_ms,
                private: private?,
                tests: tests.len(),
                hash: short_hash(text.as_bytes()),
                text: Arc::from(text),
            })
        })();
        if tests.is_empty() {
            root.wrong_here("there is no [[test]]: a profile without tests is refused", None);
        }
        vectors::run(profile.as_ref(), &tests, places);
        profile
    })
}

fn schema(head: &Section<'_, '_>) {
    match head.integer("schema") {
        Some(SCHEMA) => {}
        Some(other) => {
            head.wrong("schema", format!("schema {other} is not known; this version reads {SCHEMA}"), None)
        }
        None if head.has("schema") => {}
        None => head.wrong("schema", format!("the key \"schema\" is missing; write schema = {SCHEMA}"), None),
    }
}

fn source(root: &Section<'_, '_>) -> Option<Source> {
    let section = root.need_section("source")?;
    let document = section.need_text("document");
    let version = section.text("version").map(str::to_owned);
    let part = section.text("section").map(str::to_owned);
    Some(Source { document: document?.to_owned(), version, section: part })
}

fn codec(root: &Section<'_, '_>) -> Option<(Codec, Places)> {
    let section = root.need_section("codec")?;
    section.need_text("kind")?;
    match section.choice("kind", &["json", "line", "registers"])? {
        0 => Some((Codec::Json, Places::Json)),
        1 => Some((Codec::Line, Places::Line)),
        _ => {
            let every_ms = section.millis("poll").unwrap_or(5_000).max(100);
            let gap = section.integer("max_gap").unwrap_or(8).clamp(0, 100);
            let count = section.integer("max_count").unwrap_or(120).clamp(1, 125);
            let (max_gap, max_count) = (u16::try_from(gap).ok()?, u16::try_from(count).ok()?);
            Some((Codec::Registers(Poll { every_ms, max_gap, max_count }), Places::Registers))
        }
    }
}

fn matching(root: &Section<'_, '_>, places: Places) -> Option<(Matching, Option<Place>)> {
    let Some(section) = root.section("match") else {
        if places == Places::Line {
            root.wrong_here("line protocol needs a [match] with the measurement", None);
            return None;
        }
        return (!root.has("match")).then(|| (Matching::default(), None));
    };
    let topic = section.parsed("topic", TopicPattern::parse);
    let device = section.section("device").and_then(|device| places.need(&device));
    let mut found = Matching { topic, ..Matching::default() };
    if places == Places::Line {
        found.measurement = section.need_text("measurement").map(str::to_owned);
        if let Some(tags) = section.section("tags") {
            found.tags = tags
                .keys()
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), tags.need_text(key)?.to_owned())))
                .collect();
        }
    }
    if let Some(pattern) = &found.topic
        && !pattern.names("device")
        && device.is_none()
    {
        section.wrong(
            "topic",
            "the pattern names no device",
            Some(
                "put the wildcard {device} into it, or say with device.path where the payload names it"
                    .to_owned(),
            ),
        );
    }
    Some((found, device))
}

fn stream(head: Option<&Section<'_, '_>>, places: Places, wanted: &mut Wanted) -> Option<StreamId> {
    let default = || StreamId::new("reading").ok();
    let Some(head) = head else { return default() };
    if head.is_section("stream") {
        let section = head.section("stream")?;
        wanted.stream = places.read(&section);
        return default();
    }
    if head.has("stream") { head.parsed("stream", str::parse) } else { default() }
}

fn place_of(root: &Section<'_, '_>, key: &str, places: Places) -> Option<Place> {
    let section = root.section(key)?;
    places.need(&section)
}

fn dedupe(root: &Section<'_, '_>, has_sequence: bool, class: &str) -> Option<Dedupe> {
    let mut dedupe =
        Dedupe { by: if has_sequence { DedupeBy::Sequence } else { DedupeBy::TimeAndValue }, replace: false };
    let Some(section) = root.section("dedupe") else { return Some(dedupe) };
    let by = section.choice("by", &["seq", "time+value", "state", "none"]);
    let correct = section.choice("correct", &["keep", "replace"]);
    dedupe.replace = correct == Some(1);
    if let Some(by) = by {
        dedupe.by = [DedupeBy::Sequence, DedupeBy::TimeAndValue, DedupeBy::State, DedupeBy::None][by];
    }
    if dedupe.by == DedupeBy::Sequence && !has_sequence {
        section.wrong("by", "\"seq\" needs a [sequence]", None);
        return None;
    }
    if dedupe.by == DedupeBy::None && COUNTING_CLASSES.contains(&class) {
        section.wrong(
            "by",
            format!("\"none\" is refused for {class}: a repeat would be counted twice"),
            None,
        );
        return None;
    }
    Some(dedupe)
}

fn private(root: &Section<'_, '_>, metrics: &[Metric]) -> Option<Vec<String>> {
    let Some(section) = root.section("privacy") else { return Some(Vec::new()) };
    let fields = section.texts("fields")?;
    for field in &fields {
        if !metrics.iter().any(|metric| metric.name.as_str() == *field) {
            let near = crate::diagnostic::nearest(field, metrics.iter().map(|metric| metric.name.as_str()));
            section.wrong(
                "fields",
                format!("{field:?} is no metric here"),
                near.map(|n| format!("did you mean {n:?}?")),
            );
        }
    }
    Some(fields.into_iter().map(str::to_owned).collect())
}

fn metrics(root: &Section<'_, '_>, places: Places) -> (Vec<Metric>, Vec<Place>) {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut found = Vec::new();
    for section in root.sections("metric") {
        let Some(metric) = metric(&section, places) else { continue };
        if metrics.iter().any(|known| known.name == metric.name) {
            section.wrong("name", format!("the metric {:?} stands twice", metric.name.as_str()), None);
            continue;
        }
        found.push(metric.place.clone());
        metrics.push(metric);
    }
    (metrics, found)
}

fn metric(section: &Section<'_, '_>, places: Places) -> Option<Metric> {
    let name: Option<MetricId> = section.need_text("name").and_then(|_| section.parsed("name", str::parse));
    let place = places.need(section);
    let kind = kind(section);
    let required = section.flag("required").unwrap_or(true);
    let loinc = section.text("loinc");
    if let Some(code) = loinc
        && !loinc_is_whole(code)
    {
        section.wrong("loinc", format!("{code:?} is no LOINC code: its check digit does not fit"), None);
    }
    let label = section.section("label").and_then(|label| {
        let (zh, en) = (label.need_text("zh"), label.need_text("en"));
        Some(Label { zh: zh?.to_owned(), en: en?.to_owned() })
    });
    let report = section.section("report").map(|report| Report {
        deadband: report.number("deadband").unwrap_or(0.0),
        every_ms: report.millis("every"),
    });
    let missing = missing(section);
    Some(Metric {
        name: name?,
        kind: kind?,
        required,
        label,
        loinc: loinc.map(str::to_owned),
        report,
        place: place?,
        missing,
    })
}

fn kind(section: &Section<'_, '_>) -> Option<MetricKind> {
    if section.flag("text") == Some(true) {
        return Some(MetricKind::Text);
    }
    if section.has("states") {
        return states(section).map(MetricKind::State);
    }
    let sent_in = match section.has("unit") {
        true => section.parsed("unit", Unit::parse),
        false => {
            section.wrong_here(
                "a metric needs a unit, a list of states, or text = true",
                Some("unit = \"1\" is a bare number".to_owned()),
            );
            None
        }
    };
    let canonical = section.parsed("canonical", Unit::parse);
    let scale = match section.has("scale") {
        true => section.word("scale").and_then(|word| {
            let scale = decimal(&word);
            if scale.is_none() {
                section.wrong("scale", format!("{word:?} is not a plain decimal number other than 0"), None);
            }
            scale
        }),
        false => Some((1.0, 0)),
    };
    let offset = if section.has("offset") { section.number("offset") } else { Some(0.0) };
    let range = range(section, "range");
    let suspect = range_within(section, range);
    let sent_in = sent_in?;
    let unit = canonical.unwrap_or_else(|| sent_in.canonical());
    let Some(conversion) = sent_in.to(unit) else {
        section.wrong(
            "canonical",
            format!("{sent_in} cannot become {unit}: they measure different things"),
            None,
        );
        return None;
    };
    let code = Arc::from(unit.code());
    Some(MetricKind::Number(Number {
        unit,
        range,
        suspect,
        code,
        sent_in,
        conversion,
        scale: scale?,
        offset: offset?,
    }))
}

fn range(section: &Section<'_, '_>, key: &str) -> Option<(f64, f64)> {
    let numbers = section.numbers(key)?;
    match numbers.as_slice() {
        [low, high] if low < high => Some((*low, *high)),
        _ => {
            section.wrong(key, "expected [lowest, highest] in the canonical unit, the lower one first", None);
            None
        }
    }
}

fn range_within(section: &Section<'_, '_>, outer: Option<(f64, f64)>) -> Option<(f64, f64)> {
    let inner = range(section, "suspect")?;
    if let Some(outer) = outer
        && (inner.0 < outer.0 || inner.1 > outer.1)
    {
        section.wrong("suspect", "it must lie within range: what is outside range is already bad", None);
    }
    Some(inner)
}

fn states(section: &Section<'_, '_>) -> Option<States> {
    let mut table = Vec::new();
    let pairs: Vec<(String, String)> = if section.is_list("states") {
        section.words("states")?.into_iter().map(|word| (word.clone(), word)).collect()
    } else {
        let map = section.section("states")?;
        map.keys().into_iter().filter_map(|sent| Some((sent.to_owned(), map.word(sent)?))).collect()
    };
    for (sent, token) in pairs {
        if let Some(why) = crate::ids::why_not_a_name(&token) {
            section.wrong("states", format!("the state {token:?} has no proper name: {why}"), None);
            return None;
        }
        let known =
            table.iter().find(|(_, known): &&(Word, Arc<str>)| **known == *token).map(|(_, t)| Arc::clone(t));
        table.push((Word::new(&sent), known.unwrap_or_else(|| Arc::from(token.as_str()))));
    }
    if table.is_empty() {
        section.wrong("states", "the list of states is empty", None);
        return None;
    }
    Some(States { table, empty: Arc::from("") })
}

fn missing(section: &Section<'_, '_>) -> Vec<(Word, Missing)> {
    let mut missing = Vec::new();
    let Some(table) = section.section("missing") else { return missing };
    for (key, reason) in [
        ("high", Missing::High),
        ("low", Missing::Low),
        ("not_a_number", Missing::NotANumber),
        ("absent", Missing::Absent),
        ("sensor_fault", Missing::SensorFault),
    ] {
        for word in table.words(key).unwrap_or_default() {
            missing.push((Word::new(&word), reason));
        }
    }
    missing
}

/// A decimal as whole number and power of ten: `0.1` is (1, -1).
fn decimal(word: &str) -> Option<(f64, i32)> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let places = i32::try_from(fraction.len()).ok()?;
    let mantissa: f64 = format!("{whole}{fraction}").parse::<i64>().ok()? as f64;
    (mantissa != 0.0 && places <= 12).then_some((mantissa, -places))
}

/// LOINC codes end in a modulus-10 check digit.
fn loinc_is_whole(code: &str) -> bool {
    let Some((body, check)) = code.split_once('-') else { return false };
    if body.is_empty() || body.len() > 7 || !body.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(n, digit)| {
            let digit = u32::from(digit - b'0');
            let weighted = if n % 2 == 0 { digit * 2 } else { digit };
            weighted / 10 + weighted % 10
        })
        .sum();
    check.parse() == Ok((10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loinc_code_of_the_handbook_has_its_check_digit() {
        for code in [
            "85354-9", "8480-6", "8462-4", "8478-0", "96607-7", "96608-5", "96609-3", "8867-4", "8889-8",
            "9279-1", "2708-6", "59408-5", "8310-5", "29463-7", "8302-2", "39156-5", "14743-9", "41653-7",
            "15074-8", "105273-7", "97507-8", "97510-2", "97506-0", "104642-4", "3151-8", "3150-0",
        ] {
            assert!(loinc_is_whole(code), "{code}");
        }
        for code in ["8480-5", "8480", "-6", "84a0-6", ""] {
            assert!(!loinc_is_whole(code), "{code}");
        }
    }

    #[test]
    fn scales_are_decimals() {
        assert_eq!(decimal("0.1"), Some((1.0, -1)));
        assert_eq!(decimal("-2.50"), Some((-250.0, -2)));
        assert_eq!(decimal("10"), Some((10.0, 0)));
        for bad in ["0", "0.0", "1e3", "x", ""] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }
}
