//! As much of JSON Schema as our own documents use: the API's description and the form of device profiles.

use serde_json::Value as Json;

/// Follows a `$ref` into the document.
///
/// # Panics
/// When it leads nowhere.
#[must_use]
pub fn resolve<'a>(document: &'a Json, schema: &'a Json) -> &'a Json {
    match schema["$ref"].as_str() {
        Some(place) => match document.pointer(place.trim_start_matches('#')) {
            Some(found) => resolve(document, found),
            None => unreachable!("{place} is not in the document"),
        },
        None => schema,
    }
}

/// What is wrong with `value`, by the schema; empty when it fits.
#[must_use]
pub fn misfits(document: &Json, schema: &Json, value: &Json, place: &str) -> Vec<String> {
    let schema = resolve(document, schema);
    if let Some(anything) = schema.as_bool() {
        return if anything { vec![] } else { vec![format!("{place}: is not described")] };
    }
    let mut wrong: Vec<String> = Vec::new();
    for all in schema["allOf"].as_array().into_iter().flatten() {
        wrong.extend(misfits(document, all, value, place));
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[several].as_array() {
            let fits = choices.iter().any(|choice| misfits(document, choice, value, place).is_empty());
            if !fits {
                wrong.push(format!("{place}: {value} fits none of {schema}"));
            }
        }
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        wrong.push(format!("{place}: {value} is none of {words:?}"));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        wrong.push(format!("{place}: {value} is not {}", schema["const"]));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Json::String(kind) => vec![kind],
        Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
        _ => return wrong,
    };
    let kind = kind(value);
    let fits = kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number");
    if !fits {
        wrong.push(format!("{place}: {kind} where {kinds:?} is described"));
        return wrong;
    }
    bounds(schema, value, place, &mut wrong);
    if let Some(items) = value.as_array().filter(|_| schema.get("items").is_some()) {
        for (index, item) in items.iter().enumerate() {
            wrong.extend(misfits(document, &schema["items"], item, &format!("{place}[{index}]")));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let described = schema["properties"].get(name).or(schema.get("additionalProperties"));
        match described {
            Some(Json::Bool(false)) => wrong.push(format!("{place}: `{name}` is not described")),
            Some(described) => wrong.extend(misfits(document, described, inner, &format!("{place}.{name}"))),
            None if schema.get("properties").is_some() => {
                wrong.push(format!("{place}: `{name}` is not described"));
            }
            None => {}
        }
    }
    wrong
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(n) if n.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn bounds(schema: &Json, value: &Json, place: &str, wrong: &mut Vec<String>) {
    let size = match value {
        Json::Array(items) => Some((items.len(), "minItems", "maxItems")),
        Json::String(text) => Some((text.chars().count(), "minLength", "maxLength")),
        _ => None,
    };
    if let Some((size, least, most)) = size {
        let bound = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
        if bound(least).is_some_and(|least| size < least) || bound(most).is_some_and(|most| size > most) {
            wrong.push(format!("{place}: {size} is too few or too many"));
        }
    }
    if let Some(n) = value.as_f64() {
        let bound = |key: &str| schema[key].as_f64();
        if bound("minimum").is_some_and(|least| n < least) || bound("maximum").is_some_and(|most| n > most) {
            wrong.push(format!("{place}: {n} is too small or too large"));
        }
    }
    for needed in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if value.as_object().is_some_and(|object| !object.contains_key(needed)) {
            wrong.push(format!("{place}: `{needed}` is missing"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::misfits;
    use serde_json::{Value as Json, json};

    #[test]
    fn the_check_itself_finds_misfits() {
        let document = json!({"components": {"schemas": {"A": {"type": "object", "required": ["n"],
            "properties": {"n": {"type": "integer"}, "w": {"enum": ["x", null], "type": ["string", "null"]},
                "l": {"type": "array", "items": {"type": "number", "minimum": 1}, "maxItems": 2}}}}}});
        let schema = json!({"$ref": "#/components/schemas/A"});
        let wrong = |value: Json| misfits(&document, &schema, &value, "v").len();
        assert_eq!(wrong(json!({"n": 1, "w": "x", "l": [1, 2.5]})), 0);
        assert_eq!(wrong(json!({"n": 1.5})), 1);
        assert_eq!(wrong(json!({"w": "y"})), 2);
        assert_eq!(wrong(json!({"n": 1, "extra": 1})), 1);
        assert_eq!(wrong(json!({"n": 1, "l": [0, 1, 2]})), 2);
        assert_eq!(wrong(json!([])), 1);
        let strict = json!({"type": "object", "properties": {}, "additionalProperties": false});
        assert_eq!(misfits(&strict, &strict, &json!({"a": 1}), "v"), ["v: `a` is not described"]);
    }
}
