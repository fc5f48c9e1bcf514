//! What the GET routes answer.

use orderly_core::alert::Handling;
use serde_json::json;

use super::memory::Server;

#[tokio::test]
async fn devices_come_with_their_latest_values() {
    let server = Server::start().await;
    let (status, body) = server.get("/api/v1/devices").await;
    assert_eq!(status, 200);
    assert_eq!(body["devices"].as_array().map(Vec::len), Some(3));
    let first = &body["devices"][0];
    assert_eq!(first["id"], "bp-0001");
    assert_eq!(first["last_seen"], "2026-11-21T00:01:01.500Z");
    assert_eq!(
        first["latest"][0]["values"]["sys"],
        json!({"value": 149.0, "unit": "mm[Hg]", "quality": "good"})
    );
    assert_eq!(first["latest"][0]["marks"], json!(["late"]));

    let (_, one) = server.get("/api/v1/devices/gm-0001").await;
    let glucose = &one["latest"][0]["values"]["glucose"];
    assert_eq!(glucose["value"], json!(null));
    assert_eq!(glucose["missing"], "high");
    assert_eq!(glucose["quality"], "bad");
}

#[tokio::test]
async fn devices_are_filtered_and_paged() {
    let server = Server::start().await;
    let (_, body) = server.get("/api/v1/devices?class=bp_meter&limit=1").await;
    assert_eq!(body["devices"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["next"], "bp-0001");
    let (_, body) = server.get("/api/v1/devices?class=bp_meter&limit=5&after=bp-0001").await;
    assert_eq!(body["devices"][0]["id"], "bp-0002");
    assert_eq!(body["next"], json!(null));
}

#[tokio::test]
async fn readings_page_through_equal_times_without_loss() {
    let server = Server::start().await;
    let mut path = "/api/v1/devices/bp-0001/readings?limit=1".to_owned();
    let mut origins = Vec::new();
    loop {
        let (status, body) = server.get(&path).await;
        assert_eq!(status, 200, "{body}");
        let Some(reading) = body["readings"].get(0) else { break };
        origins.push(reading["origin"].as_str().expect("text").to_owned());
        let next = body["next"].as_str().expect("a full page has a next one");
        path = format!("/api/v1/devices/bp-0001/readings?limit=1&after={next}");
    }
    assert_eq!(origins, ["4.0", "2.0", "1.0"], "newest first, each once");

    let (_, body) =
        server.get("/api/v1/devices/bp-0001/readings?order=asc&from=2026-11-21T08:00:30%2B08:00").await;
    assert_eq!(body["readings"][0]["values"]["sys"]["value"], 148.5);
    assert_eq!(body["readings"].as_array().map(Vec::len), Some(2));
    let (_, body) = server
        .get("/api/v1/devices/bp-0001/readings?every=1h&from=2026-11-21T00:00:00Z&to=2026-11-21T01:00:00Z")
        .await;
    assert_eq!(body["buckets"][0]["count"], 3);
}

#[tokio::test]
async fn alerts_twins_and_quarantine_are_shown() {
    let server = Server::start().await;
    let (_, body) = server.get("/api/v1/alerts?condition=firing&severity=P2").await;
    assert_eq!(body["alerts"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["alerts"][0]["id"], "a2");
    assert_eq!(body["alerts"][0]["text"]["zh"], "家庭血压 188/113");
    let (_, body) = server.get("/api/v1/alerts?handling=closed").await;
    assert_eq!(body["alerts"], json!([]));
    server.memory.with(|m| m.alerts[0].handling = Handling::Closed);
    let (_, body) = server.get("/api/v1/alerts?live=true").await;
    assert_eq!(body["alerts"].as_array().map(Vec::len), Some(1));
    assert_eq!(server.get("/api/v1/alerts?live=maybe").await.0, 400);
    let (_, body) = server.get("/api/v1/alerts/a1").await;
    assert_eq!(body["transitions"][0]["condition"], "firing");
    let (_, body) = server.get("/api/v1/twins?limit=2").await;
    assert_eq!(body["twins"][0]["streams"][0]["watermark"], "2026-11-21T00:01:00.000Z");
    assert_eq!(body["next"], "bp-0002");
    let (_, body) = server.get("/api/v1/quarantine?code=malformed&limit=1").await;
    assert_eq!(body["items"][0]["seq"], 7);
    assert_eq!(body["items"][0]["excerpt"], "\\x17{");
    assert_eq!(body["items"][0]["reason"], "sys at $.sys: nothing is there; expected a number in mm[Hg]");
    let rest = json!({"code": "expected_nothing_there", "params": {"wanted": {"code": "a_number", "params": {"unit": "mm[Hg]"}}}});
    assert_eq!(
        body["items"][0]["why"],
        json!({"code": "metric", "params": {"metric": "sys", "place": "$.sys", "rest": rest}})
    );
    assert_eq!(body["total"], 3);
    let (_, body) = server.get(&format!("/api/v1/quarantine?code=malformed&after={}", "7.0")).await;
    assert_eq!(body["items"][0]["seq"], 5);
}

#[tokio::test]
async fn profiles_say_how_a_metric_is_named_and_written() {
    let server = Server::start().await;
    let (status, body) = server.get("/api/v1/profiles").await;
    assert_eq!((status, &body["profiles"][0]["id"]), (200, &json!("orderly-cs-1")));
    assert_eq!(body["profiles"][0]["class"], "cold_store");
    assert_eq!(
        body["profiles"][0]["metrics"][0],
        json!({"name": "temp", "label": {"zh": "柜温", "en": "Temperature"}, "kind": "number", "unit": "Cel", "decimals": 1, "states": []})
    );
    let door = &body["profiles"][0]["metrics"][2];
    assert_eq!((&door["kind"], &door["states"]), (&json!("state"), &json!(["closed", "open"])));
}

#[tokio::test]
async fn a_bad_query_is_named_and_what_would_be_right_is_said() {
    let server = Server::start().await;
    for (path, name, hint) in [
        ("/api/v1/devices?clas=bp_meter", "clas", "did you mean `class`?"),
        ("/api/v1/devices?limit=0", "limit", "1 to 10000"),
        ("/api/v1/devices?class=a%20b", "class", "1 to 64"),
        ("/api/v1/devices/bp-0001/readings?from=yesterday", "from", "RFC 3339"),
        ("/api/v1/devices/bp-0001/readings?every=1h", "from", "where to begin"),
        ("/api/v1/devices/bp-0001/readings?every=1s&from=2020-01-01T00:00:00Z", "every", "at most 20000"),
        (
            "/api/v1/devices/bp-0001/readings?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            "to",
            "earlier",
        ),
        ("/api/v1/devices/bp-0001/readings?after=x", "after", "`next`"),
        ("/api/v1/alerts?condition=burning", "condition", "pending, firing, cleared"),
        ("/api/v1/quarantine?limit=100000", "limit", "1 to 1000"),
        ("/api/v1/quarantine?code=mailformed", "code", "malformed, no_device"),
        ("/api/v1/devices/bp-0001/readings?every=5x&from=2026-01-01T00:00:00Z", "every", "30s, 5m, 1h"),
        ("/api/v1/devices/%FF", "id", "UTF-8"),
        ("/api/v1/devices/%FF/readings", "id", "UTF-8"),
        ("/api/v1/alerts/%FF", "id", "UTF-8"),
        ("/api/v1/devices/bp-0001?x=1", "x", "takes none"),
        ("/api/v1/alerts/a1?x=1", "x", "takes none"),
        ("/api/v1/status?x=1", "x", "takes none"),
        ("/api/v1/profiles?x=1", "x", "takes none"),
    ] {
        let (status, body) = server.get(path).await;
        assert_eq!(status, 400, "{path}");
        assert_eq!(body["error"]["code"], "bad_parameter", "{path}");
        assert!(
            body["error"]["message"].as_str().is_some_and(|m| m.contains(&format!("`{name}`"))),
            "{body}"
        );
        assert!(body["error"]["hint"].as_str().is_some_and(|h| h.contains(hint)), "{path}: {body}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_fails_says_nothing_of_the_inside() {
    let server = Server::start().await;
    for path in [
        "/api/v1/devices/bp-9",
        "/api/v1/devices/a%2Fb",
        "/api/v1/devices/bp-9/readings",
        "/api/v1/alerts/x",
        "/api/v2/x",
    ] {
        let (status, body) = server.get(path).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")), "{path}");
        assert!(body["error"]["hint"].as_str().is_some_and(|hint| hint.contains("/api/")), "{body}");
    }
    let long = "a".repeat(5_000);
    for path in [
        format!("/api/v1/devices/{long}"),
        format!("/api/v1/devices/{long}/readings"),
        format!("/api/v1/alerts/{long}"),
    ] {
        let (status, body) = server.get(&path).await;
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 404 && message.starts_with("`id`: there is no") && message.len() < 200, "{body}");
    }
    let wrong =
        server.http.delete(format!("{}/api/v1/devices", server.base)).send().await.expect("an answer");
    assert_eq!(wrong.status(), 405);
    let body: serde_json::Value = serde_json::from_str(&wrong.text().await.expect("text")).expect("JSON");
    assert_eq!(body["error"]["code"], "wrong_method");
    assert!(
        ["message", "hint"]
            .iter()
            .all(|key| body["error"][key].as_str().is_some_and(|text| !text.is_empty()))
    );
    server.memory.with(|m| m.broken = true);
    for path in ["/api/v1/devices", "/api/v1/alerts", "/api/v1/twins", "/api/v1/quarantine"] {
        let (status, body) = server.get(path).await;
        assert_eq!(status, 500);
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn status_health_and_metrics_answer() {
    let server = Server::start().await;
    let (status, body) = server.get("/api/v1/status").await;
    assert_eq!((status, &body["rates"]["messages_per_s"]), (200, &json!(12.5)));
    assert_eq!(server.get("/health/live").await.0, 200);
    assert_eq!(server.get("/health/ready").await.0, 200);
    server.memory.with(|m| m.ready = false);
    let (status, body) = server.get("/health/ready").await;
    assert_eq!((status, &body["checks"][0]["name"]), (503, &json!("journal")));
    let text = server.http.get(format!("{}/metrics", server.base)).send().await.expect("an answer");
    let text = text.text().await.expect("text");
    assert!(text.starts_with("orderly_readings_total 3\n"), "{text}");
    assert!(text.contains("orderly_sink_behind_records{sink=\"influx\"} 0\n"), "{text}");
    assert!(text.contains("orderly_alerts_firing 1\n"), "{text}");
}
