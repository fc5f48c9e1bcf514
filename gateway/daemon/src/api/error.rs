//! One shape for everything that goes wrong: `{"error":{"code","message","hint"}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use orderly_core::refusal;
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::Why;
use super::reads::ReadError;

/// An answer that is not what was asked for; never holds a path, a stack or an internal text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
}

/// How an error looks on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorText,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ErrorText {
    /// Stable code for programs.
    #[schema(example = "bad_parameter")]
    code: String,
    /// What went wrong, for people.
    message: String,
    /// What would be right.
    hint: String,
    /// What went wrong in any language, where the gateway refused what a person asked for and the sentence is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Why>,
}

impl ApiError {
    /// An error with its stable code, what went wrong and what would be right.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, code, message: message.into(), hint: hint.into() }
    }

    /// A query parameter that cannot be used.
    pub(crate) fn parameter(name: &str, wrong: &str, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", format!("parameter `{name}` {wrong}"), hint)
    }

    /// Something that does not exist; `id` is what was asked for, where it was a name.
    pub(crate) fn not_found(what: &str, id: &str, hint: &str) -> Self {
        let shown: String = id.chars().filter(|c| !c.is_control()).take(80).collect();
        let message = match shown.as_str() {
            "" => format!("there is no such {what}"),
            id => format!("`id`: there is no {what} `{id}`"),
        };
        Self::new(StatusCode::NOT_FOUND, "not_found", message, hint)
    }

    /// Too much is asked at once.
    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many requests are being answered",
            "try again in a second; ask for less at once (`limit`, `from`, `to`)",
        )
    }

    /// Something failed on this side; the log has the details.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the gateway could not read its store",
            "see the gateway's log and /health/ready",
        )
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        tracing::error!(error = %error, "a request could not be answered");
        Self::internal()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let why = refusal::read(&self.message).map(Why::from).filter(|_| self.status.is_client_error());
        let text = ErrorText { code: self.code.to_owned(), message: self.message, hint: self.hint, why };
        (self.status, Json(ErrorBody { error: text })).into_response()
    }
}
