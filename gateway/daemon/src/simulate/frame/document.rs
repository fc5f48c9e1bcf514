//! Values as a JSON document: each where the profile says, in its unit and its words.

use orderly_core::value::Value;
use serde_json::{Map, Value as Json, json};

use super::super::value::Values;
use super::sheet::{Metric, Place, Shape, Sheet};

/// Puts a value at a path, making the objects above it.
pub(super) fn put(document: &mut Json, path: &[String], value: Json) {
    let Some((first, rest)) = path.split_first() else {
        *document = value;
        return;
    };
    if !document.is_object() {
        *document = Json::Object(Map::new());
    }
    if let Json::Object(object) = document {
        put(object.entry(first.clone()).or_insert(Json::Null), rest, value);
    }
}

/// Writes the values that the profile knows; gives those that went in.
pub(super) fn write(sheet: &Sheet, values: &Values, document: &mut Json) -> Values {
    let mut carried = Values::new();
    for (name, value) in values {
        let Some(metric) = sheet.metric(name) else { continue };
        let Place::Document(path) = &metric.place else { continue };
        let Some((sent, kept)) = sent(metric, value) else { continue };
        if let Shape::Number { said: Some((place, word)), .. } = &metric.shape {
            put(document, place, json!(word));
        }
        put(document, path, sent);
        carried.push((name.clone(), kept));
    }
    carried
}

/// What is sent for a value, and what it is then.
fn sent(metric: &Metric, value: &Value) -> Option<(Json, Value)> {
    let sent = match (value, &metric.shape) {
        (Value::Number(number), shape @ Shape::Number { .. }) => number_of(shape.sent(*number)?),
        (Value::State(state), shape @ Shape::State(_)) => bare(shape.word(state)?),
        (Value::State(text), Shape::Text) => return Some((json!(&**text), Value::Text(text.clone()))),
        (Value::Missing(reason), _) => {
            let word = metric.missing.iter().find(|(known, _)| known == reason);
            word.map_or(Json::Null, |(_, word)| bare(word))
        }
        _ => return None,
    };
    Some((sent, value.clone()))
}

/// A whole number without a point, as devices write it.
pub(super) fn number_of(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
}

/// A word of a profile's table as JSON: it may stand for a number or a flag.
fn bare(word: &str) -> Json {
    match word {
        "true" => json!(true),
        "false" => json!(false),
        _ => word.parse::<i64>().map_or_else(|_| json!(word), |number| json!(number)),
    }
}
