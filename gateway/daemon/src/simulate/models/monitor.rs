//! A bedside monitor: one set of vitals a minute, drifting as a patient does.

use orderly_core::value::Missing;

use super::{Model, Moment};
use crate::simulate::frame::Said;
use crate::simulate::value::{flag, missing, number, rounded, word};

/// A bedside monitor and its patient.
#[derive(Debug)]
pub struct Monitor {
    hr: f64,
    rr: f64,
    spo2: f64,
    sys: f64,
    temp: f64,
    /// What the patient drifts back to: heart rate, breaths, systolic, temperature.
    usual: [f64; 4],
    on_oxygen: bool,
    battery: f64,
    started: bool,
}

impl Monitor {
    /// A patient of a general ward; one in ten on oxygen, one in thirty ill.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>) -> Self {
        let random = &mut *moment.random;
        let ill = random.chance(0.033);
        let on_oxygen = ill || random.chance(0.1);
        let hr = if ill { 112.0 } else { 76.0 + 8.0 * random.normal() };
        let rr = if ill { 24.0 } else { 16.0 + 1.5 * random.normal() };
        let sys = 122.0 + 11.0 * random.normal();
        let temp = if ill { 38.6 } else { 36.7 };
        Self {
            hr,
            rr,
            spo2: if ill { 92.5 } else { 97.0 },
            sys,
            temp,
            usual: [hr, rr, sys, temp],
            on_oxygen,
            battery: random.between(40.0, 100.0),
            started: false,
        }
    }
}

/// A step back towards the patient's own level, and a little chance.
fn drift(value: &mut f64, level: f64, by: f64, chance: f64) {
    *value += (level - *value) * 0.05 + by * chance;
}

impl Model for Monitor {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        let every = (60_000.0 / moment.pace.clamp(1.0, 12.0)) as i64;
        if !self.started {
            self.started = true;
            return moment.now + moment.random.whole(200, every.min(8_000));
        }
        let random = &mut *moment.random;
        let [hr, rr, sys, temp] = self.usual;
        drift(&mut self.hr, hr, 1.6, random.normal());
        drift(&mut self.rr, rr, 0.5, random.normal());
        drift(&mut self.sys, sys, 1.5, random.normal());
        drift(&mut self.temp, temp, 0.02, random.normal());
        self.hr = self.hr.clamp(48.0, 140.0);
        self.rr = self.rr.clamp(9.0, 32.0);
        self.sys = self.sys.clamp(92.0, 168.0);
        self.temp = self.temp.clamp(35.6, 39.6);
        let spo2 = (self.spo2 + 0.7 * random.normal()).clamp(86.0, 100.0).round();
        let sys = self.sys.round();
        let dia = (0.55 * sys + 11.0).round();
        let faint = random.chance(0.01);
        let lead_off = !faint && random.chance(0.004);
        let shown = if faint { random.whole(58, 80) as f64 } else { spo2 };
        let mut values = vec![
            if lead_off { missing("hr", Missing::Absent) } else { number("hr", self.hr.round()) },
            number("rr", self.rr.round()),
            number("spo2", shown),
            number("nibp_sys", sys),
            number("nibp_dia", dia),
            number("nibp_map", ((sys + 2.0 * dia) / 3.0).round()),
            number("temp", rounded(self.temp, 1)),
            flag("on_o2", self.on_oxygen, ["oxygen", "air"]),
            word("acvpu", "A"),
            number("pi", rounded(if faint { 0.2 } else { random.between(1.0, 5.0) }, 1)),
            number("battery", self.battery.round()),
        ];
        if lead_off {
            values.push(word("lead", "off"));
        }
        said.push(Said { stream: "vitals", taken: moment.device_now, values });
        moment.now + every
    }
}
