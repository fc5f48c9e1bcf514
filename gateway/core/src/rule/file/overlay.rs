//! What a site may change of the rules of a file: thresholds, delays, urgency, team and texts, or that one is off.

use super::{
    ClassTable, ParsedRule, SEVERITIES, Silence, condition, late_ms, millis, unknown_calendar, vectors,
};
use crate::diagnostic::{Diagnostic, Section, nearest, read};
use crate::expr::MetricInfo;
use crate::overlay::Layer;
use crate::rule::text::Template;

/// Lays an overlay over the rules of a file.
pub(super) fn lay_over(
    rules: &mut Vec<ParsedRule>,
    layer: Layer<'_>,
    classes: &ClassTable,
) -> Result<(), Vec<Diagnostic>> {
    read(layer.name, layer.text, |root| {
        root.need_text("rules");
        for section in root.sections("rule") {
            let Some(id) = section.need_text("id") else { continue };
            let Some(place) = rules.iter().position(|rule| rule.id.as_str() == id) else {
                let near = nearest(id, rules.iter().map(|rule| rule.id.as_str()));
                let hint = near.map(|near| format!("did you mean {near:?}?"));
                section.wrong("id", format!("there is no rule {id:?} in these rules"), hint);
                drop(section.keys());
                continue;
            };
            let metrics = classes.metrics(rules[place].class.as_str()).unwrap_or(&[]);
            adjust(&section, &mut rules[place], metrics, classes);
            if section.flag("off") == Some(true) {
                rules.remove(place);
            }
        }
        Some(())
    })
}

fn adjust(section: &Section<'_, '_>, rule: &mut ParsedRule, metrics: &[MetricInfo], classes: &ClassTable) {
    for key in ["when", "clear", "clear_after"] {
        if section.has(key) && rule.silence.is_some() {
            section.wrong(key, "the rule is about silence; it has only \"for\"", None);
            return;
        }
    }
    let known = Some(metrics);
    if let Some(name) = section.text("calendar") {
        match classes.calendars().hours(name) {
            Some(_) => rule.calendar = Some(name.to_owned()),
            None => section.wrong("calendar", unknown_calendar(name, classes), None),
        }
    }
    rule.when = condition(section, "when", known).or(rule.when.take());
    rule.clear = condition(section, "clear", known).or(rule.clear.take());
    rule.clear_after_ms = millis(section, "clear_after").unwrap_or(rule.clear_after_ms);
    rule.late_ms = millis(section, "late").or(rule.late_ms);
    if let Some(after) = millis(section, "for") {
        match &mut rule.silence {
            Some(Silence::Device { after_ms }) => *after_ms = Some(after),
            Some(Silence::Metric { after_ms, .. }) if after > 0 => *after_ms = after,
            Some(Silence::Day { .. }) => section.wrong("for", "the rule asks at a time of day", None),
            Some(Silence::Metric { .. }) => section.wrong("for", "silence needs more than no time", None),
            None => match &mut rule.group {
                Some(group) => group.hold_ms = after,
                None => rule.hold_ms = after,
            },
        }
    }
    if let Some(severity) = section.choice("severity", &["P1", "P2", "P3", "P4"]) {
        rule.severity = SEVERITIES[severity];
    }
    if let Some(team) = section.text("team") {
        rule.team = team.into();
    }
    if let Some(task) = super::task::read(section) {
        rule.task = Some(task);
    }
    if let Some(text) = section.section("text") {
        let names = metrics.iter().map(|info| info.metric.as_str());
        for (key, template) in [("zh", &mut rule.text.zh), ("en", &mut rule.text.en)] {
            if let Some(said) = text.parsed(key, |text| Template::parse(text, names.clone())) {
                *template = said;
            }
        }
    }
    let mut slots = Vec::new();
    let tests = vectors::read(section, known).unwrap_or_default();
    let Ok(lowered) = rule.lower(classes, &mut slots) else { return };
    for (n, test) in tests.iter().enumerate() {
        if let Err(message) = vectors::run(test, &lowered, &slots, late_ms(rule.class.as_str())) {
            section.wrong("test", format!("test {}: {message}", n + 1), None);
        }
    }
}
