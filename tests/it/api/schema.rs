//! The OpenAPI document lists every route, and real answers have the shapes that it describes.

use serde_json::{Value as Json, json};

use super::memory::Server;

/// Follows a `$ref` into the document.
fn resolve<'a>(document: &'a Json, schema: &'a Json) -> &'a Json {
    match schema["$ref"].as_str() {
        Some(place) => {
            let found = document.pointer(place.trim_start_matches('#'));
            resolve(document, found.unwrap_or_else(|| panic!("{place} is not in the document")))
        }
        None => schema,
    }
}

/// What is wrong with `value`, by the schema; empty when it fits.
fn misfits(document: &Json, schema: &Json, value: &Json, place: &str) -> Vec<String> {
    let schema = resolve(document, schema);
    for several in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[several].as_array() {
            let fits = choices.iter().any(|choice| misfits(document, choice, value, place).is_empty());
            return if fits { vec![] } else { vec![format!("{place}: {value} fits none of {schema}")] };
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Json::String(kind) => vec![kind],
        Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
        _ => return vec![],
    };
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(n) if n.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let fits = kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number");
    if !fits {
        return vec![format!("{place}: {kind} where {kinds:?} is described")];
    }
    let mut wrong = Vec::new();
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        wrong.push(format!("{place}: {value} is none of {words:?}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(misfits(document, &schema["items"], item, &format!("{place}[{index}]")));
    }
    if let Some(object) = value.as_object() {
        for needed in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if !object.contains_key(needed) {
                wrong.push(format!("{place}: `{needed}` is missing"));
            }
        }
        for (name, inner) in object {
            let described = schema["properties"].get(name).or(schema.get("additionalProperties"));
            match described {
                Some(described) => {
                    wrong.extend(misfits(document, described, inner, &format!("{place}.{name}")))
                }
                None if schema.get("properties").is_some() => {
                    wrong.push(format!("{place}: `{name}` is not described"));
                }
                None => {}
            }
        }
    }
    wrong
}

fn described(document: &Json, path: &str, status: &str) -> Json {
    let content = &document["paths"][path]["get"]["responses"][status]["content"];
    content["application/json"]["schema"].clone()
}

#[test]
fn every_route_is_listed_and_nothing_else() {
    let document = serde_json::to_value(orderly::api::document()).expect("JSON");
    let mut listed: Vec<_> =
        document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    let mut served = orderly::api::paths();
    // The doors for readings belong to the HTTP source and are described here.
    served.extend(["/ingest/v1/{site}/{class}/{device}/{stream}", "/api/v2/write"]);
    listed.sort_unstable();
    served.sort_unstable();
    assert_eq!(listed, served);
}

#[tokio::test]
async fn answers_have_the_shapes_that_are_described() {
    let server = Server::start().await;
    let (_, document) = server.get("/api/openapi.json").await;
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.")));
    let mut looked_at = 0;
    for (path, route) in [
        ("/api/v1/devices", "/api/v1/devices"),
        ("/api/v1/devices/gm-0001", "/api/v1/devices/{id}"),
        ("/api/v1/devices/bp-0001/readings", "/api/v1/devices/{id}/readings"),
        (
            "/api/v1/devices/bp-0001/readings?every=1h&from=2026-11-21T00:00:00Z",
            "/api/v1/devices/{id}/readings",
        ),
        ("/api/v1/twins", "/api/v1/twins"),
        ("/api/v1/profiles", "/api/v1/profiles"),
        ("/api/v1/alerts", "/api/v1/alerts"),
        ("/api/v1/alerts/a1", "/api/v1/alerts/{id}"),
        ("/api/v1/quarantine", "/api/v1/quarantine"),
        ("/api/v1/status", "/api/v1/status"),
        ("/health/ready", "/health/ready"),
    ] {
        let (status, body) = server.get(path).await;
        let schema = described(&document, route, &status.to_string());
        assert!(schema.is_object(), "{route} does not describe {status}");
        assert_eq!(misfits(&document, &schema, &body, route), Vec::<String>::new());
        looked_at += 1;
    }
    assert_eq!(looked_at, 11);
    let (status, body) = server.get("/api/v1/devices?limit=x").await;
    let schema = described(&document, "/api/v1/devices", &status.to_string());
    assert_eq!(misfits(&document, &schema, &body, "error"), Vec::<String>::new());
}

#[test]
fn the_check_itself_finds_misfits() {
    let document = json!({"components": {"schemas": {"A": {"type": "object", "required": ["n"],
        "properties": {"n": {"type": "integer"}, "w": {"enum": ["x"], "type": ["string", "null"]}}}}}});
    let schema = json!({"$ref": "#/components/schemas/A"});
    let wrong = |value: Json| misfits(&document, &schema, &value, "v").len();
    assert_eq!(wrong(json!({"n": 1, "w": "x"})), 0);
    assert_eq!(wrong(json!({"n": 1.5})), 1);
    assert_eq!(wrong(json!({"w": "y"})), 2);
    assert_eq!(wrong(json!({"n": 1, "extra": 1})), 1);
    assert_eq!(wrong(json!([])), 1);
}
