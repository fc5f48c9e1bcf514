//! A condition in the form that runs: comparisons of numbered slots with numbers, in three-valued logic.

use std::sync::Arc;

use crate::diagnostic::nearest;
use crate::ids::MetricId;
use crate::reading::Measured;
use crate::value::{Missing, Quality, Value};

use super::over::{self, Over};
use super::text::{Expr, ExprError, Literal, Op};

/// What a rule may look at in a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Its value, when that is good.
    Good,
    /// Its value, when that is not bad (`sys.usable`); what is doubtful counts too.
    Usable,
    /// Its value whatever its quality (`temp.any`).
    Any,
    /// Why there is no value (`glucose.missing`), `none` when there is one.
    Missing,
    /// Its quality (`sys.quality`).
    Quality,
    /// What a function tells of it.
    Over,
}

impl Aspect {
    /// Every aspect that has a name.
    const NAMED: [(&'static str, Self); 4] = [
        ("usable", Self::Usable),
        ("any", Self::Any),
        ("missing", Self::Missing),
        ("quality", Self::Quality),
    ];

    /// Its number on disk.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Any => 1,
            Self::Missing => 2,
            Self::Quality => 3,
            Self::Usable => 4,
            Self::Over => 5,
        }
    }
}

/// One thing that rules of a class look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// The metric.
    pub metric: MetricId,
    /// What of it.
    pub aspect: Aspect,
    /// The function, where that is the aspect.
    pub over: Option<Arc<Over>>,
}

impl Slot {
    /// What a metric itself says.
    #[must_use]
    pub const fn new(metric: MetricId, aspect: Aspect) -> Self {
        Self { metric, aspect, over: None }
    }

    /// Its name among the slots of its class.
    #[must_use]
    pub fn name(&self) -> &str {
        self.over.as_ref().map_or(self.metric.as_str(), |over| &over.text)
    }
}

/// What kind of value a metric has, as far as rules must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricKind {
    /// A number.
    Number,
    /// One of these tokens.
    State(Vec<String>),
    /// A text.
    Text,
}

/// A metric that a class has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricInfo {
    /// Its name.
    pub metric: MetricId,
    /// Its kind.
    pub kind: MetricKind,
    /// Its unit, when it is a number.
    pub unit: Option<Arc<str>>,
}

/// What is known of a condition at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It is not so.
    False,
    /// A value that decides it was never seen.
    Unknown,
    /// It is so.
    True,
}

/// A condition in the form that runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Lowered {
    /// One of these.
    Or(Box<[Self]>),
    /// All of these.
    And(Box<[Self]>),
    /// One comparison.
    Compare {
        /// Which slot of the class.
        slot: u8,
        /// How.
        op: Op,
        /// With what.
        with: f64,
    },
}

/// The most slots that the rules of one class may look at together; a sample's slots are bits of a `u64`.
pub const MAX_SLOTS: usize = 64;

impl Lowered {
    /// Looks every name up, checks types, and numbers the slots; new ones are added to `slots`.
    ///
    /// # Errors
    /// The first name or type that does not fit, with its place in the condition.
    pub fn new(expr: &Expr, metrics: &[MetricInfo], slots: &mut Vec<Slot>) -> Result<Self, ExprError> {
        Ok(match expr {
            Expr::Or(parts) => Self::Or(lower_all(parts, metrics, slots)?),
            Expr::And(parts) => Self::And(lower_all(parts, metrics, slots)?),
            Expr::Compare { name, at, op, literal } => {
                let refuse = |message| ExprError { at: *at, message };
                let (info, aspect) = find(name, metrics).map_err(refuse)?;
                let with = constant(info, aspect, *op, literal).map_err(refuse)?;
                let slot = number_slot(Slot::new(info.metric.clone(), aspect), slots, *at)?;
                Self::Compare { slot, op: *op, with }
            }
            Expr::Over { call, op, literal } => {
                let (slot, kind) = over::lower(call, metrics, slots)?;
                let info = MetricInfo { metric: slot.metric.clone(), kind, unit: None };
                let with = constant(&info, Aspect::Over, *op, literal)
                    .map_err(|message| ExprError { at: call.at, message })?;
                let slot = number_slot(slot, slots, call.at)?;
                Self::Compare { slot, op: *op, with }
            }
        })
    }

    /// The truth for these values; NaN stands for "never seen".
    #[must_use]
    pub fn eval(&self, values: &[f64]) -> Truth {
        match self {
            Self::Or(parts) => parts.iter().map(|part| part.eval(values)).max().unwrap_or(Truth::False),
            Self::And(parts) => parts.iter().map(|part| part.eval(values)).min().unwrap_or(Truth::True),
            Self::Compare { slot, op, with } => {
                let value = values.get(usize::from(*slot)).copied().unwrap_or(f64::NAN);
                if value.is_nan() {
                    return Truth::Unknown;
                }
                if op.is_so(value, *with) { Truth::True } else { Truth::False }
            }
        }
    }

    /// By how much the values are beyond the constants that they are compared with, as a share of those: the most of
    /// all comparisons of order that are so. Nothing is beyond a state.
    #[must_use]
    pub fn excess(&self, values: &[f64]) -> f64 {
        match self {
            Self::Or(parts) | Self::And(parts) => {
                parts.iter().map(|part| part.excess(values)).fold(0.0, f64::max)
            }
            Self::Compare { slot, op, with } if !op.is_sameness() && self.eval(values) == Truth::True => {
                let value = values.get(usize::from(*slot)).copied().unwrap_or(*with);
                (value - with).abs() / with.abs().max(1.0)
            }
            Self::Compare { .. } => 0.0,
        }
    }

    /// The slots that it looks at, as bits.
    #[must_use]
    pub fn mask(&self) -> u64 {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().fold(0, |mask, part| mask | part.mask()),
            Self::Compare { slot, .. } => 1 << slot,
        }
    }
}

/// The number of a slot; a new one is added.
pub(super) fn number_slot(slot: Slot, slots: &mut Vec<Slot>, at: usize) -> Result<u8, ExprError> {
    let number = slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
        slots.push(slot);
        slots.len() - 1
    });
    if number >= MAX_SLOTS {
        let message =
            format!("the rules of this class look at more than {MAX_SLOTS} things; merge or remove some");
        return Err(ExprError { at, message });
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked against MAX_SLOTS above")]
    let number = number as u8;
    Ok(number)
}

fn lower_all(
    parts: &[Expr],
    metrics: &[MetricInfo],
    slots: &mut Vec<Slot>,
) -> Result<Box<[Lowered]>, ExprError> {
    parts.iter().map(|part| Lowered::new(part, metrics, slots)).collect()
}

pub(super) fn find<'m>(name: &str, metrics: &'m [MetricInfo]) -> Result<(&'m MetricInfo, Aspect), String> {
    let metric = |name: &str| metrics.iter().find(|info| info.metric.as_str() == name);
    if let Some(info) = metric(name) {
        return Ok((info, Aspect::Good));
    }
    // A metric's own name may hold a point, so the attribute is what follows the last one.
    if let Some((front, attribute)) = name.rsplit_once('.')
        && let Some(info) = metric(front)
    {
        return match Aspect::NAMED.iter().find(|(known, _)| *known == attribute) {
            Some((_, aspect)) => Ok((info, *aspect)),
            None => Err(format!(
                "{front:?} has no {attribute:?}; a rule can ask for usable, any, missing or quality"
            )),
        };
    }
    Err(unknown_metric(name, metrics))
}

/// The sentence for a name that no profile of the class has.
#[must_use]
pub fn unknown_metric(name: &str, metrics: &[MetricInfo]) -> String {
    let names = || metrics.iter().map(|info| info.metric.as_str());
    match nearest(name, names()) {
        Some(near) => format!("no profile of the class measures {name:?}; did you mean {near:?}?"),
        None => format!(
            "no profile of the class measures {name:?}; known: {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    }
}

pub(super) fn constant(info: &MetricInfo, aspect: Aspect, op: Op, literal: &Literal) -> Result<f64, String> {
    let name = &info.metric;
    let tokens: Option<Vec<&str>> = match aspect {
        Aspect::Missing => Some(vec!["none", "high", "low", "not_a_number", "absent", "sensor_fault"]),
        Aspect::Quality => Some(vec!["good", "uncertain", "bad"]),
        Aspect::Good | Aspect::Usable | Aspect::Any | Aspect::Over => match &info.kind {
            MetricKind::Number => None,
            MetricKind::State(tokens) => Some(tokens.iter().map(String::as_str).collect()),
            MetricKind::Text => Some(Vec::new()),
        },
    };
    match (tokens, literal) {
        (None, Literal::Number(n)) => Ok(*n),
        (None, Literal::Token(text)) => {
            Err(format!("{name:?} is a number and cannot be compared with the text {text:?}"))
        }
        (Some(tokens), Literal::Number(n)) => Err(match tokens.first() {
            Some(first) => {
                format!("{name:?} is a state; compare it with a token such as {first:?}, not with {n}")
            }
            None => format!("{name:?} is a text and cannot be compared with the number {n}"),
        }),
        (Some(_), Literal::Token(_)) if !op.is_sameness() => {
            Err(format!("{name:?} has no order; only == and != make sense for it"))
        }
        (Some(tokens), Literal::Token(text)) => {
            if tokens.is_empty() || tokens.contains(&text.as_str()) {
                return Ok(token_number(text));
            }
            Err(match nearest(text, tokens.iter().copied()) {
                Some(near) => format!("{name:?} is never {text:?}; did you mean {near:?}?"),
                None => format!("{name:?} is never {text:?}; it can be {}", tokens.join(", ")),
            })
        }
    }
}

/// The number that stands for a token: 52 bits of its FNV-1a hash, which a double holds exactly.
#[must_use]
pub fn token_number(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
    let number = ((hash >> 12) ^ (hash & 0xfff)) as f64;
    number
}

/// What a slot takes from a measured value; `None`: the value says nothing about it.
#[must_use]
pub fn slot_value(aspect: Aspect, measured: &Measured) -> Option<f64> {
    match aspect {
        Aspect::Over => None,
        Aspect::Good if measured.quality != Quality::Good => None,
        Aspect::Usable if measured.quality == Quality::Bad => None,
        Aspect::Good | Aspect::Usable | Aspect::Any => match &measured.value {
            Value::Number(n) => Some(*n),
            Value::State(text) | Value::Text(text) => Some(token_number(text)),
            Value::Missing(_) => None,
        },
        Aspect::Missing => Some(token_number(match &measured.value {
            Value::Number(_) | Value::State(_) | Value::Text(_) => "none",
            Value::Missing(Missing::High) => "high",
            Value::Missing(Missing::Low) => "low",
            Value::Missing(Missing::NotANumber) => "not_a_number",
            Value::Missing(Missing::Absent) => "absent",
            Value::Missing(Missing::SensorFault) => "sensor_fault",
        })),
        Aspect::Quality => Some(token_number(match measured.quality {
            Quality::Good => "good",
            Quality::Uncertain => "uncertain",
            Quality::Bad => "bad",
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::parse;
    use super::*;

    fn metrics() -> Vec<MetricInfo> {
        let number = |name: &str| MetricInfo {
            metric: MetricId::new(name).unwrap(),
            kind: MetricKind::Number,
            unit: Some("mm[Hg]".into()),
        };
        let state = MetricKind::State(vec!["locked".into(), "open".into(), "fault".into()]);
        vec![
            number("sys"),
            number("dia"),
            MetricInfo { metric: MetricId::new("lock").unwrap(), kind: state, unit: None },
        ]
    }

    #[test]
    fn functions_say_what_they_need() {
        for (text, part) in [
            ("means(sys, 10min) > 5", "did you mean \"mean\"?"),
            ("mean(syss, 10min) > 5", "did you mean \"sys\"?"),
            ("mean(lock, 10min) > 5", "is no number; mean needs one"),
            ("mean(sys) > 5", "write mean(metric, 10min)"),
            ("mean(sys, 2h) > 5", "at most 1h"),
            ("mean(sys, 10mim) > 5", "is not a duration"),
            ("mean(sys, 1000) > 5", "1 to 100"),
            ("share(sys, 50) > 5", "write share("),
            ("share(lock == \"faulty\", 50) > 5", "did you mean \"fault\"?"),
            ("changes(lock, 10min) == \"open\"", "is a number"),
            ("previous(lock) == \"opn\"", "did you mean \"open\"?"),
            ("previous(lock) == 3", "is a state"),
            ("difference(sys, lock) > 5", "is no number"),
            ("mean(sys, 10min > 5", "expected"),
            ("mean(sys, 10min", "never closed"),
            ("predict(sys, 15min) > 5", "write predict("),
        ] {
            let error = lower(text).expect_err(text);
            assert!(error.message.contains(part), "{text}: {error}");
        }
        let (rule, slots) = lower("share(sys > 180, 50) >= 5 or previous(lock) == \"open\"").unwrap();
        let names: Vec<&str> = slots.iter().map(Slot::name).collect();
        assert_eq!(names, ["sys", "share(sys > 180, 50)", "lock", "previous(lock)"]);
        assert_eq!(rule.mask(), 0b1010);
    }

    fn lower(text: &str) -> Result<(Lowered, Vec<Slot>), ExprError> {
        let mut slots = Vec::new();
        let lowered = Lowered::new(&parse(text)?, &metrics(), &mut slots)?;
        Ok((lowered, slots))
    }

    #[test]
    fn is_true_as_soon_as_one_side_is_known_to_be() {
        let (rule, slots) = lower("sys >= 180 or dia >= 110").unwrap();
        assert_eq!(slots.len(), 2);
        assert_eq!(rule.mask(), 3);
        let nan = f64::NAN;
        for (sys, dia, truth) in [
            (180.0, 80.0, Truth::True),
            (179.9, 110.0, Truth::True),
            (120.0, 80.0, Truth::False),
            (nan, 110.0, Truth::True),
            (nan, 80.0, Truth::Unknown),
            (nan, nan, Truth::Unknown),
        ] {
            assert_eq!(rule.eval(&[sys, dia]), truth, "{sys}/{dia}");
        }
        let (both, _) = lower("sys >= 180 and dia >= 110").unwrap();
        assert_eq!(both.eval(&[nan, 80.0]), Truth::False);
        assert_eq!(both.eval(&[190.0, nan]), Truth::Unknown);
    }

    #[test]
    fn excess_is_the_share_by_which_a_number_is_beyond() {
        let (rule, _) = lower("sys >= 180 or dia < 50 or lock == \"open\"").unwrap();
        for (sys, dia, excess) in
            [(189.0, 80.0, 0.05), (120.0, 40.0, 0.2), (198.0, 40.0, 0.2), (f64::NAN, 80.0, 0.0)]
        {
            let found = rule.excess(&[sys, dia, token_number("open")]);
            assert!((found - excess).abs() < 1e-9, "{sys}/{dia}: {found}");
        }
    }

    #[test]
    fn every_comparison_does_what_it_says() {
        for (text, below, at, above) in [
            ("sys == 5", false, true, false),
            ("sys != 5", true, false, true),
            ("sys < 5", true, false, false),
            ("sys <= 5", true, true, false),
            ("sys > 5", false, false, true),
            ("sys >= 5", false, true, true),
        ] {
            let (rule, _) = lower(text).unwrap();
            let got = [4.0, 5.0, 6.0].map(|v| rule.eval(&[v]) == Truth::True);
            assert_eq!(got, [below, at, above], "{text}");
        }
    }

    #[test]
    fn refuses_unknown_names_and_wrong_types_with_the_nearest() {
        for (text, part) in [
            ("syss > 5", "did you mean \"sys\"?"),
            ("wobble > 5", "known: sys, dia, lock"),
            ("sys == \"high\"", "is a number"),
            ("lock == 1", "compare it with a token such as \"locked\""),
            ("lock > \"open\"", "has no order"),
            ("lock == \"faulty\"", "did you mean \"fault\"?"),
            ("sys.mising == \"high\"", "a rule can ask for usable, any, missing or quality"),
            ("sys.missing == \"hi\"", "is never \"hi\""),
        ] {
            let error = lower(text).expect_err(text);
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn sees_only_good_values_unless_it_asks() {
        let measured = |value: Value, quality| Measured {
            metric: MetricId::new("sys").unwrap(),
            value,
            unit: "mm[Hg]".into(),
            quality,
            reason: None,
            raw: None,
        };
        let good = measured(Value::Number(190.0), Quality::Good);
        let bad = measured(Value::Number(190.0), Quality::Bad);
        let high = measured(Value::Missing(Missing::High), Quality::Uncertain);
        assert_eq!(slot_value(Aspect::Good, &good), Some(190.0));
        assert_eq!(slot_value(Aspect::Good, &bad), None);
        assert_eq!(slot_value(Aspect::Any, &bad), Some(190.0));
        let doubtful = measured(Value::Number(190.0), Quality::Uncertain);
        assert_eq!(slot_value(Aspect::Good, &doubtful), None);
        for (measured, usable) in [(&good, Some(190.0)), (&doubtful, Some(190.0)), (&bad, None)] {
            assert_eq!(slot_value(Aspect::Usable, measured), usable, "{:?}", measured.quality);
        }
        assert_eq!(slot_value(Aspect::Any, &high), None);
        assert_eq!(slot_value(Aspect::Missing, &high), Some(token_number("high")));
        assert_eq!(slot_value(Aspect::Missing, &good), Some(token_number("none")));
        assert_eq!(slot_value(Aspect::Quality, &bad), Some(token_number("bad")));
        assert_ne!(token_number("high"), token_number("low"));
    }
}
