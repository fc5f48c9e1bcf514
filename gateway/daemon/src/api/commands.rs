//! `/api/v1/devices/{id}/commands`: what a device can be told, what it was told, and what became of it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use orderly_core::ids::{ActorId, DeviceId};
use orderly_core::record::{Action, Order};
use serde::Deserialize;
use utoipa::ToSchema;

use super::alerts::{bad_body, idempotency_key, parse_moment, unanswered};
use super::devices::{device_id, find};
use super::dto::{Command, Commands, Possible};
use super::error::{ApiError, ErrorBody};
use super::params::{InPath, Params};
use super::router::App;

/// How long after an order its row is looked for; it was committed before the answer came.
const MOST: usize = 200;

/// What a device can be told to do, and what it was told, the newest first.
#[utoipa::path(get, path = "/api/v1/devices/{id}/commands", tag = "commands",
    params(
        ("id" = String, Path, description = "name of the device"),
        ("limit" = Option<usize>, Query, description = "1 to 200, default 20"),
    ),
    responses((status = 200, body = Commands), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    InPath(id): InPath,
    params: Params,
) -> Result<Json<Commands>, ApiError> {
    let params = params.only(&["limit"])?;
    let limit = params.limit(20, MOST)?;
    let device = device_id(&id)?;
    let view = find(&app, device.clone()).await?;
    let commands = app.read(move |reads| reads.commands(&device, limit)).await?;
    let in_force = app.parts.profiles.now();
    let profile = in_force.profiles.iter().find(|profile| *profile.id() == view.row.profile);
    let possible = profile.into_iter().flat_map(|profile| profile.commands()).map(|command| {
        let (device, class) = (view.row.device.as_str(), view.row.class.as_str());
        let allowed = !view.row.revoked && app.parts.orders.allows(device, class, &command.id);
        Possible::new(command, allowed)
    });
    Ok(Json(Commands {
        possible: possible.collect(),
        commands: commands.iter().map(Command::from).collect(),
    }))
}

/// One command.
#[utoipa::path(get, path = "/api/v1/devices/{id}/commands/{command}", tag = "commands",
    params(
        ("id" = String, Path, description = "name of the device"),
        ("command" = String, Path, description = "id of the command"),
    ),
    responses((status = 200, body = Command), (status = 404, body = ErrorBody)))]
pub(crate) async fn one(
    State(app): State<App>,
    Path((id, command)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Command>, ApiError> {
    params.only(&[])?;
    let device = device_id(&id)?;
    the(&app, &device, command).await.map(Json)
}

/// A person's order to a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ordered {
    /// Which command of the device's profile.
    #[schema(example = "unlock")]
    command: String,
    /// What must be said with it, where it asks for something.
    #[serde(default)]
    value: Option<String>,
    /// Why, in the person's words.
    #[serde(default)]
    reason: String,
    /// When the person ordered it, RFC 3339; now, if left out.
    #[serde(default)]
    happened_at: Option<String>,
}

/// Tells a device to do something. 202: it was decided; the state says what, and GET what became of it.
#[utoipa::path(post, path = "/api/v1/devices/{id}/commands", tag = "commands",
    params(
        ("id" = String, Path, description = "name of the device"),
        ("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order"),
    ),
    request_body(content = Ordered),
    responses((status = 202, body = Command), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn order(
    State(app): State<App>,
    InPath(id): InPath,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<(StatusCode, Json<Command>), ApiError> {
    let ordered: Ordered = serde_json::from_slice(&body)
        .map_err(|error| bad_body("the body cannot be read", &format!("JSON object: {error}")))?;
    let idempotency_key = idempotency_key(&headers)?;
    let device = device_id(&id)?;
    find(&app, device.clone()).await?;
    let happened_at = match &ordered.happened_at {
        Some(text) => parse_moment(text)?,
        None => app.parts.clock.now().wall,
    };
    let order = Order::CommandDevice {
        device: device.clone(),
        command: ordered.command,
        value: ordered.value,
        reason: ordered.reason,
        // The desk adds both: what a client says about its own right counts nothing.
        grant: None,
        nonce: String::new(),
    };
    let actor = ActorId::new("local-admin").map_err(|_| ApiError::internal())?;
    let action = Action { actor, happened_at, idempotency_key, order };
    let answer = app.parts.orders.submit(action).await.map_err(|error| unanswered(&error))?;
    let said = answer.result.map_err(|reason| {
        let hint = "GET on the same address lists what the device can be told";
        ApiError::new(StatusCode::CONFLICT, "refused", reason, hint)
    })?;
    let said: serde_json::Value = serde_json::from_str(&said).map_err(|_| ApiError::internal())?;
    let id = said["id"].as_str().ok_or_else(ApiError::internal)?.to_owned();
    Ok((StatusCode::ACCEPTED, Json(the(&app, &device, id).await?)))
}

async fn the(app: &App, device: &DeviceId, id: String) -> Result<Command, ApiError> {
    let name = id.clone();
    let found = app.read(move |reads| reads.command(&id)).await?;
    let found = found.filter(|command| command.device == *device);
    let hint = "GET /api/v1/devices/{id}/commands lists them";
    found.map(|command| Command::from(&command)).ok_or_else(|| ApiError::not_found("command", &name, hint))
}
