//! The OpenAPI document lists every route, and real answers have the shapes that it describes.

use orderly_tests::json_schema::misfits;
use serde_json::Value as Json;

use super::memory::Server;

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
