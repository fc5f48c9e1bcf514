//! What the POST routes do, and for whom.

use orderly::api::OrderError;
use orderly_core::record::Order;
use reqwest::RequestBuilder;
use serde_json::{Value as Json, json};

use super::memory::{Server, T0};

async fn answer(request: RequestBuilder) -> (u16, Json) {
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

fn post(server: &Server, path: &str) -> RequestBuilder {
    server.http.post(format!("{}{path}", server.base)).header("Idempotency-Key", "0123456789ab")
}

#[tokio::test]
async fn acknowledging_gives_the_alert_after_it() {
    let server = Server::start().await;
    let (status, body) = answer(post(&server, "/api/v1/alerts/a1/acknowledge")).await;
    assert_eq!((status, &body["alert"]["handling"]), (200, &json!("acknowledged")));
    assert_eq!(body["seq"], 99);
    let action = server.memory.with(|m| m.actions[0].clone());
    assert_eq!(action.idempotency_key, "0123456789ab");
    assert_eq!(action.actor.as_str(), "local-admin");
    assert_eq!(action.happened_at, T0.plus_ms(3_600_000), "without a time of its own it happened now");
    assert_eq!(action.order, Order::AcknowledgeAlert { alert: "a1".into() });
}

#[tokio::test]
async fn closing_needs_an_outcome() {
    let server = Server::start().await;
    for wrong in [json!({}), json!({"outcome": ""}), json!({"outcome": "Not A Code"}), json!({"result": "x"})]
    {
        let (status, body) = answer(post(&server, "/api/v1/alerts/a1/close").json(&wrong)).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("bad_body")), "{wrong}");
    }
    let order = json!({"outcome": "attended", "happened_at": "2026-11-21T08:00:00+08:00"});
    let (status, body) = answer(post(&server, "/api/v1/alerts/a1/close").json(&order)).await;
    assert_eq!((status, &body["alert"]["outcome"]), (200, &json!("attended")));
    assert_eq!(server.memory.with(|m| m.actions[0].happened_at), T0);
}

#[tokio::test]
async fn orders_without_a_key_or_about_nothing_are_not_passed_on() {
    let server = Server::start().await;
    let url = format!("{}/api/v1/alerts/a1/acknowledge", server.base);
    let (status, body) = answer(server.http.post(&url)).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("idempotency_key")));
    let (status, _) = answer(server.http.post(&url).header("Idempotency-Key", "short")).await;
    assert_eq!(status, 400);
    let (status, _) = answer(post(&server, "/api/v1/alerts/nothing/acknowledge")).await;
    assert_eq!(status, 404);
    assert!(server.memory.with(|m| m.actions.is_empty()));
}

#[tokio::test]
async fn refusals_and_silence_are_told_apart() {
    let server = Server::start().await;
    for (refuse, status, code) in [
        (Ok("already closed".to_owned()), 409, "refused"),
        (Err(OrderError::Unavailable), 503, "unavailable"),
        (Err(OrderError::Unanswered), 503, "unanswered"),
    ] {
        server.memory.with(|m| m.refuse = Some(refuse));
        let (got, body) = answer(post(&server, "/api/v1/alerts/a1/acknowledge")).await;
        assert_eq!((got, &body["error"]["code"]), (status, &json!(code)));
    }
}

#[tokio::test]
async fn a_foreign_page_reads_nothing_and_orders_nothing() {
    let server = Server::start().await;
    let foreign_host =
        server.http.get(format!("{}/api/v1/devices", server.base)).header("Host", "evil.example");
    let (status, body) = answer(foreign_host).await;
    assert_eq!((status, &body["error"]["code"]), (421, &json!("foreign_host")));
    let foreign = post(&server, "/api/v1/alerts/a1/acknowledge").header("Origin", "https://evil.example");
    assert_eq!(answer(foreign).await.0, 403);
    assert!(server.memory.with(|m| m.actions.is_empty()));
    let own = post(&server, "/api/v1/alerts/a1/acknowledge").header("Origin", &server.base);
    assert_eq!(answer(own).await.0, 200);
    let (status, body) = answer(server.http.delete(format!("{}/api/v1/devices", server.base))).await;
    assert_eq!((status, &body["error"]["code"]), (405, &json!("wrong_method")));
}

#[tokio::test]
async fn the_port_opens_on_loopback_only() {
    let error =
        orderly::api::bind("0.0.0.0:0".parse().expect("an address")).await.expect_err("must be refused");
    assert!(error.to_string().contains("loopback"), "{error}");
}
