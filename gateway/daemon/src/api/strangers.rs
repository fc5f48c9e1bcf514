//! `/api/v1/unknown`: devices that speak and are on no register, and the order that takes one on.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use orderly_core::ids::{ActorId, DeviceId, ProfileId, ZoneId};
use orderly_core::record::{Action, Order};

use super::alerts::{bad_body, idempotency_key, unanswered};
use super::devices::device_id;
use super::dto::{Adopt, Adopted, Claim as ClaimBody, Strangers};
use super::error::{ApiError, ErrorBody};
use super::params::{InPath, Params};
use super::reads::Claim;
use super::router::App;

/// Devices that are on no register, with the profiles that read what they send.
#[utoipa::path(get, path = "/api/v1/unknown", tag = "devices",
    responses((status = 200, body = Strangers), (status = 400, body = ErrorBody)))]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Result<Json<Strangers>, ApiError> {
    params.only(&[])?;
    let found = app.read(|reads| reads.strangers()).await?;
    Ok(Json(Strangers { devices: found.iter().map(Into::into).collect() }))
}

/// Puts an unknown device on the register and reads what stands in quarantine of it.
#[utoipa::path(post, path = "/api/v1/unknown/{id}/adopt", tag = "devices",
    params(
        ("id" = String, Path, description = "name of the device"),
        ("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order"),
    ),
    request_body(content = Adopt),
    responses((status = 200, body = Adopted), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn adopt(
    State(app): State<App>,
    InPath(id): InPath,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Adopted>, ApiError> {
    let idempotency_key = idempotency_key(&headers)?;
    let device = device_id(&id)?;
    let asked: Adopt = match body.is_empty() {
        true => Adopt::default(),
        false => serde_json::from_slice(&body)
            .map_err(|error| bad_body("the body cannot be read", &format!("JSON object: {error}")))?,
    };
    let name = |error: orderly_core::ids::NameError| bad_body(&error.to_string(), "a name");
    let profile = asked.profile.as_deref().map(ProfileId::new).transpose().map_err(name)?;
    let zone = asked.zone.as_deref().map(ZoneId::new).transpose().map_err(name)?;
    let order = app.read(move |reads| reads.adoption(&device, profile.as_ref(), zone)).await?;
    carry_out(&app, idempotency_key, order.map_err(|why| refused(&why))?).await
}

/// Takes on the unknown device that has this code on its label.
#[utoipa::path(post, path = "/api/v1/unknown/claim", tag = "devices",
    params(("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order")),
    request_body(content = ClaimBody),
    responses((status = 200, body = Adopted), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn claim(
    State(app): State<App>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Adopted>, ApiError> {
    let idempotency_key = idempotency_key(&headers)?;
    let asked: ClaimBody = serde_json::from_slice(&body)
        .map_err(|error| bad_body("the body cannot be read", &format!("JSON object: {error}")))?;
    let name = |error: orderly_core::ids::NameError| bad_body(&error.to_string(), "a name");
    let claim = Claim {
        code: asked.code,
        device: asked.device.as_deref().map(DeviceId::new).transpose().map_err(name)?,
        profile: asked.profile.as_deref().map(ProfileId::new).transpose().map_err(name)?,
        zone: asked.zone.as_deref().map(ZoneId::new).transpose().map_err(name)?,
    };
    let order = app.read(move |reads| reads.claim(claim)).await?;
    let order = order.map_err(|no| match no.limited {
        true => {
            let hint = "a code is on the label of the device; GET /api/v1/unknown lists who has spoken";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", no.why, hint)
        }
        false => refused(&no.why),
    })?;
    carry_out(&app, idempotency_key, order).await
}

async fn carry_out(app: &App, idempotency_key: String, order: Order) -> Result<Json<Adopted>, ApiError> {
    let actor = ActorId::new("local-admin").map_err(|_| ApiError::internal())?;
    let happened_at = app.parts.clock.now().wall;
    let action = Action { actor, happened_at, idempotency_key, order };
    let answer = app.parts.orders.submit(action).await.map_err(|error| unanswered(&error))?;
    let done = answer.result.map_err(|why| refused(&why))?;
    serde_json::from_str(&done).map(Json).map_err(|_| ApiError::internal())
}

fn refused(why: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "refused", why, "GET /api/v1/unknown lists what can be taken on")
}
