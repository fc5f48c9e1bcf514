//! The tests inside a rule file: values at moments, and the transitions that they must make.
//!
//! ```toml
//! [[rule.test]]
//! given  = [{ at = "0s", values = { temp = 9.1 } }, { at = "31min", values = { temp = 9.0 } }]
//! expect = ["fired 30min"]
//! ```

use jiff::civil::DateTime;
use smallvec::SmallVec;

use crate::diagnostic::Section;
use crate::duration::{parse_millis, show_millis};
use crate::ids::ClassId;
use crate::reading::Measured;
use crate::time::Timestamp;
use crate::value::{Missing, Quality, Reason, Value};

use super::group::{Group, GroupTrack, Tally};
use super::model::{Kind, Rule};
use super::set::RuleSet;
use super::state::{Observed, RuleState};
use super::track::{Clocks, NEVER, Step, Track};
use crate::expr::{MetricInfo, MetricKind, Slot, unknown_metric};

/// One test of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    given: Vec<Given>,
    expect: Vec<(bool, i64)>,
    until_ms: Option<i64>,
    every_ms: Option<i64>,
    start: Option<DateTime>,
    devices: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Given {
    taken_ms: i64,
    received_ms: i64,
    device: u32,
    values: SmallVec<[Measured; 1]>,
}

/// The moment that the tests count from, when they say none: a public holiday, at eight in Shanghai.
const START: Timestamp = Timestamp(1_767_225_600_000);

/// Reads the tests of one rule.
pub fn read(section: &Section<'_, '_>, metrics: Option<&[MetricInfo]>) -> Option<Vec<Vector>> {
    section.sections("test").iter().map(|test| vector(test, metrics.unwrap_or(&[]))).collect()
}

fn vector(section: &Section<'_, '_>, metrics: &[MetricInfo]) -> Option<Vector> {
    // The name is for the person who reads the file.
    let _name = section.text("name");
    let millis = |section: &Section<'_, '_>, key: &str| {
        section.millis(key).map(|ms| i64::try_from(ms).unwrap_or(i64::MAX))
    };
    let given = section
        .sections("given")
        .iter()
        .map(|given| {
            given.need_text("at")?;
            let taken_ms = millis(given, "at")?;
            let received_ms = millis(given, "received").unwrap_or(taken_ms);
            let values =
                given.section("values").map_or(Some(SmallVec::new()), |values| measured(&values, metrics))?;
            let device = given.integer("device").and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
            Some(Given { taken_ms, received_ms, device, values })
        })
        .collect::<Option<Vec<_>>>()?;
    let expect = section
        .texts("expect")
        .unwrap_or_default()
        .into_iter()
        .map(|text| match expected(text) {
            Ok(expected) => Some(expected),
            Err(message) => {
                section.wrong("expect", message, None);
                None
            }
        })
        .collect::<Option<Vec<_>>>()?;
    let start = match section.text("start").map(str::parse::<DateTime>) {
        Some(Err(_)) => {
            section.wrong(
                "start",
                "should read like \"2026-11-20T17:00\": a time of the calendar's zone",
                None,
            );
            return None;
        }
        Some(Ok(start)) => Some(start),
        None => None,
    };
    let (until_ms, every_ms) = (millis(section, "until"), millis(section, "every"));
    let devices = section.integer("devices").and_then(|n| u32::try_from(n).ok()).unwrap_or(1).clamp(1, 1_000);
    if given.iter().any(|given| given.device == 0 || given.device > devices) {
        section.wrong("given", format!("the devices of this test are 1 to {devices}"), None);
        return None;
    }
    Some(Vector { given, expect, until_ms, every_ms, start, devices })
}

fn expected(text: &str) -> Result<(bool, i64), String> {
    let usage = || format!("{text:?} should read like \"fired 30min\" or \"cleared 1h\"");
    let (word, at) = text.split_once(' ').ok_or_else(usage)?;
    let fired = match word {
        "fired" => true,
        "cleared" => false,
        _ => return Err(usage()),
    };
    Ok((fired, i64::try_from(parse_millis(at)?).map_err(|_| usage())?))
}

fn measured(section: &Section<'_, '_>, metrics: &[MetricInfo]) -> Option<SmallVec<[Measured; 1]>> {
    let mut all = SmallVec::new();
    for key in section.keys() {
        let marked = [(".bad", Quality::Bad), (".uncertain", Quality::Uncertain)]
            .into_iter()
            .find_map(|(end, quality)| Some((key.strip_suffix(end)?, quality)));
        let (name, quality) = marked.unwrap_or((key, Quality::Good));
        let Some(info) = metrics.iter().find(|info| info.metric.as_str() == name) else {
            section.wrong(key, unknown_metric(name, metrics), None);
            return None;
        };
        let value = match (&info.kind, missing(section, key)) {
            (_, Some(missing)) => Value::Missing(missing),
            (MetricKind::Number, None) => Value::Number(section.number(key)?),
            (MetricKind::State(_), None) => Value::State(section.word(key)?.into()),
            (MetricKind::Text, None) => Value::Text(section.word(key)?.into()),
        };
        let (quality, reason) = match (&value, quality) {
            (Value::Missing(_), _) => (Quality::Bad, Some(Reason::Missing)),
            (_, Quality::Good) => (quality, None),
            (_, Quality::Uncertain | Quality::Bad) => (quality, Some(Reason::DeviceFlag)),
        };
        all.push(Measured {
            metric: info.metric.clone(),
            value,
            unit: "".into(),
            quality,
            reason,
            raw: None,
        });
    }
    Some(all)
}

/// `"missing:high"` and its like stand for a value that the device did not give.
fn missing(section: &Section<'_, '_>, key: &str) -> Option<Missing> {
    let word = if section.is_text(key) { section.word(key)? } else { return None };
    Some(match word.strip_prefix("missing:")? {
        "high" => Missing::High,
        "low" => Missing::Low,
        "absent" => Missing::Absent,
        "sensor_fault" => Missing::SensorFault,
        _ => Missing::NotANumber,
    })
}

/// Runs one test of a rule that stands alone.
///
/// # Errors
/// A sentence with what was expected and what happened.
pub fn run(test: &Vector, rule: &Rule, slots: &[Slot], late_ms: i64) -> Result<(), String> {
    let class: ClassId = rule.class.clone();
    let set = RuleSet::new(class, vec![rule.clone()], slots.to_vec(), late_ms);
    let start = match (test.start, &rule.hours) {
        (Some(local), Some(hours)) => hours.moment(local).ok_or("there is no such moment at start")?,
        (Some(_), None) => return Err("start has a meaning only for a rule with a calendar".to_owned()),
        (None, _) => START,
    };
    if let Some(group) = rule.group {
        return run_group(test, &set, &group, start);
    }
    let mut bench = Bench {
        state: RuleState::new(&set, Clocks { wall: start, even: 0 }),
        silent_after: match &rule.kind {
            Kind::DeviceSilence { after_ms } => after_ms.or(test.every_ms.map(|every| every * 2)),
            Kind::Threshold(_) | Kind::MetricSilence { .. } => None,
        },
        set,
        start,
        heard_ms: 0,
        steps: Vec::new(),
    };
    if matches!(rule.kind, Kind::DeviceSilence { after_ms: None }) && test.every_ms.is_none() {
        return Err("say every = \"...\": how often the device is expected".to_owned());
    }
    for given in &test.given {
        bench.pass(given.received_ms);
        bench.give(given);
    }
    let last = test.given.last().map_or(0, |given| given.received_ms);
    bench.pass(test.until_ms.unwrap_or(last));
    if bench.steps == test.expect {
        return Ok(());
    }
    Err(format!("expected {}, got {}", show(&test.expect), show(&bench.steps)))
}

/// A test of a group: each device has a state of its own, and the group counts them.
fn run_group(test: &Vector, set: &RuleSet, group: &Group, start: Timestamp) -> Result<(), String> {
    let clocks = |ms: i64| Clocks { wall: start.plus_ms(ms), even: ms };
    let mut states: Vec<RuleState> = (0..test.devices).map(|_| RuleState::new(set, clocks(0))).collect();
    let (mut track, mut steps) = (GroupTrack::default(), Vec::new());
    let mut note = |step: Option<Step>| match step {
        Some(Step::Fired { at, .. }) => steps.push((true, at.since(start))),
        Some(Step::Cleared { at, .. }) => steps.push((false, at.since(start))),
        None => {}
    };
    let last = test.given.last().map_or(0, |given| given.received_ms);
    let mut given = test.given.iter().peekable();
    let mut now = 0;
    loop {
        let looks = states.iter().map(|state| state.next_look(set, 0)).min().unwrap_or(NEVER);
        let looks = if looks == NEVER { NEVER } else { Timestamp(looks).since(start) };
        let due = states.iter().map(RuleState::next_due).min().unwrap_or(NEVER);
        let next = given.peek().map_or(NEVER, |given| given.received_ms).min(looks).min(due).min(track.due);
        if next > test.until_ms.unwrap_or(last) {
            break;
        }
        now = next.max(now);
        let mut changes = Vec::new();
        note(track.expire(group, clocks(now)));
        for state in &mut states {
            if state.next_due() <= now {
                state.expire(set, 0, &mut changes);
            }
            if state.next_look(set, 0) <= start.plus_ms(now).0 {
                state.look(set, 0, clocks(now), &mut changes);
            }
        }
        while let Some(given) = given.next_if(|given| given.received_ms <= now) {
            let seen = Observed { at: start.plus_ms(given.taken_ms), stream: 0, values: &given.values };
            if let Some(state) = states.get_mut(given.device as usize - 1) {
                state.heard(set, 0, clocks(now));
                state.take(set, &seen, clocks(now), &mut changes);
            }
        }
        let so = states.iter().filter(|state| state.tracks.iter().any(Track::is_firing)).count();
        let tally = Tally { devices: test.devices, so: u32::try_from(so).unwrap_or(u32::MAX) };
        note(track.look(group, tally, clocks(now)));
    }
    if steps == test.expect {
        return Ok(());
    }
    Err(format!("expected {}, got {}", show(&test.expect), show(&steps)))
}

fn show(steps: &[(bool, i64)]) -> String {
    if steps.is_empty() {
        return "no transition".to_owned();
    }
    let one = |(fired, at): &(bool, i64)| {
        let at = show_millis(u64::try_from(*at).unwrap_or(0));
        format!("{} {at}", if *fired { "fired" } else { "cleared" })
    };
    steps.iter().map(one).collect::<Vec<_>>().join(", ")
}

struct Bench {
    set: RuleSet,
    state: RuleState,
    start: Timestamp,
    silent_after: Option<i64>,
    heard_ms: i64,
    steps: Vec<(bool, i64)>,
}

impl Bench {
    fn clocks(&self, ms: i64) -> Clocks {
        Clocks { wall: self.start.plus_ms(ms), even: ms }
    }

    /// Lets time pass up to and with `to`.
    fn pass(&mut self, to: i64) {
        loop {
            let (due, look, silent) = (self.state.next_due(), self.next_look(), self.silent_at());
            let next = due.min(look).min(silent);
            if next > to || next == NEVER {
                return;
            }
            let mut changes = Vec::new();
            // What was due before a calendar opens or closes goes first.
            if due <= look && due <= silent {
                let rule = self.state.tracks.iter().position(|track| track.due == due).unwrap_or(0);
                self.state.expire(&self.set, u16::try_from(rule).unwrap_or(0), &mut changes);
            } else if silent <= look {
                self.silent(silent);
            } else {
                let clocks = self.clocks(look);
                let edge = clocks.wall.0;
                let at_edge = |n: &usize| self.state.next_look(&self.set, *n) == edge;
                let rule = (0..self.state.tracks.len()).find(at_edge).unwrap_or(0);
                self.state.look(&self.set, u16::try_from(rule).unwrap_or(0), clocks, &mut changes);
            }
            changes.iter().for_each(|change| self.note(change.step));
        }
    }

    /// When a calendar is looked at next.
    fn next_look(&self) -> i64 {
        let looks = (0..self.state.tracks.len()).map(|n| self.state.next_look(&self.set, n));
        let edge = looks.min().unwrap_or(NEVER);
        if edge == NEVER { NEVER } else { Timestamp(edge).since(self.start) }
    }

    /// When the silence of the device is long enough.
    fn silent_at(&self) -> i64 {
        let Some(after) = self.silent_after else { return NEVER };
        let waits = |track: &&Track| !track.is_firing() && !track.closed;
        let Some(track) = self.state.tracks.iter().find(waits) else { return NEVER };
        let has_hours = self.set.rules.iter().any(|rule| rule.hours.is_some());
        let open = if has_hours { track.mark.since(self.start) } else { 0 };
        self.heard_ms.max(open) + after
    }

    fn silent(&mut self, at: i64) {
        let (since, at) = (self.start.plus_ms(self.heard_ms), self.start.plus_ms(at));
        let step = self.state.tracks.iter_mut().find_map(|track| track.device_silent(since, at));
        step.into_iter().for_each(|step| self.note(step));
    }

    fn give(&mut self, given: &Given) {
        let (taken, now) = (self.start.plus_ms(given.taken_ms), self.clocks(given.received_ms));
        if self.silent_after.is_some() {
            self.heard_ms = given.received_ms;
            let step = self.state.tracks.iter_mut().find_map(|track| track.device_heard(now.wall));
            step.into_iter().for_each(|step| self.note(step));
            return;
        }
        let mut changes = Vec::new();
        self.state.heard(&self.set, 0, now);
        self.state.good(&self.set, &given.values, taken, now, &mut changes);
        let seen = Observed { at: taken, stream: 0, values: &given.values };
        self.state.take(&self.set, &seen, now, &mut changes);
        changes.iter().for_each(|change| self.note(change.step));
    }

    fn note(&mut self, step: Step) {
        self.steps.push(match step {
            Step::Fired { at, .. } => (true, at.since(self.start)),
            Step::Cleared { at, .. } => (false, at.since(self.start)),
        });
    }
}
