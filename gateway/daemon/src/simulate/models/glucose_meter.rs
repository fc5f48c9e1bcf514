//! A glucose meter at home: counted readings with the context of the meal.

use orderly_core::value::Missing;

use super::{Model, Moment, local_hour};
use crate::simulate::frame::Said;
use crate::simulate::value::{missing, number, rounded, word};

/// A glucose meter and the person who uses it.
#[derive(Debug)]
pub struct GlucoseMeter {
    fasting: f64,
    rise: f64,
    started: bool,
    eager: bool,
}

impl GlucoseMeter {
    /// A person with diabetes, well or less well controlled; an eager one measures at once.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>, eager: bool) -> Self {
        let random = &mut *moment.random;
        Self {
            fasting: (6.6 + 1.1 * random.normal()).clamp(4.4, 12.0),
            rise: random.between(1.2, 4.5),
            started: false,
            eager,
        }
    }

    fn reading(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) {
        let (context, after_meal) = context(local_hour(moment.now));
        let random = &mut *moment.random;
        let value =
            (self.fasting + if after_meal { self.rise } else { 0.0 } + 0.7 * random.normal()).max(2.4);
        let (glucose, range) = match random.share() {
            x if x < 0.004 => (missing("glucose", Missing::High), "above"),
            x if x < 0.006 => (missing("glucose", Missing::Low), "below"),
            _ => (number("glucose", rounded(value, 1)), "within"),
        };
        let sample = if random.chance(0.01) { "control" } else { "capillary" };
        let strip = if random.chance(0.02) { "too_small" } else { "ok" };
        let values = vec![
            glucose,
            word("context", context),
            word("sample", sample),
            word("strip", strip),
            word("range", range),
        ];
        said.push(Said { stream: "reading", taken: moment.device_now, values });
    }
}

impl Model for GlucoseMeter {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        let wait = (8.0 * 3_600_000.0 / moment.pace).max(20_000.0);
        if self.started {
            self.reading(moment, said);
        } else {
            self.started = true;
            if moment.random.chance(0.2) || self.eager {
                return moment.now + moment.random.whole(500, 20_000);
            }
        }
        moment.now + moment.random.wait_ms(wait)
    }
}

/// The context that the meter infers from the clock (DOMAIN 3.2), and whether it is after a meal.
fn context(hour: f64) -> (&'static str, bool) {
    match hour {
        h if h < 4.0 => ("night_03", false),
        h if h < 9.0 => ("fasting", false),
        h if h < 11.0 => ("post_breakfast_2h", true),
        h if h < 12.5 => ("pre_lunch", false),
        h if h < 16.0 => ("post_lunch_2h", true),
        h if h < 18.5 => ("pre_dinner", false),
        h if h < 21.0 => ("post_dinner_2h", true),
        _ => ("bedtime", false),
    }
}
