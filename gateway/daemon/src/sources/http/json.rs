//! `POST /ingest/v1/{site}/{class}/{device}/{stream}`: a reading as if it had been published on the own topic.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use orderly_core::record::{Entry, Flags, Kind};
use orderly_core::topic::{Leaf, Topic};
use serde::de::IgnoredAny;

use super::Doors;
use super::entrance::{Refusal, Visitor};
use crate::sources::mqtt_door::Login;

/// An answer that is not "kept": `{"error":{"code","message","hint"}}`.
pub(super) struct No {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let Self { status, code, message, hint } = self;
        let body = serde_json::json!({"error": {"code": code, "message": message, "hint": hint}});
        let mut response = (status, Json(body)).into_response();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Basic, Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Nobody => Self {
                status: StatusCode::UNAUTHORIZED,
                code: "unauthorized",
                message: "the credential is not valid".to_owned(),
                hint: "send Basic device:secret or Bearer secret; `orderly device add` makes one",
            },
            Refusal::Forbidden(message) => Self {
                status: StatusCode::FORBIDDEN,
                code: "forbidden",
                message,
                hint: "a device may only send its own readings",
            },
            Refusal::Later(message) => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "later",
                message,
                hint: "nothing was kept; send the same again after Retry-After",
            },
        }
    }
}

/// Takes one reading.
pub(super) async fn take(
    State(doors): State<Arc<Doors>>,
    Path(names): Path<[String; 4]>,
    visitor: Visitor,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match keep(&doors, &names, &visitor, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(no) => no.into_response(),
    }
}

async fn keep(
    doors: &Doors,
    [site, class, device, stream]: &[String; 4],
    visitor: &Visitor,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), No> {
    let topic = Topic { site, class, device, leaf: Leaf::Up(stream) }.to_string();
    let bad =
        |message: String, hint| No { status: StatusCode::BAD_REQUEST, code: "bad_request", message, hint };
    if let Err(error) = Topic::parse(&topic) {
        return Err(bad(error.to_string(), "names are 1 to 64 of A-Z a-z 0-9 . _ : -"));
    }
    let login = doors.admit(visitor, Some(device))?;
    let allowed = match &login {
        Login::Anonymous => doors.deps.site.as_str() == site,
        Login::Device { device: own, class: its } => {
            doors.deps.site.as_str() == site && own.as_str() == device && its.as_str() == class
        }
        Login::Refused => false,
    };
    if !allowed {
        return Err(Refusal::Forbidden(format!("{topic} is not a topic of this client")).into());
    }
    let Ok(_place) = doors.json.try_acquire() else {
        return Err(Refusal::Later("too many requests at once".to_owned()).into());
    };
    let body = body.map_err(|e| No {
        status: e.status(),
        code: "bad_body",
        message: e.body_text(),
        hint: "a reading has at most 256 KiB",
    })?;
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&body) {
        return Err(bad(
            format!("the body is not JSON: {error}"),
            "send one JSON document, as on the own topic",
        ));
    }
    let flags = if login == Login::Anonymous { Flags::ANONYMOUS } else { Flags::default() };
    let kind = Kind::Envelope;
    doors.keep(&[Entry { kind, flags, source: "http", connection: 0, address: &topic, body: &body }]).await?;
    Ok(())
}
