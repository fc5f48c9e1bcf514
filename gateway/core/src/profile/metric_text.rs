//! The TOML form of a metric.

use std::sync::Arc;

use super::layout::{Place, Places};
use super::metric::{Label, Metric, MetricKind, Number, Report, SentIn, States, Word};
use crate::diagnostic::Section;
use crate::ids::MetricId;
use crate::unit::Unit;
use crate::value::Missing;

/// Reads one `[[metric]]`, and where the payload says its unit, if it does.
pub(super) fn metric(section: &Section<'_, '_>, places: Places) -> Option<(Metric, Option<Place>)> {
    let name: Option<MetricId> = section.need_text("name").and_then(|_| section.parsed("name", str::parse));
    let place = places.need(section);
    let mut unit = None;
    let kind = kind(section, places, &mut unit);
    let required = section.flag("required").unwrap_or(true);
    let loinc = section.text("loinc");
    if let Some(code) = loinc
        && !loinc_is_whole(code)
    {
        section.wrong("loinc", format!("{code:?} is no LOINC code: its check digit does not fit"), None);
    }
    let label = label(section);
    let report = report(section);
    let missing = missing(section);
    let context = section.flag("context").unwrap_or(false);
    let without = without(section, kind.as_ref(), context);
    let metric = Metric {
        name: name?,
        kind: kind?,
        required,
        label,
        loinc: loinc.map(str::to_owned),
        report,
        context,
        without,
        place: place?,
        missing,
    };
    Some((metric, unit))
}

/// Takes over what an overlay says of a metric: how far, how much, how often.
pub(super) fn adjust(section: &Section<'_, '_>, metric: &mut Metric) {
    metric.required = section.flag("required").unwrap_or(metric.required);
    metric.label = label(section).or(metric.label.take());
    if section.has("report") {
        metric.report = report(section);
    }
    if let MetricKind::Number(number) = &mut metric.kind {
        number.scale = scale(section).unwrap_or(number.scale);
        number.offset = section.number("offset").unwrap_or(number.offset);
        number.range = range(section, "range").or(number.range);
        number.suspect = if section.has("suspect") {
            range_within(section, number.range)
        } else {
            // A range that is narrower now leaves less to doubt.
            number.suspect.map(|(low, high)| match number.range {
                Some((least, most)) => (low.max(least), high.min(most)),
                None => (low, high),
            })
        };
    }
}

fn label(section: &Section<'_, '_>) -> Option<Label> {
    let label = section.section("label")?;
    let (zh, en) = (label.need_text("zh"), label.need_text("en"));
    Some(Label { zh: zh?.to_owned(), en: en?.to_owned() })
}

/// A factor as whole number and power of ten.
fn scale(section: &Section<'_, '_>) -> Option<(f64, i32)> {
    let word = section.word("scale")?;
    let scale = decimal(&word);
    if scale.is_none() {
        section.wrong("scale", format!("{word:?} is not a plain decimal number other than 0"), None);
    }
    scale
}

/// `"all"`, `"change"`, or a table with `when`, `deadband` and `every`.
fn report(section: &Section<'_, '_>) -> Option<Report> {
    let change = Report { deadband: 0.0, every_ms: None, on_change: true };
    if section.is_text("report") {
        return section.choice("report", &["all", "change"]).filter(|n| *n == 1).map(|_| change);
    }
    let table = section.section("report")?;
    let deadband = table.number("deadband").unwrap_or(0.0);
    let every_ms = table.millis("every");
    const WHEN: [&str; 4] = ["all", "change", "period", "change_or_period"];
    let when = table.choice("when", &WHEN).map(|n| WHEN[n]);
    let needs = matches!(when, Some("period" | "change_or_period"));
    if needs && every_ms.is_none() && !table.has("every") {
        table.wrong("every", "a period needs the key \"every\", as in \"10min\"", None);
    }
    if matches!(when, Some("all" | "change")) && table.has("every") {
        table.wrong("every", "only a period has this key", Some("when = \"change_or_period\"".to_owned()));
    }
    match when {
        Some("all") => None,
        Some("period") => Some(Report { deadband, every_ms, on_change: false }),
        _ => Some(Report { deadband, every_ms, ..change }),
    }
}

fn kind(section: &Section<'_, '_>, places: Places, unit_place: &mut Option<Place>) -> Option<MetricKind> {
    if section.flag("text") == Some(true) {
        return Some(MetricKind::Text);
    }
    if section.has("states") {
        return states(section).map(MetricKind::State);
    }
    let sent_in = match section.has("unit") {
        true if section.is_section("unit") => said_units(&section.section("unit")?, places, unit_place),
        true => section.parsed("unit", Unit::parse).map(|unit| vec![(None, unit)]),
        false => {
            section.wrong_here(
                "a metric needs a unit, a list of states, or text = true",
                Some("unit = \"1\" is a bare number".to_owned()),
            );
            None
        }
    };
    let canonical = section.parsed("canonical", Unit::parse);
    let scale = if section.has("scale") { scale(section) } else { Some((1.0, 0)) };
    let offset = if section.has("offset") { section.number("offset") } else { Some(0.0) };
    let range = range(section, "range");
    let suspect = range_within(section, range);
    let units = sent_in?;
    let (_, first) = units.first()?;
    let unit = canonical.unwrap_or_else(|| first.canonical());
    let mut said = Vec::new();
    let mut always = None;
    for (word, sent_in) in units {
        let Some(conversion) = sent_in.to(unit) else {
            section.wrong(
                "canonical",
                format!("{sent_in} cannot become {unit}: they measure different things"),
                None,
            );
            return None;
        };
        match word {
            Some(word) => said.push((word, sent_in, conversion)),
            None => always = Some(SentIn::Always(sent_in, conversion)),
        }
    }
    let sent_in = always.unwrap_or(SentIn::Said(said));
    let code = Arc::from(unit.code());
    Some(MetricKind::Number(Number { unit, range, suspect, code, sent_in, scale: scale?, offset: offset? }))
}

/// `unit = { path = "$.unit", words = { mmHg = "mm[Hg]", kPa = "kPa" } }`: the payload says it.
fn said_units(
    section: &Section<'_, '_>,
    places: Places,
    place: &mut Option<Place>,
) -> Option<Vec<(Option<Word>, Unit)>> {
    *place = places.need(section);
    let words = section.need_section("words")?;
    let units: Vec<_> = words
        .keys()
        .into_iter()
        .filter_map(|word| Some((Some(Word::new(word)), words.parsed(word, Unit::parse)?)))
        .collect();
    if units.is_empty() {
        section.wrong("words", "expected what the payload says, and the UCUM code that it means", None);
        return None;
    }
    Some(units)
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

/// The state of a measurement whose context has not come: one of its own.
fn without(section: &Section<'_, '_>, kind: Option<&MetricKind>, context: bool) -> Option<Arc<str>> {
    let word = section.text("without")?;
    let Some(MetricKind::State(states)) = kind.filter(|_| context) else {
        section.wrong("without", "only a metric with states and context = true has it", None);
        return None;
    };
    let known = states.tokens().find(|token| ***token == *word).cloned();
    if known.is_none() {
        section.wrong("without", format!("{word:?} is not one of its states"), None);
    }
    known
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
