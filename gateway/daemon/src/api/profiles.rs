//! `/api/v1/profiles`: how boards name and write what each model of device measures.

use axum::Json;
use axum::extract::State;

use super::dto::{Profile, Profiles};
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::router::App;

/// The profiles in force: each metric with its names, unit, decimals and states.
#[utoipa::path(get, path = "/api/v1/profiles", tag = "devices",
    responses((status = 200, body = Profiles), (status = 400, body = ErrorBody)))]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Result<Json<Profiles>, ApiError> {
    params.only(&[])?;
    let in_force = app.parts.profiles.now();
    Ok(Json(Profiles {
        profiles: in_force.profiles.iter().map(|profile| Profile::from(&**profile)).collect(),
    }))
}
