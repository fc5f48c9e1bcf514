//! `/health/live` and `/health/ready`, for service managers and load balancers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::router::App;

/// One thing that must be right before the gateway can do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// What was looked at (`journal`, `state`, `engine`, `listener` ...).
    pub name: String,
    /// Whether it is right.
    pub ok: bool,
    /// What is wrong, in one sentence; empty when nothing is.
    pub detail: String,
}

/// What the runtime knows about its own health.
pub trait Health: Send + Sync + 'static {
    /// Whether the process makes progress at all; `false` asks for a restart.
    fn live(&self) -> bool;
    /// All that must be right for readings to be taken in.
    fn checks(&self) -> Vec<Check>;
}

/// Whether the gateway does its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Report {
    /// All checks are right.
    ok: bool,
    /// The checks one by one.
    checks: Vec<Check>,
}

/// Whether the process makes progress; anything but 200 asks for a restart.
#[utoipa::path(get, path = "/health/live", tag = "health",
    responses((status = 200, body = Report), (status = 503, body = Report)))]
pub(crate) async fn live(State(app): State<App>) -> (StatusCode, Json<Report>) {
    report(app.parts.health.live(), Vec::new())
}

/// Whether readings can be taken in.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = 200, body = Report), (status = 503, body = Report)))]
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, Json<Report>) {
    let checks = app.parts.health.checks();
    report(checks.iter().all(|check| check.ok), checks)
}

fn report(ok: bool, checks: Vec<Check>) -> (StatusCode, Json<Report>) {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Report { ok, checks }))
}
