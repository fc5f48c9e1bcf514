//! A glucose meter at home: counted readings with the context of the meal.

use serde_json::{Value as Json, json};

use super::{Model, Moment, Said, local_hour, local_time, tenth};

/// A glucose meter and the person who uses it.
#[derive(Debug)]
pub struct GlucoseMeter {
    seq: u64,
    fasting: f64,
    rise: f64,
    started: bool,
}

impl GlucoseMeter {
    /// A person with diabetes, well or less well controlled.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>) -> Self {
        let random = &mut *moment.random;
        Self {
            seq: u64::try_from(random.whole(1, 800)).unwrap_or(1),
            fasting: (6.6 + 1.1 * random.normal()).clamp(4.4, 12.0),
            rise: random.between(1.2, 4.5),
            started: false,
        }
    }

    fn reading(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) {
        let (context, after_meal) = context(local_hour(moment.now));
        let random = &mut *moment.random;
        self.seq += 1;
        let value =
            (self.fasting + if after_meal { self.rise } else { 0.0 } + 0.7 * random.normal()).max(2.4);
        let glucose: Json = match random.share() {
            x if x < 0.004 => json!("HI"),
            x if x < 0.006 => json!("LO"),
            _ => json!(tenth(value)),
        };
        let mut body = json!({ "seq": self.seq, "glucose": glucose, "context": context, "sample": "capillary", "strip": "ok" });
        if random.chance(0.01) {
            body["sample"] = json!("control");
        }
        if random.chance(0.02) {
            body["strip"] = json!("too_small");
        }
        body["t"] = json!(local_time(moment.device_now));
        let device_time = Some(moment.device_now.div_euclid(1_000) * 1_000);
        said.push(Said { stream: "reading", device_time, body });
    }
}

impl Model for GlucoseMeter {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        let wait = (8.0 * 3_600_000.0 / moment.pace).max(20_000.0);
        if self.started {
            self.reading(moment, said);
        } else {
            self.started = true;
            if moment.random.chance(0.2) {
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
