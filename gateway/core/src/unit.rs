//! Units of measure: UCUM codes, one canonical unit each, and conversions that say whether they are exact.

use std::fmt;

use crate::diagnostic::nearest;

/// What a unit measures. Units convert only within one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Blood pressure.
    Pressure,
    /// Concentration of glucose; the mass form is of glucose only.
    Glucose,
    /// Temperature.
    Temperature,
    /// A bare number, a count or a share.
    Number,
    /// Events per time: pulse, breaths.
    Rate,
    /// Electrical power.
    Power,
    /// Electrical energy.
    Energy,
    /// Voltage.
    Voltage,
    /// Current.
    Current,
    /// Volume.
    Volume,
    /// Volume per time.
    Flow,
    /// Length.
    Length,
    /// Mass.
    Mass,
    /// Time that passes.
    Duration,
    /// Radio signal strength above one milliwatt.
    Signal,
    /// Sound or gain, without reference.
    Level,
    /// Plane angle: latitude, longitude, tilt.
    Angle,
    /// Speed.
    Speed,
    /// Mass of what is dissolved in water; that of glucose is [`Kind::Glucose`].
    Dissolved,
    /// How cloudy water is.
    Turbidity,
    /// How fast glucose changes.
    GlucoseChange,
    /// Mass for the square of the height.
    BodyMass,
    /// Apparent power.
    ApparentPower,
    /// Acceleration.
    Acceleration,
}

/// One row of the table: `canonical value = (value - zero) * num / den`.
#[derive(Debug)]
struct Row {
    code: &'static str,
    kind: Kind,
    /// What a metric sent in this unit is kept in, unless its profile says otherwise.
    canonical: &'static str,
    zero: f64,
    num: u64,
    den: u64,
    /// How people and devices write it; only for hints, never guessed.
    aliases: &'static [&'static str],
}

const fn row(
    code: &'static str,
    kind: Kind,
    canonical: &'static str,
    (num, den): (u64, u64),
    aliases: &'static [&'static str],
) -> Row {
    Row { code, kind, canonical, zero: 0.0, num, den, aliases }
}

/// All units. 1 mm[Hg] is 133.322387415 Pa; glucose is 180.156 g/mol (DOMAIN 3.1).
///
/// UCUM has a bel of a watt and of a kilowatt, but none of a milliwatt: a dBm is a decibel with an annotation. A kWh is
/// `kW.h` in UCUM; `kWh` and `Wh` stand here as every meter and store writes them.
static ROWS: [Row; 53] = [
    row("mm[Hg]", Kind::Pressure, "mm[Hg]", (1, 1), &["mmHg", "mmhg", "torr"]),
    row("kPa", Kind::Pressure, "mm[Hg]", (1_000_000_000_000, 133_322_387_415), &["kpa", "KPa"]),
    row("Pa", Kind::Pressure, "mm[Hg]", (1_000_000_000, 133_322_387_415), &["pa"]),
    row("mmol/L", Kind::Glucose, "mmol/L", (1, 1), &["mmol/l", "mmol"]),
    row("mg/dL", Kind::Glucose, "mmol/L", (10_000, 180_156), &["mg/dl", "mgdl"]),
    row("Cel", Kind::Temperature, "Cel", (1, 1), &["C", "°C", "℃", "degC", "celsius"]),
    Row {
        code: "[degF]",
        kind: Kind::Temperature,
        canonical: "Cel",
        zero: 32.0,
        num: 5,
        den: 9,
        aliases: &["F", "°F", "degF", "fahrenheit"],
    },
    Row {
        code: "K",
        kind: Kind::Temperature,
        canonical: "Cel",
        zero: 273.15,
        num: 1,
        den: 1,
        aliases: &["kelvin"],
    },
    row("1", Kind::Number, "1", (1, 1), &["", "count", "number"]),
    row("%", Kind::Number, "%", (1, 100), &["percent", "pct", "%RH"]),
    row("/min", Kind::Rate, "/min", (1, 1), &["bpm", "1/min", "rpm"]),
    row("/s", Kind::Rate, "/min", (60, 1), &["1/s"]),
    row("Hz", Kind::Rate, "/min", (60, 1), &["hz"]),
    row("W", Kind::Power, "W", (1, 1), &["w", "watt"]),
    row("kW", Kind::Power, "W", (1_000, 1), &["kw", "KW"]),
    row("mW", Kind::Power, "W", (1, 1_000), &["mw"]),
    row("kWh", Kind::Energy, "kWh", (1, 1), &["kwh", "KWh", "kW.h"]),
    row("Wh", Kind::Energy, "kWh", (1, 1_000), &["wh", "W.h"]),
    row("V", Kind::Voltage, "V", (1, 1), &["v", "volt"]),
    row("mV", Kind::Voltage, "V", (1, 1_000), &["mv"]),
    row("A", Kind::Current, "A", (1, 1), &["a", "amp", "ampere"]),
    row("mA", Kind::Current, "A", (1, 1_000), &["ma"]),
    row("L", Kind::Volume, "L", (1, 1), &["l", "litre", "liter"]),
    row("mL", Kind::Volume, "L", (1, 1_000), &["ml"]),
    row("L/h", Kind::Flow, "L/h", (1, 1), &["l/h"]),
    row("L/min", Kind::Flow, "L/h", (60, 1), &["l/min"]),
    row("mL/h", Kind::Flow, "L/h", (1, 1_000), &["ml/h"]),
    row("m", Kind::Length, "m", (1, 1), &["metre", "meter"]),
    row("cm", Kind::Length, "m", (1, 100), &[]),
    row("mm", Kind::Length, "m", (1, 1_000), &[]),
    row("km", Kind::Length, "m", (1_000, 1), &[]),
    row("kg", Kind::Mass, "kg", (1, 1), &["KG"]),
    row("g", Kind::Mass, "kg", (1, 1_000), &["gram"]),
    row("mg", Kind::Mass, "kg", (1, 1_000_000), &[]),
    row("s", Kind::Duration, "s", (1, 1), &["sec", "seconds"]),
    row("ms", Kind::Duration, "s", (1, 1_000), &["msec"]),
    row("min", Kind::Duration, "s", (60, 1), &["minutes"]),
    row("h", Kind::Duration, "s", (3_600, 1), &["hours", "hour"]),
    row("d", Kind::Duration, "s", (86_400, 1), &["days", "day"]),
    row("dB{mW}", Kind::Signal, "dB{mW}", (1, 1), &["dBm", "dbm"]),
    row("dB", Kind::Level, "dB", (1, 1), &["db"]),
    row("/h", Kind::Rate, "/min", (1, 60), &["1/h"]),
    row("[lb_av]", Kind::Mass, "kg", (45_359_237, 100_000_000), &["lb", "lbs", "pound"]),
    row("deg", Kind::Angle, "deg", (1, 1), &["°", "degrees"]),
    row("km/h", Kind::Speed, "km/h", (1, 1), &["kmh", "kph"]),
    row("m/s", Kind::Speed, "km/h", (36, 10), &["mps"]),
    row("mg/L", Kind::Dissolved, "mg/L", (1, 1), &["mg/l", "ppm"]),
    row("{NTU}", Kind::Turbidity, "{NTU}", (1, 1), &["NTU", "ntu"]),
    row("mmol/L/min", Kind::GlucoseChange, "mmol/L/min", (1, 1), &["mmol/l/min"]),
    row("mg/dL/min", Kind::GlucoseChange, "mmol/L/min", (10_000, 180_156), &["mg/dl/min"]),
    row("kg/m2", Kind::BodyMass, "kg/m2", (1, 1), &["kg/m^2", "kg/m²"]),
    row("V.A", Kind::ApparentPower, "V.A", (1, 1), &["VA"]),
    row("m/s2", Kind::Acceleration, "m/s2", (1, 1), &["m/s^2"]),
];

/// A unit of measure.
#[derive(Clone, Copy)]
pub struct Unit(&'static Row);

impl PartialEq for Unit {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}

impl Eq for Unit {}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

/// A text that is no unit known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a unit known here{}", hint.map(|code| format!("; the UCUM code is {code:?}")).unwrap_or_default())]
pub struct UnitError {
    /// What was written.
    pub text: String,
    /// What was most likely meant.
    pub hint: Option<&'static str>,
}

impl Unit {
    /// Reads a UCUM code. Other spellings are refused with the right one as a hint.
    ///
    /// # Errors
    /// When the code is not in the table.
    pub fn parse(code: &str) -> Result<Self, UnitError> {
        if let Some(row) = ROWS.iter().find(|row| row.code == code) {
            return Ok(Self(row));
        }
        let alias = ROWS.iter().find(|row| row.aliases.contains(&code)).map(|row| row.code);
        let hint = alias.or_else(|| nearest(code, ROWS.iter().map(|row| row.code)));
        Err(UnitError { text: code.to_owned(), hint })
    }

    /// The UCUM code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0.code
    }

    /// What it measures.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.0.kind
    }

    /// What values sent in this unit are kept in, unless a profile says otherwise.
    #[must_use]
    pub fn canonical(self) -> Self {
        ROWS.iter().find(|row| row.code == self.0.canonical).map_or(self, Self)
    }

    /// How values of this unit become values of another; `None` when they measure different things.
    #[must_use]
    pub fn to(self, other: Self) -> Option<Conversion> {
        if self.0.kind != other.0.kind {
            return None;
        }
        if self == other {
            return Some(Conversion(Way::Same));
        }
        // Both rows fit in u64, so their products fit in u128 and the reduced fraction is exact.
        let (num, den) = reduce(
            u128::from(self.0.num) * u128::from(other.0.den),
            u128::from(self.0.den) * u128::from(other.0.num),
        );
        let way = match (power_of_ten(num), power_of_ten(den)) {
            (Some(up), Some(down)) if self.0.zero == 0.0 && other.0.zero == 0.0 => Way::Shift(up - down),
            _ => Way::Linear { from: self.0.zero, num: num as f64, den: den as f64, to: other.0.zero },
        };
        Some(Conversion(way))
    }
}

/// How a value changes from one unit to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion(Way);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Same,
    /// A power of ten: the decimal digits stay as they are.
    Shift(i32),
    Linear {
        from: f64,
        num: f64,
        den: f64,
        to: f64,
    },
}

impl Conversion {
    /// Whether the digits that were sent can be had back from the result, so that no raw text is needed.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        matches!(self.0, Way::Same | Way::Shift(_))
    }

    /// Whether nothing changes.
    #[must_use]
    pub const fn is_same(self) -> bool {
        matches!(self.0, Way::Same)
    }

    /// Converts a value.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        match self.0 {
            Way::Same => value,
            Way::Shift(by) => shift(value, by),
            Way::Linear { from, num, den, to } => (value - from) * num / den + to,
        }
    }
}

/// `value * 10^by` with the decimal digits of `value` kept: 4.35 by 2 is 435, not 434.99999999999994.
#[must_use]
pub fn shift(value: f64, by: i32) -> f64 {
    // Division and multiplication of whole numbers below 2^53 by a power of ten are rounded once: right as they are.
    if by == 0 || !value.is_finite() {
        return value;
    }
    if value.fract() == 0.0 && value.abs() < 1e15 && by.unsigned_abs() <= 15 {
        let power = 10_f64.powi(by.abs());
        let moved = if by < 0 { value / power } else { value * power };
        if by < 0 || moved.abs() < 9e15 {
            return moved;
        }
    }
    format!("{value}e{by}").parse().unwrap_or(value)
}

fn reduce(a: u128, b: u128) -> (u128, u128) {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x, b / x)
}

fn power_of_ten(n: u128) -> Option<i32> {
    (0..=30).find(|e| 10_u128.pow(*e) == n).and_then(|e| i32::try_from(e).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn convert(value: f64, from: &str, to: &str) -> f64 {
        Unit::parse(from).unwrap().to(Unit::parse(to).unwrap()).unwrap().apply(value)
    }

    #[test]
    fn converts_the_figures_of_the_handbook() {
        assert!((convert(16.0, "kPa", "mm[Hg]") - 120.01).abs() < 0.005);
        assert!((convert(99.0, "mg/dL", "mmol/L") - 5.495).abs() < 0.001);
        assert!((convert(70.0, "mg/dL", "mmol/L") - 3.8855).abs() < 0.0001);
        assert!((convert(98.6, "[degF]", "Cel") - 37.0).abs() < 1e-9);
        assert!((convert(310.15, "K", "Cel") - 37.0).abs() < 1e-9);
        assert_eq!(convert(4.35, "kW", "W"), 4350.0);
        assert_eq!(convert(0.07, "1", "%"), 7.0);
        assert_eq!(convert(90.0, "min", "h"), 1.5);
        assert!((convert(220.0, "[lb_av]", "kg") - 99.790_321_4).abs() < 1e-9);
        assert_eq!(convert(10.0, "m/s", "km/h"), 36.0);
        assert_eq!(convert(120.0, "/h", "/min"), 2.0);
    }

    #[test]
    fn says_which_conversions_are_exact() {
        let exact =
            |a: &str, b: &str| Unit::parse(a).unwrap().to(Unit::parse(b).unwrap()).map(Conversion::is_exact);
        assert_eq!(exact("kW", "W"), Some(true));
        assert_eq!(exact("kPa", "mm[Hg]"), Some(false));
        assert_eq!(exact("[degF]", "Cel"), Some(false));
        assert_eq!(exact("kPa", "Pa"), Some(true));
        assert_eq!(exact("kW", "V"), None);
    }

    #[test]
    fn refuses_other_spellings_with_the_right_one() {
        for (text, code) in
            [("mmHg", "mm[Hg]"), ("°C", "Cel"), ("bpm", "/min"), ("dBm", "dB{mW}"), ("mmol/", "mmol/L")]
        {
            assert_eq!(Unit::parse(text).unwrap_err().hint, Some(code), "{text}");
        }
        assert_eq!(Unit::parse("furlong").unwrap_err().to_string(), "\"furlong\" is not a unit known here");
    }

    #[test]
    fn every_canonical_unit_is_in_the_table_and_its_own_canonical() {
        for row in &ROWS {
            let canonical = Unit(row).canonical();
            assert_eq!(canonical.code(), row.canonical, "{}", row.code);
            assert_eq!(canonical.canonical(), canonical, "{}", row.code);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn there_and_back_is_the_same(value in -1e6..1e6_f64, a in 0..ROWS.len(), b in 0..ROWS.len()) {
            let (a, b) = (Unit(&ROWS[a]), Unit(&ROWS[b]));
            if let (Some(there), Some(back)) = (a.to(b), b.to(a)) {
                let again = back.apply(there.apply(value));
                prop_assert!((again - value).abs() <= 1e-9 * value.abs().max(300.0), "{value} {again}");
                prop_assert_eq!(there.is_exact(), back.is_exact());
            }
        }

        #[test]
        fn an_exact_conversion_keeps_every_digit(mantissa in -999_999_999_i64..999_999_999, places in 0..6_i32, by in -6..7_i32) {
            let sent: f64 = format!("{mantissa}e-{places}").parse().unwrap();
            let right: f64 = format!("{mantissa}e{}", by - places).parse().unwrap();
            prop_assert_eq!(shift(sent, by), right);
        }
    }
}
