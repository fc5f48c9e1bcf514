//! `/api/v1/devices`: the register with the latest readings.

use axum::Json;
use axum::extract::State;
use orderly_core::ids::DeviceId;

use super::dto::{Device, Devices};
use super::error::{ApiError, ErrorBody};
use super::params::{InPath, Params};
use super::reads::{DeviceQuery, DeviceView};
use super::router::App;

/// Devices with the latest reading of each of their streams.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices",
    params(
        ("class" = Option<String>, Query, description = "only this class"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 10000, default 1000"),
    ),
    responses((status = 200, body = Devices), (status = 400, body = ErrorBody)))]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Result<Json<Devices>, ApiError> {
    let query = device_query(params)?;
    let limit = query.limit;
    let views = app.read(move |reads| reads.devices(&query)).await?;
    let next = full_page(&views, limit).map(|view| view.row.device.as_str().to_owned());
    Ok(Json(Devices { devices: views.iter().map(Device::from).collect(), next }))
}

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "devices",
    params(("id" = String, Path, description = "name of the device")),
    responses((status = 200, body = Device), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn one(
    State(app): State<App>,
    InPath(id): InPath,
    params: Params,
) -> Result<Json<Device>, ApiError> {
    params.only(&[])?;
    let device = device_id(&id)?;
    let view = find(&app, device).await?;
    Ok(Json(Device::from(&view)))
}

/// The query that devices and twins share.
pub(crate) fn device_query(params: Params) -> Result<DeviceQuery, ApiError> {
    let params = params.only(&["class", "after", "limit"])?;
    Ok(DeviceQuery {
        class: params.id("class")?,
        after: params.id("after")?,
        limit: params.limit(1_000, 10_000)?,
    })
}

/// The last item of a page that may have a next one.
pub(crate) fn full_page<T>(items: &[T], limit: usize) -> Option<&T> {
    items.last().filter(|_| items.len() >= limit)
}

/// The device of a path; something that is no name names no device.
pub(crate) fn device_id(text: &str) -> Result<DeviceId, ApiError> {
    DeviceId::new(text).map_err(|_| no_device(text))
}

/// Looks a device up.
pub(crate) async fn find(app: &App, device: DeviceId) -> Result<DeviceView, ApiError> {
    let name = device.clone();
    let found = app.read(move |reads| reads.devices_named(&[device])).await?;
    found.into_iter().next().ok_or_else(|| no_device(name.as_str()))
}

fn no_device(id: &str) -> ApiError {
    ApiError::not_found(
        "device",
        id,
        "GET /api/v1/devices lists them; unknown senders are in /api/v1/quarantine",
    )
}
