//! One metric of a profile: what it is, and how what was sent becomes a value.

use std::sync::Arc;

use smallvec::SmallVec;

use super::DecodeError;
use super::layout::Place;
use crate::codec::registers::Register;
use crate::codec::{Sent, cut};
use crate::ids::MetricId;
use crate::reading::Measured;
use crate::unit::{Conversion, Unit, shift};
use crate::value::{Missing, Quality, Reason, Value};

/// The values of one reading.
pub(super) type Values = SmallVec<[Measured; 1]>;

/// One thing that a device measures.
#[derive(Debug)]
pub struct Metric {
    /// Its name, the same for all models of a class.
    pub name: MetricId,
    /// What kind of value it has.
    pub kind: MetricKind,
    /// A payload without it goes to quarantine.
    pub required: bool,
    /// What boards call it.
    pub label: Option<Label>,
    /// LOINC code, where there is one.
    pub loinc: Option<String>,
    /// When a poll of it is worth a record; `None`: always.
    pub report: Option<Report>,
    /// It stands in the context, a message of its own.
    pub(super) context: bool,
    /// The state that a measurement has until its context has come.
    pub(super) without: Option<Arc<str>>,
    pub(super) place: Place,
    pub(super) missing: Vec<(Word, Missing)>,
}

/// The name of a metric on boards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Chinese, simplified.
    pub zh: String,
    /// English.
    pub en: String,
}

/// When a polled value is worth a record of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// A change of at least this much (canonical unit); 0: any change.
    pub deadband: f64,
    /// And at least this often, in milliseconds.
    pub every_ms: Option<u64>,
    /// Whether a change alone is worth it, or only the time.
    pub on_change: bool,
}

/// What kind of value a metric has.
#[derive(Debug)]
pub enum MetricKind {
    /// A number in a unit.
    Number(Number),
    /// One of a list of states.
    State(States),
    /// A short text.
    Text,
}

/// How a number is read.
#[derive(Debug)]
pub struct Number {
    /// The unit that values are kept in.
    pub unit: Unit,
    /// Values outside are impossible: kept, marked bad.
    pub range: Option<(f64, f64)>,
    /// Values outside are doubtful: kept, marked uncertain.
    pub suspect: Option<(f64, f64)>,
    pub(super) code: Arc<str>,
    pub(super) sent_in: SentIn,
    /// Factor as whole number and power of ten, so that 52 times 0.1 is 5.2.
    pub(super) scale: (f64, i32),
    pub(super) offset: f64,
}

/// The unit that a device sends a number in.
#[derive(Debug)]
pub(super) enum SentIn {
    Always(Unit, Conversion),
    /// Whichever of these words the payload says.
    Said(Vec<(Word, Unit, Conversion)>),
}

impl SentIn {
    fn conversion(&self, said: &Sent<'_>) -> Option<&Conversion> {
        match self {
            Self::Always(_, conversion) => Some(conversion),
            Self::Said(table) => table.iter().find(|(word, ..)| word.is(said)).map(|(.., found)| found),
        }
    }
}

impl std::fmt::Display for SentIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Always(unit, _) => unit.fmt(f),
            Self::Said(table) => {
                let words: Vec<_> = table.iter().map(|(word, ..)| word.text.as_str()).collect();
                write!(f, "the unit that the payload says: {}", words.join(", "))
            }
        }
    }
}

/// The states of a metric.
#[derive(Debug)]
pub struct States {
    pub(super) table: Vec<(Word, Arc<str>)>,
    pub(super) empty: Arc<str>,
}

impl States {
    /// The states, each once, in the order of the profile.
    pub fn tokens(&self) -> impl Iterator<Item = &Arc<str>> {
        let seen_before = |n: usize| self.table[..n].iter().any(|(_, token)| *token == self.table[n].1);
        self.table.iter().enumerate().filter(move |(n, _)| !seen_before(*n)).map(|(_, (_, token))| token)
    }
}

/// What a device may send for a state or for "no value": a text, or the number that the text writes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    text: String,
    number: Option<f64>,
}

impl Word {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), number: text.parse().ok().filter(|n: &f64| n.is_finite()) }
    }

    fn is(&self, sent: &Sent<'_>) -> bool {
        match sent {
            Sent::Text(text) => *text == self.text,
            Sent::Flag(flag) => self.text == if *flag { "true" } else { "false" },
            Sent::Digits(digits) => {
                *digits == self.text || self.number.is_some_and(|n| digits.parse() == Ok(n))
            }
            Sent::Whole(n) => self.number == Some(*n as f64),
            Sent::Float(n) => self.number == Some(*n),
            Sent::Absent | Sent::Null | Sent::Structure(_) => false,
        }
    }
}

impl Metric {
    /// The register that holds it, for profiles that are polled.
    #[must_use]
    pub const fn register(&self) -> Option<&Register> {
        match &self.place {
            Place::Register(register) => Some(register),
            _ => None,
        }
    }

    /// Adds the value that was sent; nothing when nothing was and nothing had to be. `unit` is what the payload says
    /// of the unit, for metrics whose unit it says.
    pub(super) fn measure(
        &self,
        sent: &Sent<'_>,
        unit: &Sent<'_>,
        values: &mut Values,
    ) -> Result<(), DecodeError> {
        match sent {
            Sent::Absent if self.required => {
                return Err(self.refuse(format!("nothing is there; expected {}", self.wanted())));
            }
            Sent::Absent => return Ok(()),
            Sent::Null => {
                self.no_value(Missing::Absent, None, values);
                return Ok(());
            }
            _ => {}
        }
        if let Some((_, missing)) = self.missing.iter().find(|(word, _)| word.is(sent)) {
            self.no_value(*missing, raw_of(sent), values);
            return Ok(());
        }
        match &self.kind {
            MetricKind::Number(number) => self.number(number, sent, unit, values),
            MetricKind::State(states) => self.state(states, sent, values),
            MetricKind::Text => self.text(sent, values),
        }
    }

    /// What is known of it without a context.
    pub(super) fn untold(&self) -> Option<Measured> {
        Some(Measured {
            metric: self.name.clone(),
            value: Value::State(Arc::clone(self.without.as_ref()?)),
            unit: Arc::from(""),
            quality: Quality::Good,
            reason: None,
            raw: None,
        })
    }

    fn number(
        &self,
        number: &Number,
        sent: &Sent<'_>,
        unit: &Sent<'_>,
        values: &mut Values,
    ) -> Result<(), DecodeError> {
        let Some(conversion) = number.sent_in.conversion(unit) else {
            return Err(self.refuse(format!(
                "expected a number in {}, found {}",
                number.sent_in,
                unit.describe()
            )));
        };
        let (value, exact) = match sent {
            Sent::Digits(digits) => match short_number(digits.as_bytes()) {
                Some(value) => (value, true),
                None => match digits.parse::<f64>() {
                    Ok(value) => (value, digits_are_exact(digits, value)),
                    Err(_) => return Err(self.wrong_type(sent)),
                },
            },
            Sent::Whole(n) => (*n as f64, n.unsigned_abs() < (1 << 53)),
            Sent::Float(n) => (*n, true),
            _ => return Err(self.wrong_type(sent)),
        };
        if !value.is_finite() {
            self.no_value(Missing::NotANumber, raw_of(sent), values);
            return Ok(());
        }
        let scaled =
            if number.scale == (1.0, 0) { value } else { shift(value * number.scale.0, number.scale.1) };
        let value = conversion.apply(scaled + number.offset);
        if !value.is_finite() {
            return Err(self.refuse(format!("{} is too large", sent.describe())));
        }
        let (quality, reason) = number.judge(value);
        let keep = !exact || !conversion.is_exact() || quality != Quality::Good;
        let raw = if keep { raw_of(sent) } else { None };
        let (metric, unit) = (self.name.clone(), Arc::clone(&number.code));
        values.push(Measured { metric, value: Value::Number(value), unit, quality, reason, raw });
        Ok(())
    }

    fn state(&self, states: &States, sent: &Sent<'_>, values: &mut Values) -> Result<(), DecodeError> {
        if matches!(sent, Sent::Structure(_)) {
            return Err(self.wrong_type(sent));
        }
        let known = states.table.iter().find(|(word, _)| word.is(sent));
        let (value, quality, reason, raw) = match known {
            Some((_, token)) => (Value::State(Arc::clone(token)), Quality::Good, None, None),
            None => {
                let raw = raw_of(sent);
                let shown = raw.clone().unwrap_or_else(|| Arc::clone(&states.empty));
                (Value::Text(shown), Quality::Bad, Some(Reason::UnknownState), raw)
            }
        };
        let (metric, unit) = (self.name.clone(), Arc::clone(&states.empty));
        values.push(Measured { metric, value, unit, quality, reason, raw });
        Ok(())
    }

    fn text(&self, sent: &Sent<'_>, values: &mut Values) -> Result<(), DecodeError> {
        let Sent::Text(text) = sent else { return Err(self.wrong_type(sent)) };
        if text.len() > 64 {
            return Err(self.refuse(format!("the text has {} bytes; at most 64 are kept", text.len())));
        }
        if text.chars().any(char::is_control) {
            return Err(self.refuse("the text holds a control character".to_owned()));
        }
        values.push(Measured {
            metric: self.name.clone(),
            value: Value::Text(Arc::from(text.as_ref())),
            unit: Arc::from(""),
            quality: Quality::Good,
            reason: None,
            raw: None,
        });
        Ok(())
    }

    fn no_value(&self, missing: Missing, raw: Option<Arc<str>>, values: &mut Values) {
        let unit = match &self.kind {
            MetricKind::Number(number) => Arc::clone(&number.code),
            MetricKind::State(states) => Arc::clone(&states.empty),
            MetricKind::Text => Arc::from(""),
        };
        values.push(Measured {
            metric: self.name.clone(),
            value: Value::Missing(missing),
            unit,
            quality: Quality::Bad,
            reason: Some(Reason::Missing),
            raw,
        });
    }

    /// What would be right, for messages.
    fn wanted(&self) -> String {
        match &self.kind {
            MetricKind::Number(number) => format!("a number in {}", number.sent_in),
            MetricKind::State(states) => {
                let words: Vec<_> =
                    states.table.iter().take(12).map(|(word, _)| word.text.as_str()).collect();
                format!("one of {}", words.join(", "))
            }
            MetricKind::Text => "a text of at most 64 bytes".to_owned(),
        }
    }

    fn wrong_type(&self, sent: &Sent<'_>) -> DecodeError {
        self.refuse(format!("expected {}, found {}", self.wanted(), sent.describe()))
    }

    fn refuse(&self, why: String) -> DecodeError {
        DecodeError::bad_field(format!("{} at {}: {why}", self.name, self.place))
    }
}

impl Number {
    /// How many decimals the device sends, where its scale says so.
    #[must_use]
    pub fn decimals(&self) -> Option<u32> {
        let same = matches!(&self.sent_in, SentIn::Always(_, conversion) if conversion.is_same());
        let shifted = if same { self.scale.1.checked_neg() } else { None };
        shifted.and_then(|places| u32::try_from(places).ok()).filter(|places| *places > 0)
    }

    fn judge(&self, value: f64) -> (Quality, Option<Reason>) {
        let outside =
            |range: Option<(f64, f64)>| range.is_some_and(|(low, high)| value < low || value > high);
        if outside(self.range) {
            (Quality::Bad, Some(Reason::OutOfRange))
        } else if outside(self.suspect) {
            (Quality::Uncertain, Some(Reason::OutOfRange))
        } else {
            (Quality::Good, None)
        }
    }
}

/// What was sent, as text for people; control characters become spaces so that it can be written anywhere.
pub(super) fn raw_of(sent: &Sent<'_>) -> Option<Arc<str>> {
    match sent {
        Sent::Digits(digits) => Some(Arc::from(cut(digits))),
        Sent::Whole(n) => Some(Arc::from(n.to_string())),
        Sent::Float(n) => Some(Arc::from(n.to_string())),
        Sent::Flag(flag) => Some(Arc::from(if *flag { "true" } else { "false" })),
        Sent::Text(text) => Some(Arc::from(cut(text).replace(char::is_control, " "))),
        Sent::Absent | Sent::Null | Sent::Structure(_) => None,
    }
}

/// A plain decimal of at most 15 digits, which is nearly every number that a device sends.
///
/// Both the digits as a whole number and the power of ten are exact in a double, so one division is rounded right.
fn short_number(digits: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match digits {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let (mut whole, mut places, mut point) = (0_u64, 0, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + u64::from(byte - b'0');
                places += usize::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    if whole >= 1_000_000_000_000_000 {
        return None;
    }
    let value = whole as f64 / POWERS.get(places)?;
    Some(if negative { -value } else { value })
}

/// Whether the digits can be had back from the double: always up to 15 significant ones.
fn digits_are_exact(digits: &str, value: f64) -> bool {
    if digits.len() <= 15 {
        return true;
    }
    let mantissa = digits.split(['e', 'E']).next().unwrap_or(digits);
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|b| *b == b'0').count();
    // With 16 or 17 digits the shortest text of the double may still be the one that was sent.
    significant <= 15 || value.to_string() == digits
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn short_numbers_are_the_nearest_doubles(text in "-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?") {
            let short = short_number(text.as_bytes());
            proptest::prop_assert!(short.is_none_or(|n| n.to_bits() == text.parse::<f64>().unwrap().to_bits()), "{text}");
            proptest::prop_assert!(short.is_some() || text.len() > 16);
        }
    }

    #[test]
    fn knows_when_digits_survive() {
        for (digits, exact) in [
            ("36.4", true),
            ("0.1000000000000000055511151231257827", false),
            ("9007199254740993", false),
            ("9007199254740992", true),
            ("123456789012345678901234567890", false),
            ("000000000000000000001.5", true),
            ("0.30000000000000004", true),
        ] {
            assert_eq!(digits_are_exact(digits, digits.parse().unwrap()), exact, "{digits}");
        }
    }
}
