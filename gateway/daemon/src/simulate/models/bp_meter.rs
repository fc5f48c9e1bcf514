//! A pressure meter at home: pairs of readings, morning and evening more than at other times.

use serde_json::json;

use super::{Model, Moment, Said, local_hour, local_time};

/// A crisis that was written into the script: at `at`, and once more at `again`.
#[derive(Debug, Clone, Copy)]
pub struct Crisis {
    /// First high reading.
    pub at: i64,
    /// The reading that confirms it.
    pub again: i64,
}

/// A pressure meter and the person who uses it.
#[derive(Debug)]
pub struct BpMeter {
    sys: f64,
    dia: f64,
    pulse: f64,
    battery: f64,
    second_due: bool,
    started: bool,
    crisis: Option<Crisis>,
}

impl BpMeter {
    /// A person of random pressure.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>, crisis: Option<Crisis>) -> Self {
        let random = &mut *moment.random;
        let sys = (128.0 + 12.0 * random.normal()).clamp(102.0, 168.0);
        Self {
            sys,
            dia: (0.45 * sys + 22.0 + 5.0 * random.normal()).clamp(55.0, 104.0),
            pulse: (72.0 + 8.0 * random.normal()).clamp(52.0, 105.0),
            battery: random.between(20.0, 100.0),
            second_due: false,
            started: false,
            crisis,
        }
    }

    fn reading(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>, high: bool) {
        let random = &mut *moment.random;
        let (mut sys, mut dia) = (self.sys + 6.0 * random.normal(), self.dia + 4.0 * random.normal());
        if high {
            (sys, dia) = (random.between(190.0, 198.0), random.between(112.0, 118.0));
        }
        let pulse = (self.pulse + 5.0 * random.normal()).round();
        let artefact = !high && random.chance(0.08);
        let mut body = json!({ "sys": sys.round() as i64, "dia": dia.round().min(sys.round() - 18.0) as i64, "pulse": pulse as i64 });
        if artefact {
            match random.whole(0, 3) {
                0 => body["flags"] = json!({ "motion": true }),
                1 => body["flags"] = json!({ "cuff_loose": true }),
                // The cuff slipped: a diastolic above the systolic.
                2 => body["dia"] = json!(sys.round() as i64 + random.whole(2, 30)),
                _ => body["sys"] = json!(random.whole(285, 299)),
            }
        } else if random.chance(0.03) {
            body["flags"] = json!({ "irregular": true });
        }
        if random.chance(0.2) {
            self.battery = (self.battery - 0.2).max(3.0);
            body["battery"] = json!(self.battery.round() as i64);
        }
        body["t"] = json!(local_time(moment.device_now));
        let device_time = Some(moment.device_now.div_euclid(1_000) * 1_000);
        said.push(Said { stream: "reading", device_time, body });
    }

    fn next_session(moment: &mut Moment<'_>) -> i64 {
        let hour = local_hour(moment.now);
        let favourite = (6.0..9.0).contains(&hour) || (18.0..21.0).contains(&hour);
        // Three sessions a day on average, most of them in the two windows of the plan.
        let mean = if favourite { 4.0 } else { 12.0 } * 3_600_000.0 / moment.pace;
        moment.random.wait_ms(mean.max(20_000.0))
    }
}

impl Model for BpMeter {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        if let Some(crisis) = self.crisis.filter(|crisis| moment.now >= crisis.at) {
            self.reading(moment, said, true);
            let confirm = moment.now < crisis.again;
            self.crisis = confirm.then_some(Crisis { at: crisis.again, again: crisis.again });
            let quiet = 600_000;
            return if confirm { crisis.again } else { moment.now + quiet };
        }
        let wait = if !self.started {
            // One patient in five brings a reading along when the day begins.
            self.started = true;
            if moment.random.chance(0.2) {
                moment.random.whole(500, 20_000)
            } else {
                Self::next_session(moment)
            }
        } else if self.second_due {
            self.second_due = false;
            self.reading(moment, said, false);
            Self::next_session(moment)
        } else {
            self.second_due = true;
            self.reading(moment, said, false);
            (60_000.0 / moment.pace).max(5_000.0) as i64
        };
        let next = moment.now + wait;
        self.crisis.map_or(next, |crisis| next.min(crisis.at))
    }
}
