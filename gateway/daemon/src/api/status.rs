//! `/api/v1/status`: what the gateway says about itself.

use axum::Json;
use axum::extract::State;

use super::dto::Status;
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::router::App;

/// What the runtime knows about the gateway as a whole. Cheap: it is asked every second.
pub trait Overview: Send + Sync + 'static {
    /// How things stand now.
    fn status(&self) -> Status;
}

/// How the gateway does: journal, engine, sources, sinks, rates and what a person should look at.
#[utoipa::path(get, path = "/api/v1/status", tag = "gateway", 
    responses((status = 200, body = Status), (status = 400, body = ErrorBody)))]
pub(crate) async fn status(State(app): State<App>, params: Params) -> Result<Json<Status>, ApiError> {
    params.only(&[])?;
    Ok(Json(app.parts.overview.status()))
}
