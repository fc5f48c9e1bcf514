//! Functions of a condition: what is known of several readings, or of two metrics, as one number.

use std::sync::Arc;

use crate::diagnostic::nearest;

use super::lower::{Aspect, MetricInfo, MetricKind, Slot, constant, find, number_slot};
use super::text::{Arg, Call, ExprError, Op};

/// What a function tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Of {
    /// The mean of the values.
    Mean,
    /// The lowest.
    Min,
    /// The highest.
    Max,
    /// Their sum.
    Sum,
    /// How many there were, or for how many the comparison was so.
    Count,
    /// For how many of them the comparison was so, in percent.
    Share,
    /// How often the value changed.
    Changes,
    /// The last less the first.
    Delta,
    /// What a straight line through them gives so many milliseconds after the moment.
    Predict(i64),
    /// The value before the last change.
    Previous,
    /// The first metric less the second.
    Difference,
    /// How far apart two metrics are, in percent of the second.
    DifferencePercent,
    /// The first metric in percent of the second.
    Ratio,
}

/// Which readings a function is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Those of so many buckets of so many milliseconds, the present one with them.
    Time {
        /// How long a bucket is.
        width_ms: i64,
        /// How many there are.
        buckets: i64,
    },
    /// The last so many.
    Last(usize),
    /// Only what stands now.
    Now,
}

/// A function that the rules of a class look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    /// As it is written, in one way.
    pub text: String,
    /// What it tells.
    pub of: Of,
    /// The slot of its metric.
    pub source: u8,
    /// The slot of its second metric; the same when it has none.
    pub other: u8,
    /// The comparison that is counted.
    pub with: Option<(Op, f64)>,
    /// Which readings.
    pub span: Span,
}

const NAMES: [(&str, Of); 13] = [
    ("mean", Of::Mean),
    ("min", Of::Min),
    ("max", Of::Max),
    ("sum", Of::Sum),
    ("count", Of::Count),
    ("share", Of::Share),
    ("changes", Of::Changes),
    ("delta", Of::Delta),
    ("predict", Of::Predict(0)),
    ("previous", Of::Previous),
    ("difference", Of::Difference),
    ("difference_percent", Of::DifferencePercent),
    ("ratio", Of::Ratio),
];

/// The longest window in time (DESIGN section 3), and into how many buckets a window is divided at most.
const MAX_MS: i64 = 60 * 60_000;
const BUCKETS: i64 = 60;
/// The most readings that "the last so many" may be.
const MAX_LAST: usize = 100;

/// Looks the names of a function up and checks its arguments; gives what it may be compared with.
pub(super) fn lower(
    call: &Call,
    metrics: &[MetricInfo],
    slots: &mut Vec<Slot>,
) -> Result<(Slot, MetricKind), ExprError> {
    let refuse = |at: usize, message: String| ExprError { at, message };
    let Some((name, of)) = NAMES.iter().find(|(name, _)| *name == call.function) else {
        let known = || NAMES.iter().map(|(name, _)| *name);
        return Err(refuse(
            call.at,
            match nearest(&call.function, known()) {
                Some(near) => format!("there is no function {:?}; did you mean {near:?}?", call.function),
                None => format!(
                    "there is no function {:?}; there are {}",
                    call.function,
                    known().collect::<Vec<_>>().join(", ")
                ),
            },
        ));
    };
    let usage = || refuse(call.at, format!("write {}", usage(*of)));
    let mut args = call.args.iter();
    let (info, aspect, with, at, shown) = match args.next() {
        Some(Arg::Name { name, at }) => {
            let (info, aspect) = find(name, metrics).map_err(|message| refuse(*at, message))?;
            (info, aspect, None, *at, name.clone())
        }
        Some(Arg::Compare { name, at, op, literal }) => {
            let (info, aspect) = find(name, metrics).map_err(|message| refuse(*at, message))?;
            let with = constant(info, aspect, *op, literal).map_err(|message| refuse(*at, message))?;
            (info, aspect, Some((*op, with)), *at, format!("{name} {op} {literal}"))
        }
        _ => return Err(usage()),
    };
    let wants_comparison = matches!(of, Of::Share);
    let takes_comparison = matches!(of, Of::Share | Of::Count);
    if (with.is_some() && !takes_comparison) || (with.is_none() && wants_comparison) {
        return Err(usage());
    }
    let any_kind = matches!(of, Of::Count | Of::Share | Of::Changes | Of::Previous);
    let is_number = |info: &MetricInfo, aspect| {
        info.kind == MetricKind::Number && !matches!(aspect, Aspect::Missing | Aspect::Quality)
    };
    if !any_kind && !is_number(info, aspect) {
        return Err(refuse(at, format!("{:?} is no number; {name} needs one", info.metric)));
    }
    let mut text = format!("{name}({shown}");
    let source = number_slot(Slot::new(info.metric.clone(), aspect), slots, at)?;
    let (mut other, mut span, mut of) = (source, Span::Now, *of);
    match of {
        Of::Previous => {}
        Of::Difference | Of::DifferencePercent | Of::Ratio => {
            let Some(Arg::Name { name: second, at }) = args.next() else { return Err(usage()) };
            let (second_info, second_aspect) =
                find(second, metrics).map_err(|message| refuse(*at, message))?;
            if !is_number(second_info, second_aspect) {
                return Err(refuse(*at, format!("{:?} is no number; {name} needs one", second_info.metric)));
            }
            if second_info.unit != info.unit {
                let unit = |info: &MetricInfo| info.unit.as_deref().unwrap_or("1").to_owned();
                return Err(refuse(
                    *at,
                    format!(
                        "{:?} is in {:?} and {:?} in {:?}; only what has one unit can be compared",
                        info.metric,
                        unit(info),
                        second_info.metric,
                        unit(second_info)
                    ),
                ));
            }
            text.push_str(&format!(", {second}"));
            other = number_slot(Slot::new(second_info.metric.clone(), second_aspect), slots, *at)?;
        }
        _ => {
            let (found, shown) =
                window(args.next(), of).ok_or_else(usage)?.map_err(|message| refuse(call.at, message))?;
            text.push_str(&format!(", {shown}"));
            span = found;
            if let Of::Predict(_) = of {
                let Some(Arg::Duration(ahead)) = args.next() else { return Err(usage()) };
                text.push_str(&format!(", {ahead}ms"));
                of = Of::Predict(*ahead);
            }
        }
    }
    if args.next().is_some() {
        return Err(usage());
    }
    text.push(')');
    let kind = if matches!(of, Of::Previous) { info.kind.clone() } else { MetricKind::Number };
    let over = Over { text, of, source, other, with, span };
    Ok((Slot { metric: info.metric.clone(), aspect: Aspect::Over, over: Some(Arc::new(over)) }, kind))
}

/// A duration or a number of readings.
fn window(arg: Option<&Arg>, of: Of) -> Option<Result<(Span, String), String>> {
    Some(match arg? {
        Arg::Duration(ms) if *ms < 1_000 => Err("a window is at least one second".to_owned()),
        Arg::Duration(ms) if *ms > MAX_MS => {
            Err("a window is at most 1h; what is longer is a figure of a day, not a rule".to_owned())
        }
        Arg::Duration(ms) => {
            let width_ms = (ms + BUCKETS - 1).div_euclid(BUCKETS).max(1_000);
            let buckets = (ms + width_ms - 1).div_euclid(width_ms);
            Ok((Span::Time { width_ms, buckets }, format!("{ms}ms")))
        }
        Arg::Number(_) if matches!(of, Of::Delta | Of::Predict(_)) => return None,
        Arg::Number(n) => {
            let whole = (1..=MAX_LAST)
                .find(|whole| (*n - f64::from(u32::try_from(*whole).unwrap_or(0))).abs() < 1e-9);
            match whole {
                Some(last) => Ok((Span::Last(last), last.to_string())),
                None => Err(format!("the last so many are 1 to {MAX_LAST}")),
            }
        }
        Arg::Name { .. } | Arg::Compare { .. } => return None,
    })
}

fn usage(of: Of) -> &'static str {
    match of {
        Of::Mean => "mean(metric, 10min) or mean(metric, 20), the last twenty",
        Of::Min => "min(metric, 10min) or min(metric, 20), the last twenty",
        Of::Max => "max(metric, 10min) or max(metric, 20), the last twenty",
        Of::Sum => "sum(metric, 10min) or sum(metric, 20), the last twenty",
        Of::Count => "count(metric, 10min) or count(state == \"fault\", 10min)",
        Of::Share => "share(state == \"fault\", 50), of the last fifty, or share(temp > 8, 10min)",
        Of::Changes => "changes(metric, 10min)",
        Of::Delta => "delta(metric, 1h)",
        Of::Predict(_) => {
            "predict(metric, 15min, 30min): what a line through the last 15 minutes gives in 30"
        }
        Of::Previous => "previous(state)",
        Of::Difference => "difference(one, other)",
        Of::DifferencePercent => "difference_percent(one, other)",
        Of::Ratio => "ratio(one, other)",
    }
}
