//! What a simulated device means: metrics with their values, in the units that the gateway keeps.

use std::borrow::Cow;
use std::sync::Arc;

use orderly_core::value::{Missing, Value};
use serde_json::{Map, Value as Json, json};

/// Metrics with their values.
pub type Values = Vec<(Cow<'static, str>, Value)>;

/// A number.
pub(super) const fn number(name: &'static str, value: f64) -> (Cow<'static, str>, Value) {
    (Cow::Borrowed(name), Value::Number(value))
}

/// A whole number.
pub(super) fn whole(name: &'static str, value: impl Into<i64>) -> (Cow<'static, str>, Value) {
    number(name, value.into() as f64)
}

/// A state, or a text: which of the two, the profile says.
pub(super) fn word(name: &'static str, word: &str) -> (Cow<'static, str>, Value) {
    (Cow::Borrowed(name), Value::State(Arc::from(word)))
}

/// A flag as a state of two words.
pub(super) fn flag(name: &'static str, set: bool, [yes, no]: [&str; 2]) -> (Cow<'static, str>, Value) {
    word(name, if set { yes } else { no })
}

/// The device says that it has no value.
pub(super) const fn missing(name: &'static str, why: Missing) -> (Cow<'static, str>, Value) {
    (Cow::Borrowed(name), Value::Missing(why))
}

/// The value of a metric.
pub(super) fn find<'v>(values: &'v Values, name: &str) -> Option<&'v Value> {
    values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The number of a metric; 0 where there is none.
pub(super) fn number_of(values: &Values, name: &str) -> f64 {
    find(values, name).and_then(Value::number).unwrap_or_default()
}

/// Whether a metric is in this state.
pub(super) fn is(values: &Values, name: &str, state: &str) -> bool {
    matches!(find(values, name), Some(Value::State(now)) if &**now == state)
}

/// As the API shows them: a number, a word, or null for no value.
pub(super) fn shown(values: &Values) -> Json {
    let one = |value: &Value| match value {
        Value::Number(number) => json!(number),
        Value::State(word) | Value::Text(word) => json!(&**word),
        Value::Missing(_) => Json::Null,
    };
    Json::Object(values.iter().map(|(name, value)| (name.to_string(), one(value))).collect::<Map<_, _>>())
}

/// Rounded to so many decimals, as a display shows it.
pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}
