//! `/api/v1/status`: what the gateway says about itself.

use axum::Json;
use axum::extract::State;

use super::dto::Status;
use super::router::App;

/// What the runtime knows about the gateway as a whole. Cheap: it is asked every second.
pub trait Overview: Send + Sync + 'static {
    /// How things stand now.
    fn status(&self) -> Status;
}

/// How the gateway does: journal, engine, sources, sinks, rates and what a person should look at.
#[utoipa::path(get, path = "/api/v1/status", tag = "gateway", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(app): State<App>) -> Json<Status> {
    Json(app.parts.overview.status())
}
