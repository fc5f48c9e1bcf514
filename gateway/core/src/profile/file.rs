//! The TOML form of a profile.

use std::sync::Arc;

use super::check::Check;
use super::command_text::commands;
use super::form::{Envelope, Form, KINDS, Usual};
use super::layout::{Codec, Illegal, Layout, Place, Places, Poll, Wanted};
use super::metric::Metric;
use super::metric_text::metric;
use super::privacy::Privacy;
use super::time::TimeRule;
use super::variant::{self, Told};
use super::{Dedupe, DedupeBy, Matching, Profile, Source, gatt, short_hash, vectors};
use crate::diagnostic::{Diagnostic, Section, read};
use crate::ids::StreamId;
use crate::topic::TopicPattern;

/// The form of the text that this version reads.
const SCHEMA: i64 = 1;
/// What a profile may hold.
const KEYS: [&str; 17] = [
    "variant", "profile", "source", "match", "envelope", "codec", "time", "sequence", "boot", "firmware",
    "metric", "check", "dedupe", "expect", "privacy", "command", "test",
];
/// Stock and counters: a repeat that is taken for a new reading would be counted twice.
const COUNTING_CLASSES: [&str; 3] = ["drug_cabinet", "narcotics_cabinet", "zone_counter"];

/// Reads a profile and runs its tests.
pub(super) fn parse(text: &str, file: &str) -> Result<Profile, Vec<Diagnostic>> {
    read(file, text, |root| {
        // All are known, however far the reading comes.
        let [varied, ..] = KEYS.map(|key| root.has(key));
        let mut profile = one(root, text)?;
        if varied {
            profile.variants = variant::read(root, &profile, |replaced| one(replaced, text));
        }
        profile.tests += profile.variants.iter().map(|variant| variant.profile.tests).sum::<usize>();
        if profile.told.is_some() {
            // Each vector must also come to the variant that it belongs to.
            let of_variants = root.sections("variant").into_iter().flat_map(|section| {
                drop(section.keys());
                section.sections("test")
            });
            vectors::run(Some(&profile), &root.sections("test"));
            vectors::run(Some(&profile), &of_variants.collect::<Vec<_>>());
        }
        Some(profile)
    })
}

/// Reads a profile, or what a variant makes of it, and runs the tests that stand there.
fn one(root: &Section<'_, '_>, text: &str) -> Option<Profile> {
    let head = root.need_section("profile");
    let id = head.as_ref().and_then(|s| s.need_text("id").and_then(|_| s.parsed("id", str::parse)));
    let class = head.as_ref().and_then(|s| s.need_text("class").and_then(|_| s.parsed("class", str::parse)));
    let vendor = head.as_ref().and_then(|s| s.need_text("vendor"));
    let model = head.as_ref().and_then(|s| s.need_text("model"));
    let version = head.as_ref().and_then(|s| s.need_text("version"));
    let named_only = head.as_ref().and_then(|s| s.flag("named_only")).unwrap_or(false);
    if let Some(head) = &head {
        schema(head);
    }
    let class: Option<crate::ids::ClassId> = class;
    let class_name = class.as_ref().map_or("", |class| class.as_str());

    let source = source(root);
    let mut usual = Usual::default();
    let mut envelope = None;
    if let Some(section) = root.section("envelope") {
        let (read, places) = Envelope::read(&section)?;
        (envelope, usual) = (Some(read), places);
    }
    let (codec, form, places) = codec(root, envelope.is_some())?;
    let matching = matching(root, places, usual.device.is_some());
    let mut wanted = Wanted::default();
    let metrics = metrics(root, places, &mut wanted);
    let time = match root.section("time") {
        Some(section) => TimeRule::read(&section, class_name, places).map(|(rule, place, offset)| {
            (wanted.time, wanted.time_offset) = (place, offset);
            rule
        }),
        None => {
            wanted.time = usual.time;
            Some(TimeRule::none(class_name))
        }
    };
    wanted.relative =
        form.as_ref().and_then(Form::relative_time).filter(|_| matches!(wanted.time, Some(Place::Item(_))));
    wanted.sequence = place_of(root, "sequence", places).or(usual.sequence);
    wanted.boot = place_of(root, "boot", places).or(usual.boot);
    if let Some((_, device)) = &matching {
        wanted.device = device.clone().or(usual.device);
    }
    let default_stream = stream(head.as_ref(), places, &mut wanted);
    let dedupe = dedupe(root, &wanted, places, class_name);
    let every_ms = root.section("expect").and_then(|expect| expect.millis("every"));
    let privacy = Privacy::read(root, &metrics, places, (form.as_ref(), envelope.as_ref()), &wanted);
    let checks: Option<Vec<Check>> =
        root.sections("check").iter().map(|section| Check::read(section, &metrics)).collect();
    let commands = commands(root, codec, &metrics);
    let told = root.section("firmware").and_then(|section| Told::read(&section, places));
    if metrics.is_empty() && !root.has("metric") {
        root.wrong_here("there is no [[metric]]: a profile must measure something", None);
    }
    let firmware = match &told {
        Some(Told::Topic(name)) => Some(name.as_str()),
        _ => None,
    };
    let gatt = form.as_ref().and_then(Form::gatt);
    gatt::check(root, gatt, dedupe.map(|dedupe| dedupe.by), envelope.is_some());
    let characteristic = gatt.and_then(gatt::Gatt::wildcard);
    for name in wanted.of_topic().chain(firmware).chain(characteristic) {
        let topic = matching.as_ref().and_then(|(matching, _)| matching.topic.as_ref());
        if topic.is_none_or(|pattern| !pattern.names(name)) {
            root.wrong_here(format!("the topic of [match] has no wildcard {{{name}}}"), None);
        }
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
            envelope,
            form,
            layout: layout?,
            metrics,
            checks: checks?,
            commands: commands?,
            time: time?,
            dedupe: dedupe?,
            every_ms,
            privacy: privacy?,
            named_only,
            told,
            variants: Vec::new(),
            tests: tests.len(),
            hash: short_hash(text.as_bytes()),
            text: Arc::from(text),
        })
    })();
    if tests.is_empty() {
        root.wrong_here("there is no [[test]]: a profile without tests is refused", None);
    }
    vectors::run(profile.as_ref(), &tests);
    profile
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

fn codec(root: &Section<'_, '_>, envelope: bool) -> Option<(Codec, Option<Form>, Places)> {
    let section = root.need_section("codec")?;
    section.need_text("kind")?;
    let kinds: Vec<&str> = ["line", "registers"].into_iter().chain(KINDS).collect();
    let kind = section.choice("kind", &kinds)?;
    if envelope && kind < 2 {
        root.wrong("envelope", format!("the codec {:?} comes in no envelope", kinds[kind]), None);
        return None;
    }
    match kind {
        0 => Some((Codec::Line, None, Places::Line)),
        document if document >= 2 => {
            let form = Form::read(&section, document - 2)?;
            let places = Places::Document { split: form.each.is_some(), envelope };
            Some((Codec::Document, Some(form), places))
        }
        _ => {
            let every_ms = section.millis("poll").unwrap_or(5_000).max(100);
            let gap = section.integer("max_gap").unwrap_or(8).clamp(0, 100);
            let registers = section.integer("max_registers");
            let (registers, bits) = (registers.unwrap_or(125), section.integer("max_bits").unwrap_or(2_000));
            let poll = Poll {
                every_ms,
                max_gap: u16::try_from(gap).ok()?,
                max_registers: u16::try_from(registers.clamp(1, 125)).ok()?,
                max_bits: u16::try_from(bits.clamp(1, 2_000)).ok()?,
                illegal: ranges(&section, "illegal")?,
                writable: ranges(&section, "writable")?,
            };
            Some((Codec::Registers(poll), None, Places::Registers))
        }
    }
}

fn ranges(section: &Section<'_, '_>, key: &str) -> Option<[Option<Illegal>; 8]> {
    let mut ranges = [None; 8];
    if !section.has(key) {
        return Some(ranges);
    }
    let texts = section.texts(key)?;
    if texts.len() > ranges.len() {
        section.wrong(key, format!("{} ranges; eight is the most", texts.len()), None);
        return None;
    }
    for (range, text) in ranges.iter_mut().zip(texts) {
        match Illegal::parse(text) {
            Ok(illegal) => *range = Some(illegal),
            Err(why) => {
                section.wrong(key, why, None);
                return None;
            }
        }
    }
    Some(ranges)
}

fn matching(
    root: &Section<'_, '_>,
    places: Places,
    named_by_envelope: bool,
) -> Option<(Matching, Option<Place>)> {
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
        && !named_by_envelope
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

fn dedupe(root: &Section<'_, '_>, wanted: &Wanted, places: Places, class: &str) -> Option<Dedupe> {
    let has_sequence = wanted.sequence.is_some();
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
    if dedupe.replace && dedupe.by == DedupeBy::Sequence {
        section.wrong(
            "correct",
            "\"replace\" goes by the time; with \"seq\" the same number is the same reading, sent again",
            Some("by = \"time+value\"".to_owned()),
        );
        return None;
    }
    let split = matches!(places, Places::Document { split: true, .. });
    if dedupe.replace && split && !wanted.own_time() {
        section.wrong(
            "correct",
            "\"replace\" goes by the time, and the items of a message have theirs in common",
            Some("give each its own, with \"@\" in time.path".to_owned()),
        );
        return None;
    }
    if dedupe.replace && dedupe.by == DedupeBy::None {
        section.wrong("correct", "\"replace\" needs a way to tell that it is the same reading", None);
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

fn metrics(root: &Section<'_, '_>, places: Places, wanted: &mut Wanted) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for section in root.sections("metric") {
        let Some((metric, unit)) = metric(&section, places) else { continue };
        if metrics.iter().any(|known| known.name == metric.name) {
            section.wrong("name", format!("the metric {:?} stands twice", metric.name.as_str()), None);
            continue;
        }
        wanted.metrics.push(metric.place.clone());
        wanted.units.extend(unit.map(|unit| (metrics.len(), unit)));
        metrics.push(metric);
    }
    metrics
}
