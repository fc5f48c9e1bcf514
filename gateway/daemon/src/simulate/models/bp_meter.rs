//! A pressure meter at home: pairs of readings, morning and evening more than at other times.

use super::{Model, Moment, local_hour};
use crate::simulate::frame::Said;
use crate::simulate::value::{flag, number};

/// The first reading of a crisis waits this long in the meter: the patient measured, rested and measured again
/// before the phone was near. So the rule's five minutes without a contradiction have passed when both come.
const KEPT_MS: i64 = 390_000;

/// A pressure meter and the person who uses it.
#[derive(Debug)]
pub struct BpMeter {
    sys: f64,
    dia: f64,
    pulse: f64,
    battery: f64,
    second_due: bool,
    started: bool,
    eager: bool,
    /// When two crisis readings come, if that was written into the script.
    crisis_at: Option<i64>,
}

impl BpMeter {
    /// A person of random pressure; an eager one measures at once.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>, crisis_at: Option<i64>, eager: bool) -> Self {
        let random = &mut *moment.random;
        let sys = (128.0 + 12.0 * random.normal()).clamp(102.0, 168.0);
        Self {
            sys,
            dia: (0.45 * sys + 22.0 + 5.0 * random.normal()).clamp(55.0, 104.0),
            pulse: (72.0 + 8.0 * random.normal()).clamp(52.0, 105.0),
            battery: random.between(20.0, 100.0),
            second_due: false,
            started: false,
            eager,
            crisis_at,
        }
    }

    fn reading(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>, high: bool, ago_ms: i64) {
        let taken = moment.device_now - ago_ms;
        let random = &mut *moment.random;
        let (mut sys, mut dia) = (self.sys + 6.0 * random.normal(), self.dia + 4.0 * random.normal());
        if high {
            (sys, dia) = (random.between(202.0, 209.0), random.between(112.0, 118.0));
        }
        let pulse = (self.pulse + 5.0 * random.normal()).round();
        let artefact = !high && random.chance(0.08);
        (sys, dia) = (sys.round(), dia.round().min(sys.round() - 18.0));
        let (mut motion, mut loose) = (false, false);
        if artefact {
            match random.whole(0, 3) {
                0 => motion = true,
                1 => loose = true,
                // The cuff slipped: a diastolic above the systolic.
                2 => dia = sys + random.whole(2, 30) as f64,
                _ => sys = random.whole(285, 299) as f64,
            }
        }
        let irregular = !artefact && random.chance(0.01);
        let mut values = vec![
            number("sys", sys),
            number("dia", dia),
            number("map", ((sys + 2.0 * dia) / 3.0).round()),
            number("pulse", pulse),
            flag("motion", motion, ["yes", "no"]),
            flag("cuff", loose, ["loose", "ok"]),
            flag("position", false, ["wrong", "ok"]),
            flag("rhythm", irregular, ["irregular", "regular"]),
        ];
        if random.chance(0.2) {
            self.battery = (self.battery - 0.2).max(3.0);
            values.push(number("battery", self.battery.round()));
        }
        said.push(Said { stream: "reading", taken, values });
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
        if self.crisis_at.is_some_and(|at| moment.now >= at) {
            self.crisis_at = None;
            self.reading(moment, said, true, KEPT_MS);
            self.reading(moment, said, true, 0);
            return moment.now + 600_000;
        }
        let wait = if !self.started {
            // One patient in five brings a reading along when the day begins.
            self.started = true;
            if moment.random.chance(0.2) || self.eager {
                moment.random.whole(500, 20_000)
            } else {
                Self::next_session(moment)
            }
        } else if self.second_due {
            self.second_due = false;
            self.reading(moment, said, false, 0);
            Self::next_session(moment)
        } else {
            self.second_due = true;
            self.reading(moment, said, false, 0);
            (60_000.0 / moment.pace).max(5_000.0) as i64
        };
        // Whoever is to have a crisis says nothing else before it.
        self.crisis_at.unwrap_or(moment.now + wait)
    }
}
