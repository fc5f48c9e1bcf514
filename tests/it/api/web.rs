//! Headers, pages and compression.

use super::memory::Server;

#[tokio::test]
async fn every_answer_carries_the_careful_headers() {
    let server = Server::start().await;
    for path in ["/", "/devices/bp-0001", "/api/v1/devices", "/api/v1/none", "/metrics", "/health/live"] {
        let answer = server.http.get(format!("{}{path}", server.base)).send().await.expect("an answer");
        let headers = answer.headers();
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert!(headers.contains_key("cache-control"), "{path}");
    }
    let api = server.http.get(format!("{}/api/v1/devices", server.base)).send().await.expect("an answer");
    assert_eq!(api.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn pages_answer_at_their_own_addresses_and_programs_get_no_page() {
    let server = Server::start().await;
    for path in ["/", "/alerts/9f2c0a6be4d11873", "/devices/bp-0001"] {
        let answer = server.http.get(format!("{}{path}", server.base)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        assert!(answer.text().await.expect("text").contains("Orderly"), "{path}");
    }
    for path in
        ["/assets/none.js", "/.gitkeep", "/api/none", "/ingest/v1/x", "/a/../Cargo.toml", "/favicon.none"]
    {
        let answer = server.http.get(format!("{}{path}", server.base)).send().await.expect("an answer");
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_can_read_it() {
    let server = Server::start().await;
    let answer = server
        .http
        .get(format!("{}/api/v1/devices", server.base))
        .header("Accept-Encoding", "gzip")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let events = server
        .http
        .get(format!("{}/api/v1/events", server.base))
        .header("Accept-Encoding", "gzip")
        .send()
        .await
        .expect("an answer");
    assert!(!events.headers().contains_key("content-encoding"), "events must not wait in a compressor");
}
