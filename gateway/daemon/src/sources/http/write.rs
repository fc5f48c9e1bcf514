//! `POST /api/v2/write`: line protocol as existing agents send it to InfluxDB 2, refused whole or kept whole.

use std::io::Read as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::read::MultiGzDecoder;
use orderly_core::codec::line::Precision;
use orderly_core::record::{Entry, Flags, Kind};
use serde::Deserialize;

use super::entrance::{Refusal, Visitor};
use super::{Doors, MAX_UNPACKED, lines};
use crate::sources::mqtt_door::Login;

/// What the request line says; bucket and organisation are taken and not used.
#[derive(Debug, Deserialize)]
pub(super) struct Params {
    precision: Option<String>,
}

/// An error as InfluxDB 2 words it: `{"code","message"}`.
struct No(StatusCode, &'static str, String);

impl No {
    fn invalid(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid", message.into())
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let body = Json(serde_json::json!({"code": code, "message": message}));
        match status {
            StatusCode::SERVICE_UNAVAILABLE => (status, [(header::RETRY_AFTER, "1")], body).into_response(),
            _ => (status, body).into_response(),
        }
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Nobody => Self(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the token is not valid; it is device:secret, made by `orderly device add`".to_owned(),
            ),
            Refusal::Forbidden(message) => Self(StatusCode::FORBIDDEN, "forbidden", message),
            Refusal::Later(message) => {
                Self(StatusCode::SERVICE_UNAVAILABLE, "unavailable", format!("{message}; nothing was kept"))
            }
        }
    }
}

/// Takes the lines of one request.
pub(super) async fn take(
    State(doors): State<Arc<Doors>>,
    Query(params): Query<Params>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match keep(doors, params, visitor, &headers, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(no) => no.into_response(),
    }
}

async fn keep(
    doors: Arc<Doors>,
    params: Params,
    visitor: Visitor,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), No> {
    let login = doors.admit(&visitor, None)?;
    let precision = params.precision.as_deref().unwrap_or("ns");
    let precision = Precision::parse(precision).map_err(No::invalid)?;
    let Ok(_place) = doors.writes.try_acquire() else {
        return Err(Refusal::Later("too many requests at once".to_owned()).into());
    };
    let body = body.map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => No::invalid(e.body_text()),
    })?;
    let packed = match headers.get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => false,
        Some(b"gzip") => true,
        Some(_) => return Err(No::invalid("Content-Encoding is neither gzip nor identity")),
    };
    let inner = Arc::clone(&doors);
    let own = match &login {
        Login::Device { device, .. } => Some(device.clone()),
        Login::Anonymous | Login::Refused => None,
    };
    // Unpacking and reading megabytes is not for the threads that answer everybody.
    let read = tokio::task::spawn_blocking(move || {
        let body = if packed { Bytes::from(unpack(&body)?) } else { body };
        let owner = own.as_ref().map(|device| (device.as_str(), &inner.deps.owner));
        lines::records(&body, precision, owner)
    });
    let read = read.await.map_err(|e| {
        tracing::error!(error = %e, "reading a write request failed");
        No(StatusCode::INTERNAL_SERVER_ERROR, "internal error", "the request could not be read".to_owned())
    })?;
    let records = read.map_err(|e| match e {
        lines::Unreadable::Syntax(message) => No::invalid(message),
        lines::Unreadable::Foreign(message) => No(StatusCode::FORBIDDEN, "forbidden", message),
        lines::Unreadable::TooLarge => too_large(),
    })?;
    let anonymous = if login == Login::Anonymous { Flags::ANONYMOUS } else { Flags::default() };
    let flags = anonymous.with(Flags::LINE_PROTOCOL);
    let entry = |body| {
        let kind = Kind::Envelope;
        Entry { kind, flags, source: "http", connection: 0, address: "/api/v2/write", body }
    };
    let entries: Vec<Entry<'_>> = records.iter().map(|record| entry(record.as_slice())).collect();
    doors.keep(&entries).await?;
    Ok(())
}

fn too_large() -> No {
    No(StatusCode::PAYLOAD_TOO_LARGE, "request too large", "send fewer lines at once".to_owned())
}

fn unpack(body: &[u8]) -> Result<Vec<u8>, lines::Unreadable> {
    let mut out = Vec::new();
    let mut unpacker = MultiGzDecoder::new(body).take(MAX_UNPACKED as u64 + 1);
    match unpacker.read_to_end(&mut out) {
        Ok(n) if n > MAX_UNPACKED => Err(lines::Unreadable::TooLarge),
        Ok(_) => Ok(out),
        Err(e) => Err(lines::Unreadable::Syntax(format!("the body is not gzip: {e}"))),
    }
}
