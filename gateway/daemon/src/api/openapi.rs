//! `/api/openapi.json`: the API described for programs.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

use super::error::{ApiError, ErrorBody};
use super::{
    alerts, commands, devices, dto, events, health, inventory, metrics, profiles, quarantine, readings,
    registry, status, strangers, twins, worklist,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orderly",
        description = "Readings, devices, alerts and the state of the gateway. \
            Orderly is an information system, not a primary medical alarm."
    ),
    paths(
        devices::list,
        devices::one,
        readings::list,
        commands::list,
        commands::one,
        commands::order,
        twins::list,
        profiles::list,
        alerts::list,
        alerts::one,
        alerts::acknowledge,
        alerts::close,
        worklist::list,
        worklist::lists,
        worklist::one,
        worklist::create,
        worklist::step,
        worklist::hand_over,
        quarantine::list,
        inventory::enter,
        registry::zones,
        registry::bays,
        registry::items,
        registry::export,
        registry::enter,
        strangers::list,
        strangers::adopt,
        strangers::claim,
        status::status,
        events::events,
        serve,
        metrics::metrics,
        health::live,
        health::ready,
        ingest,
        write
    ),
    components(schemas(ErrorBody, dto::Resync))
)]
struct Document;

/// The description of the API.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "gateway",
    responses((status = 200, body = Object, content_type = "application/json")))]
pub(crate) async fn serve() -> Result<Response, ApiError> {
    let text = document().to_json().map_err(|_| ApiError::internal())?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// Takes a reading as if the device had published it on its own topic. 2xx means on stable storage.
#[utoipa::path(post, path = "/ingest/v1/{site}/{class}/{device}/{stream}", tag = "doors",
    params(
        ("site" = String, Path, description = "name of the site"),
        ("class" = String, Path, description = "class of the device"),
        ("device" = String, Path, description = "name of the device"),
        ("stream" = String, Path, description = "stream of the device"),
    ),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 204, description = "on stable storage"), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 503, body = ErrorBody)))]
#[expect(dead_code, reason = "describes a route that the HTTP source serves; the API never imports a source")]
fn ingest() {}

/// Takes line protocol, as agents send it to InfluxDB 2. Refuses the whole request if one line is wrong.
#[utoipa::path(post, path = "/api/v2/write", tag = "doors",
    params(
        ("bucket" = Option<String>, Query, description = "taken and not used"),
        ("org" = Option<String>, Query, description = "taken and not used"),
        ("precision" = Option<String>, Query, description = "ns (default), us, ms or s"),
    ),
    request_body(content = String, content_type = "text/plain"),
    responses((status = 204, description = "on stable storage"), (status = 400, body = WriteError),
        (status = 401, body = WriteError), (status = 403, body = WriteError), (status = 413, body = WriteError),
        (status = 503, body = WriteError)))]
#[expect(dead_code, reason = "describes a route that the HTTP source serves; the API never imports a source")]
fn write() {}

/// What is wrong with a write, in the shape that agents of InfluxDB 2 read.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes an answer of the HTTP source; the API never imports a source")]
struct WriteError {
    /// Stable code for programs.
    #[schema(example = "invalid")]
    code: String,
    /// What is wrong, with the numbers of the lines.
    message: String,
}
