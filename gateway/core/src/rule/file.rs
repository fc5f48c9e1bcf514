//! A rule file: one or more `[[rule]]` tables, each with its own `[[rule.test]]` vectors.

mod overlay;
mod task;

use std::sync::Arc;

use crate::alert::Severity;
use crate::diagnostic::{Diagnostic, Section, nearest, read};
use crate::ids::{ClassId, Id, MetricId, RuleId};
use crate::overlay::split;

use super::calendar::{self, CalendarFile, Hours};
use super::classes::{ClassTable, late_ms};
use super::group::Group;
use super::model::{Kind, Rule, Source, TaskRule, Threshold};
use super::text::{Template, Templates};
use super::vectors::{self, Vector};
use crate::expr::{self, Lowered, MetricInfo, Slot, unknown_metric};

/// The rules of one file, checked but not yet numbered together with those of other files.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFile {
    /// The rules in the order of the file.
    pub rules: Vec<ParsedRule>,
    /// Its calendars and years.
    pub calendars: CalendarFile,
}

/// One rule of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedRule {
    /// Its name.
    pub id: RuleId,
    /// The class that it is for.
    pub class: ClassId,
    when: Option<expr::Expr>,
    unless: Option<expr::Expr>,
    clear: Option<expr::Expr>,
    hold_ms: i64,
    clear_after_ms: i64,
    silence: Option<Silence>,
    calendar: Option<String>,
    group: Option<Group>,
    severity: Severity,
    team: Arc<str>,
    text: Templates,
    task: Option<Arc<TaskRule>>,
    late_ms: Option<i64>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Silence {
    Device {
        after_ms: Option<i64>,
    },
    Metric {
        metric: MetricId,
        after_ms: i64,
    },
    /// None was taken on the day until this minute of it.
    Day {
        metric: MetricId,
        by: u16,
    },
}

const SEVERITIES: [Severity; 4] = [Severity::P1, Severity::P2, Severity::P3, Severity::P4];

impl RuleFile {
    /// Reads a rule file, checks every name and type, and runs the tests that are in it; what a site laid over it
    /// ([`crate::overlay`]) applies to the rules that have stood their tests.
    ///
    /// # Errors
    /// Every mistake with its place, never an empty list.
    pub fn parse(text: &str, file: &str, classes: &ClassTable) -> Result<Self, Vec<Diagnostic>> {
        let (text, layers) = split(text);
        let mut rules = Self::parse_alone(text, file, classes)?;
        for layer in layers {
            overlay::lay_over(&mut rules.rules, layer, classes)?;
        }
        Ok(rules)
    }

    fn parse_alone(text: &str, file: &str, classes: &ClassTable) -> Result<Self, Vec<Diagnostic>> {
        read(file, text, |root| {
            let sections = root.sections("rule");
            let calendars = calendar::read_file(root);
            if sections.is_empty() && calendars == CalendarFile::default() && root.is_clean() {
                root.wrong_here("there is no [[rule]] in this file", None);
                return None;
            }
            // The rules of a file may name its own calendars.
            let mut own = None;
            if calendars != CalendarFile::default() {
                own.insert(classes.clone()).set_calendars("", calendars.clone());
            }
            let classes = own.as_ref().unwrap_or(classes);
            let mut rules: Vec<ParsedRule> = Vec::with_capacity(sections.len());
            for section in &sections {
                let Some(rule) = rule(section, classes) else { continue };
                if rules.iter().any(|known| known.id == rule.id) {
                    section.wrong("id", format!("there are two rules {:?} in this file", rule.id), None);
                    continue;
                }
                rules.push(rule);
            }
            Some(Self { rules, calendars })
        })
    }
}

impl ParsedRule {
    /// Numbers the rule's slots together with those of the class.
    ///
    /// # Errors
    /// A sentence, when a name is not known to the class any more or there are too many slots.
    pub fn lower(&self, known: &ClassTable, slots: &mut Vec<Slot>) -> Result<Rule, String> {
        let metrics = known.metrics(self.class.as_str()).unwrap_or(&[]);
        let hours = self.hours(known)?;
        let mut lowered = |expr: &Option<expr::Expr>| {
            expr.as_ref().map(|expr| Lowered::new(expr, metrics, slots)).transpose().map_err(|e| e.message)
        };
        let kind = match (&self.silence, lowered(&self.when)?) {
            (None, Some(when)) => {
                let (unless, clear) = (lowered(&self.unless)?, lowered(&self.clear)?);
                let others = [&unless, &clear].into_iter().flatten();
                let mask = others.fold(when.mask(), |mask, other| mask | other.mask());
                Kind::Threshold(Threshold {
                    when,
                    hold_ms: self.hold_ms,
                    unless,
                    clear,
                    clear_after_ms: self.clear_after_ms,
                    mask: with_sources(mask, slots),
                    overs: overs(mask, slots),
                })
            }
            (Some(Silence::Device { after_ms }), _) => Kind::DeviceSilence { after_ms: *after_ms },
            (Some(Silence::Metric { metric, .. } | Silence::Day { metric, .. }), _)
                if !metrics.iter().any(|info| info.metric == *metric) =>
            {
                return Err(unknown_metric(metric.as_str(), metrics));
            }
            (Some(Silence::Metric { metric, after_ms }), _) => {
                Kind::MetricSilence { metric: metric.clone(), after_ms: *after_ms, once: false }
            }
            (Some(Silence::Day { metric, by }), _) => {
                let after_ms = i64::from(*by) * 60_000;
                Kind::MetricSilence { metric: metric.clone(), after_ms, once: true }
            }
            (None, None) => return Err("the rule has neither when nor no_data".to_owned()),
        };
        Ok(Rule {
            id: self.id.clone(),
            class: self.class.clone(),
            kind,
            severity: self.severity,
            team: Arc::clone(&self.team),
            text: self.text.clone(),
            group: self.group,
            hours: hours.map(Arc::new),
            task: self.task.clone(),
            late_ms: self.late_ms,
            source: self.source,
        })
    }
}

/// The slots of functions among these, as bits.
fn overs(mask: u64, slots: &[Slot]) -> u64 {
    let of = |n: usize| mask >> n & 1 == 1 && slots.get(n).is_some_and(|slot| slot.over.is_some());
    (0..slots.len()).filter(|n| of(*n)).fold(0, |mask, n| mask | 1 << n)
}

/// These slots and those that functions among them are of, as bits.
fn with_sources(mask: u64, slots: &[Slot]) -> u64 {
    let over = |n: usize| slots.get(n).filter(|_| mask >> n & 1 == 1)?.over.as_deref();
    (0..slots.len()).filter_map(over).fold(mask, |mask, over| mask | 1 << over.source | 1 << over.other)
}

impl ParsedRule {
    /// The name of its calendar.
    #[must_use]
    pub fn calendar(&self) -> Option<&str> {
        self.calendar.as_deref()
    }

    fn hours(&self, known: &ClassTable) -> Result<Option<Hours>, String> {
        let named = match &self.calendar {
            Some(name) => Some(known.calendars().hours(name).ok_or_else(|| unknown_calendar(name, known))?),
            None => None,
        };
        Ok(match &self.silence {
            Some(Silence::Day { by, .. }) => Some(named.unwrap_or_else(Hours::always).from_minute(*by)),
            _ => named,
        })
    }
}

fn unknown_calendar(name: &str, known: &ClassTable) -> String {
    match nearest(name, known.calendars().names()) {
        Some(near) => format!("there is no calendar {name:?}; did you mean {near:?}?"),
        None => format!("there is no calendar {name:?}"),
    }
}

/// Whether a text has calendars: rules of other texts may name them, so they are read first.
#[must_use]
pub fn holds_calendars(text: &str) -> bool {
    let table = |line: &str| ["[[calendar]]", "[[year]]"].iter().any(|head| line.starts_with(head));
    text.lines().any(|line| table(line.trim_start()))
}

/// What the names of the alerts that the gateway raises about itself begin with.
pub const TECHNICAL: &str = "technical.";

fn rule(section: &Section<'_, '_>, classes: &ClassTable) -> Option<ParsedRule> {
    let id = name::<crate::ids::Rule>(section, "id");
    if id.as_ref().is_some_and(|id| id.as_str().starts_with(TECHNICAL)) {
        section.wrong("id", format!("names that begin with {TECHNICAL:?} are the gateway's own"), None);
    }
    let class = name::<crate::ids::Class>(section, "class");
    section.need_text("source");
    let source = section.choice("source", &["V", "R", "D"]).map(|n| [Source::V, Source::R, Source::D][n]);
    section.need_text("severity");
    let severity = section.choice("severity", &["P1", "P2", "P3", "P4"]).map(|n| SEVERITIES[n]);
    let team = section.need_text("team").map(Arc::from);
    let metrics = class.as_ref().and_then(|class| {
        let found = classes.metrics(class.as_str());
        if found.is_none() {
            let hint = nearest(class.as_str(), classes.names()).map(|near| format!("did you mean {near:?}?"));
            section.wrong("class", format!("there is no profile of the class {class:?}"), hint);
        }
        found
    });
    let text = texts(section, metrics);
    let task = task::read(section);
    let hold_ms = millis(section, "for");
    let clear_after_ms = millis(section, "clear_after");
    let late_ms = millis(section, "late");
    let when = condition(section, "when", metrics);
    let unless = condition(section, "unless", metrics);
    let clear = condition(section, "clear", metrics);
    let silence = silence(section, metrics, hold_ms);
    let calendar = section.text("calendar").map(str::to_owned);
    if let Some(name) = calendar.as_ref().filter(|name| classes.calendars().hours(name).is_none()) {
        section.wrong("calendar", unknown_calendar(name, classes), None);
        return None;
    }
    match (section.has("when"), section.has("no_data")) {
        (true, true) => {
            section.wrong("no_data", "a rule has either when or no_data", Some("make two rules of it".into()))
        }
        (false, false) => section.wrong_here("the rule has neither when nor no_data", None),
        (false, true) => {
            if section.has("unless") {
                section.wrong("unless", "a rule on silence has no unless", None);
            }
            for key in ["clear", "clear_after"] {
                if section.has(key) {
                    section.wrong(key, "a rule on silence clears when data come again", None);
                }
            }
        }
        (true, false) if section.has("by") => section.wrong("by", "by belongs to no_data", None),
        (true, false) => {}
    }
    let group = Group::read(section, hold_ms.unwrap_or(0), clear_after_ms.unwrap_or(0));
    if group.is_some() && section.has("no_data") {
        section.wrong("group_by", "a group counts what devices say; name it with when", None);
    }
    let tests = vectors::read(section, metrics);
    let rule = ParsedRule {
        id: id?,
        class: class?,
        when,
        unless,
        clear,
        // In a group the hold is that of the group: a device counts at once.
        hold_ms: hold_ms.filter(|_| group.is_none()).unwrap_or(0),
        clear_after_ms: clear_after_ms.filter(|_| group.is_none()).unwrap_or(0),
        silence,
        calendar,
        group,
        severity: severity?,
        team: team?,
        text: text?,
        task,
        late_ms,
        source: source?,
    };
    metrics?;
    run_tests(section, &rule, classes, &tests?);
    Some(rule)
}

fn run_tests(section: &Section<'_, '_>, rule: &ParsedRule, classes: &ClassTable, tests: &[Vector]) {
    let mut slots = Vec::new();
    let Ok(lowered) = rule.lower(classes, &mut slots) else { return };
    if tests.is_empty() {
        section.wrong_here(
            "the rule has no [[rule.test]]; it is refused without",
            Some("show at least one sequence of values and the transitions that they must make".into()),
        );
    }
    let late = late_ms(rule.class.as_str());
    for (n, test) in tests.iter().enumerate() {
        if let Err(message) = vectors::run(test, &lowered, &slots, late) {
            section.wrong("test", format!("test {}: {message}", n + 1), None);
        }
    }
}

fn name<K>(section: &Section<'_, '_>, key: &str) -> Option<Id<K>> {
    section.need_text(key)?;
    section.parsed(key, Id::new)
}

fn millis(section: &Section<'_, '_>, key: &str) -> Option<i64> {
    section.millis(key).map(|ms| i64::try_from(ms).unwrap_or(i64::MAX))
}

fn texts(section: &Section<'_, '_>, metrics: Option<&[MetricInfo]>) -> Option<Templates> {
    let text = section.need_section("text")?;
    // What a group says of itself.
    let own: &[&str] = if section.has("group_by") { &["share", "count", "members"] } else { &[] };
    let metrics = metrics.filter(|_| own.is_empty()).unwrap_or(&[]);
    let names = metrics.iter().map(|info| info.metric.as_str()).chain(own.iter().copied());
    let language = |key: &str| {
        text.need_text(key)?;
        text.parsed(key, |text| Template::parse(text, names.clone()))
    };
    let (zh, en) = (language("zh"), language("en"));
    Some(Templates { zh: zh?, en: en? })
}

fn condition(section: &Section<'_, '_>, key: &str, metrics: Option<&[MetricInfo]>) -> Option<expr::Expr> {
    let text = section.text(key)?;
    let checked = expr::parse(text).and_then(|expr| {
        if let Some(metrics) = metrics {
            Lowered::new(&expr, metrics, &mut Vec::new())?;
        }
        Ok(expr)
    });
    match checked {
        Ok(expr) => Some(expr),
        Err(error) => {
            section.wrong_within(key, error.at, error.message);
            None
        }
    }
}

fn silence(
    section: &Section<'_, '_>,
    metrics: Option<&[MetricInfo]>,
    after_ms: Option<i64>,
) -> Option<Silence> {
    let text = section.text("no_data")?;
    if text == "device" {
        if section.has("by") {
            section.wrong("by", "only the silence of a metric can be asked for at a time of day", None);
        }
        return Some(Silence::Device { after_ms });
    }
    let metrics = metrics?;
    let Some(info) = metrics.iter().find(|info| info.metric.as_str() == text) else {
        let hint = Some("write \"device\" or the name of a metric".to_owned());
        section.wrong("no_data", unknown_metric(text, metrics), hint);
        return None;
    };
    if let Some(by) = section.text("by") {
        let by = calendar::minute(by).filter(|by| (1..24 * 60).contains(by));
        if by.is_none() {
            section.wrong("by", "should read like \"10:00\"", None);
        }
        if after_ms.is_some() {
            section.wrong("for", "a rule has either by or for", None);
        }
        return Some(Silence::Day { metric: info.metric.clone(), by: by? });
    }
    let Some(after_ms) = after_ms.filter(|ms| *ms > 0) else {
        section.wrong("no_data", "silence of a metric needs for = \"...\"", Some("for = \"10min\"".into()));
        return None;
    };
    Some(Silence::Metric { metric: info.metric.clone(), after_ms })
}
