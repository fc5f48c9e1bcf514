//! `/api/v1/alerts`: what the rules found, and what people do about it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use orderly_core::alert as core;
use orderly_core::ids::ActorId;
use orderly_core::record::{Action, Order};
use orderly_core::time::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::dto::{Alert, AlertDetail, Alerts, Handled, Transition};
use super::error::{ApiError, ErrorBody};
use super::orders::OrderError;
use super::params::{InPath, Params};
use super::reads::AlertQuery;
use super::router::App;

const CONDITIONS: [(&str, core::Condition); 3] = [
    ("pending", core::Condition::Pending),
    ("firing", core::Condition::Firing),
    ("cleared", core::Condition::Cleared),
];
const HANDLINGS: [(&str, core::Handling); 5] = [
    ("open", core::Handling::Open),
    ("acknowledged", core::Handling::Acknowledged),
    ("assigned", core::Handling::Assigned),
    ("in_progress", core::Handling::InProgress),
    ("closed", core::Handling::Closed),
];
const SEVERITIES: [(&str, core::Severity); 4] = [
    ("P1", core::Severity::P1),
    ("P2", core::Severity::P2),
    ("P3", core::Severity::P3),
    ("P4", core::Severity::P4),
];

/// Alerts, the newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts",
    params(
        ("condition" = Option<String>, Query, description = "pending, firing or cleared"),
        ("handling" = Option<String>, Query, description = "open, acknowledged, assigned, in_progress or closed"),
        ("class" = Option<String>, Query, description = "only of devices of this class"),
        ("severity" = Option<String>, Query, description = "P1 to P4"),
        ("device" = Option<String>, Query, description = "only of this device"),
        ("live" = Option<bool>, Query, description = "true: only those that still fire or that nobody has closed"),
        ("limit" = Option<usize>, Query, description = "1 to 5000, default 500"),
    ),
    responses((status = 200, body = Alerts), (status = 400, body = ErrorBody)))]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Result<Json<Alerts>, ApiError> {
    let params = params.only(&["condition", "handling", "class", "severity", "device", "live", "limit"])?;
    let query = AlertQuery {
        condition: params.word("condition", &CONDITIONS)?,
        handling: params.word("handling", &HANDLINGS)?,
        class: params.id("class")?,
        severity: params.word("severity", &SEVERITIES)?,
        device: params.id("device")?,
        live: params.word("live", &[("true", true), ("false", false)])?.unwrap_or(false),
        limit: params.limit(500, 5_000)?,
    };
    let alerts = app.read(move |reads| reads.alerts(&query)).await?;
    Ok(Json(Alerts { alerts: alerts.iter().map(Alert::from).collect() }))
}

/// One alert and its steps.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts",
    params(("id" = String, Path, description = "id of the alert")),
    responses((status = 200, body = AlertDetail), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn one(
    State(app): State<App>,
    InPath(id): InPath,
    params: Params,
) -> Result<Json<AlertDetail>, ApiError> {
    params.only(&[])?;
    let (alert, steps) = find(&app, id).await?;
    let transitions = steps.iter().map(Transition::from).collect();
    Ok(Json(AlertDetail { alert: Alert::from(&alert), transitions }))
}

/// What comes with an order about an alert.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ordered {
    /// When the person did it, RFC 3339; now, if left out.
    happened_at: Option<String>,
    /// The outcome code; needed to close.
    #[schema(example = "attended")]
    outcome: Option<String>,
}

/// Says that somebody has seen the alert.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/acknowledge", tag = "alerts",
    params(
        ("id" = String, Path, description = "id of the alert"),
        ("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order"),
    ),
    request_body(content = Option<Ordered>),
    responses((status = 200, body = Handled), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 503, body = ErrorBody)))]
pub(crate) async fn acknowledge(
    State(app): State<App>,
    InPath(id): InPath,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Handled>, ApiError> {
    let ordered = parse_body(&body)?;
    let order = Order::AcknowledgeAlert { alert: id.clone() };
    submit(&app, id, &headers, &ordered, order).await
}

/// Closes the alert with an outcome code.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/close", tag = "alerts",
    params(
        ("id" = String, Path, description = "id of the alert"),
        ("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order"),
    ),
    request_body(content = Ordered),
    responses((status = 200, body = Handled), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn close(
    State(app): State<App>,
    InPath(id): InPath,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Handled>, ApiError> {
    let ordered = parse_body(&body)?;
    let Some(outcome) = ordered.outcome.clone().filter(|code| is_code(code)) else {
        return Err(bad_body("`outcome` is needed to close", "a code as `attended` or `false_alarm`"));
    };
    let order = Order::CloseAlert { alert: id.clone(), outcome };
    submit(&app, id, &headers, &ordered, order).await
}

async fn submit(
    app: &App,
    id: String,
    headers: &HeaderMap,
    ordered: &Ordered,
    order: Order,
) -> Result<Json<Handled>, ApiError> {
    let idempotency_key = idempotency_key(headers)?;
    let happened_at = match &ordered.happened_at {
        Some(text) => parse_moment(text)?,
        None => app.parts.clock.now().wall,
    };
    find(app, id.clone()).await?;
    let actor = ActorId::new("local-admin").map_err(|_| ApiError::internal())?;
    let action = Action { actor, happened_at, idempotency_key, order };
    let answer = app.parts.orders.submit(action).await.map_err(|error| unanswered(&error))?;
    if let Err(reason) = answer.result {
        return Err(ApiError::new(StatusCode::CONFLICT, "refused", reason, "read the alert again"));
    }
    let (alert, _) = find(app, id).await?;
    Ok(Json(Handled { seq: answer.seq, alert: Alert::from(&alert) }))
}

async fn find(app: &App, id: String) -> Result<(core::Alert, Vec<core::Transition>), ApiError> {
    let name = id.clone();
    let found = app.read(move |reads| reads.alert(&id)).await?;
    found.ok_or_else(|| ApiError::not_found("alert", &name, "GET /api/v1/alerts lists them"))
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<String, ApiError> {
    let given = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::trim);
    match given {
        Some(key) if (8..=128).contains(&key.len()) => Ok(key.to_owned()),
        _ => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key",
            "the header `Idempotency-Key` is missing or does not fit",
            "8 to 128 characters chosen by the client, a new one for each order and the same for a repeat",
        )),
    }
}

fn parse_body(body: &[u8]) -> Result<Ordered, ApiError> {
    if body.is_empty() {
        return Ok(Ordered::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| bad_body("the body cannot be read", &format!("JSON object: {error}")))
}

pub(super) fn parse_moment(text: &str) -> Result<Timestamp, ApiError> {
    text.parse::<jiff::Timestamp>().map(|moment| Timestamp(moment.as_millisecond())).map_err(|_| {
        bad_body("`happened_at` is not a time", "RFC 3339 with offset, as 2026-11-21T07:30:00+08:00")
    })
}

pub(super) fn bad_body(message: &str, hint: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_body", message, hint)
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub(super) fn unanswered(error: &OrderError) -> ApiError {
    let code = match error {
        OrderError::Unavailable => "unavailable",
        OrderError::Unanswered => "unanswered",
    };
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        code,
        error.to_string(),
        "send it again with the same Idempotency-Key: it is never done twice",
    )
}
