//! `/api/v1/twins`: the states that the engine keeps.

use axum::Json;
use axum::extract::State;

use super::devices::{device_query, full_page};
use super::dto::{Twin, Twins};
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::router::App;

/// The states that the engine keeps, one for each device.
#[utoipa::path(get, path = "/api/v1/twins", tag = "devices",
    params(
        ("class" = Option<String>, Query, description = "only this class"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 10000, default 1000"),
    ),
    responses((status = 200, body = Twins), (status = 400, body = ErrorBody)))]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Result<Json<Twins>, ApiError> {
    let query = device_query(params)?;
    let limit = query.limit;
    let views = app.read(move |reads| reads.twins(&query)).await?;
    let next = full_page(&views, limit).map(|view| view.device.as_str().to_owned());
    Ok(Json(Twins { twins: views.iter().map(Twin::from).collect(), next }))
}
