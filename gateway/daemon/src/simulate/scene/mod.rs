//! A small world of phases for devices that need no program of their own: the texts beside this file say what they
//! go through and how their values move meanwhile; here it happens.

mod script;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_core::value::Value;

use super::frame::Said;
use super::models::{Model, Moment};
use super::units::Unit;
use super::value::{Values, number_of, rounded};
pub use script::{Behaviour, Script, all};

/// A day is at most so many times as busy.
const BUSIEST: f64 = 60.0;

/// One device of a script.
#[derive(Debug)]
pub struct Scene {
    script: Arc<Script>,
    stream: &'static str,
    phase: usize,
    began: i64,
    ends: i64,
    report_at: i64,
    /// When values moved last.
    moved: i64,
    /// Where moving values are, by their names.
    held: BTreeMap<String, f64>,
    drawn: BTreeMap<String, String>,
}

impl Scene {
    /// A device of this script, in a phase that it may be found in.
    #[must_use]
    pub fn new(script: &Arc<Script>, stream: &'static str, moment: &mut Moment<'_>) -> Self {
        let mut scene = Self {
            script: Arc::clone(script),
            stream,
            phase: 0,
            began: moment.now,
            ends: i64::MAX,
            report_at: moment.now + moment.random.whole(200, 8_000),
            moved: moment.now,
            held: BTreeMap::new(),
            drawn: BTreeMap::new(),
        };
        scene.enter(0, moment);
        scene
    }

    fn enter(&mut self, phase: usize, moment: &mut Moment<'_>) {
        let script = Arc::clone(&self.script);
        self.phase = phase;
        self.began = moment.now;
        let Some(phase) = script.phase.get(phase) else { return };
        self.ends = phase.stay.map_or(i64::MAX, |[least, most]| {
            let pace = if phase.fixed { 1.0 } else { moment.pace.min(BUSIEST) };
            let seconds = moment.random.between(least, most) / pace;
            moment.now + (seconds.max(if phase.fixed { 0.0 } else { 3.0 }) * 1_000.0) as i64
        });
        for (name, behaviour) in script.always.iter().chain(&phase.set) {
            if let Behaviour::OneOf { one_of } = behaviour
                && !one_of.is_empty()
            {
                self.drawn.insert(name.clone(), moment.random.one(one_of).clone());
            }
        }
    }

    /// Goes on to the next phase when this one is over. Whether it was.
    fn go_on(&mut self, moment: &mut Moment<'_>) -> bool {
        if moment.now < self.ends {
            return false;
        }
        let script = Arc::clone(&self.script);
        let Some(phase) = script.phase.get(self.phase) else { return false };
        let next = match phase.next.is_empty() {
            true => (self.phase + 1) % script.phase.len(),
            false => {
                let next: &String = moment.random.one(&phase.next);
                script.phase_named(next).unwrap_or(0)
            }
        };
        self.enter(next, moment);
        true
    }

    /// What it means now.
    fn values_at(&mut self, moment: &mut Moment<'_>) -> Values {
        let script = Arc::clone(&self.script);
        let Some(phase) = script.phase.get(self.phase) else { return Values::new() };
        let hours = (moment.now - self.moved) as f64 / 3_600_000.0 * moment.pace.min(BUSIEST);
        self.moved = moment.now;
        let mut values = Values::new();
        // What a phase says goes before what is always said.
        let always = script.always.iter().filter(|(name, _)| !phase.set.contains_key(*name));
        let (derived, moving): (Vec<_>, Vec<_>) = phase
            .set
            .iter()
            .chain(always)
            .partition(|(_, how)| matches!(how, Behaviour::Minus { .. } | Behaviour::Ratio { .. }));
        for (name, behaviour) in moving {
            let value = self.moved_by(name, behaviour, hours, moment);
            values.push((name.clone().into(), value));
        }
        // A derived value may stand on another one.
        let (minus, ratio): (Vec<_>, Vec<_>) =
            derived.into_iter().partition(|(_, how)| matches!(how, Behaviour::Minus { .. }));
        for (name, behaviour) in minus.into_iter().chain(ratio) {
            let value = match behaviour {
                Behaviour::Minus { minus: [a, b] } => {
                    (number_of(&values, a) - number_of(&values, b)).max(0.0)
                }
                Behaviour::Ratio { ratio: [a, b], times, digits } => {
                    rounded(number_of(&values, a) / number_of(&values, b).max(0.001) * times, *digits)
                }
                _ => continue,
            };
            values.push((name.clone().into(), Value::Number(value)));
        }
        values
    }

    fn moved_by(&mut self, name: &str, how: &Behaviour, hours: f64, moment: &mut Moment<'_>) -> Value {
        let random = &mut *moment.random;
        let word = |word: &str| Value::State(Arc::from(word));
        let number = match how {
            Behaviour::Word(always) => return word(always),
            Behaviour::OneOf { .. } => return word(self.drawn.get(name).map_or("", String::as_str)),
            Behaviour::Number(number) => *number,
            Behaviour::About { about: [low, high], digits } => rounded(random.between(*low, *high), *digits),
            Behaviour::Walk { walk: [low, high], by, digits, step } => {
                let at = self.held.entry(name.to_owned()).or_insert_with(|| random.between(*low, *high));
                *at = (*at + by * random.normal()).clamp(*low, *high);
                step.map_or_else(|| rounded(*at, *digits), |step| rounded((*at / step).round() * step, 6))
            }
            Behaviour::Count { count, from, digits } => {
                let at = self.held.entry(name.to_owned()).or_insert_with(|| random.between(0.0, *from));
                *at += count * hours;
                let cut = 10_f64.powi(*digits);
                rounded((*at * cut).floor() / cut, *digits)
            }
            Behaviour::Run { run: [from, to], per_hour, digits } => {
                let at = self.held.entry(name.to_owned()).or_insert_with(|| random.between(*from, *to));
                let over = (to - from).signum();
                *at += over * per_hour * hours;
                if (*at - to) * over >= 0.0 {
                    *at = *from;
                }
                rounded(*at, *digits)
            }
            Behaviour::Elapsed { elapsed, digits } => {
                rounded((moment.now - self.began) as f64 / 1_000.0 / elapsed, *digits)
            }
            Behaviour::Minus { .. } | Behaviour::Ratio { .. } => 0.0,
        };
        Value::Number(number)
    }

    fn begin(&mut self, command: &str, moment: &mut Moment<'_>) -> Result<(), &'static str> {
        let wanted = self.script.command.get(command).ok_or("this device does not know the command")?;
        let phase = self.script.phase_named(wanted).ok_or("this device does not know the command")?;
        self.enter(phase, moment);
        self.report_at = moment.now;
        Ok(())
    }
}

impl Model for Scene {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        let changed = self.go_on(moment);
        if changed || moment.now >= self.report_at {
            self.report_at = moment.now + (self.script.every * 1_000.0) as i64;
            let values = self.values_at(moment);
            said.push(Said { stream: self.stream, taken: moment.device_now, values });
        }
        self.report_at.min(self.ends)
    }

    fn told(&mut self, command: &str, _value: &str, moment: &mut Moment<'_>) -> Result<(), &'static str> {
        self.begin(command, moment)
    }
}

impl Unit for Scene {
    fn pass(&mut self, moment: &mut Moment<'_>, _ms: f64) -> Values {
        self.go_on(moment);
        self.values_at(moment)
    }

    fn written(&mut self, register: &str, value: u16, moment: &mut Moment<'_>) {
        // What stands in no script changes nothing.
        _ = self.begin(&format!("{register} = {value}"), moment);
    }
}
