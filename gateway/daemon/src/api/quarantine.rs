//! `/api/v1/quarantine`: inputs that could not be read, each with its reason.

use axum::Json;
use axum::extract::State;
use orderly_core::refusal::KINDS;

use super::devices::full_page;
use super::dto::{Quarantine, QuarantineItem};
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::reads::QuarantineQuery;
use super::router::App;

/// Inputs that could not be read, the newest first.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "gateway",
    params(
        ("code" = Option<String>, Query, description = "only this reason"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 1000, default 100"),
    ),
    responses((status = 200, body = Quarantine), (status = 400, body = ErrorBody)))]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Result<Json<Quarantine>, ApiError> {
    let params = params.only(&["code", "after", "limit"])?;
    let query = QuarantineQuery {
        code: params.word("code", &kinds())?.map(str::to_owned),
        before: params.text("after").map(parse_place).transpose()?,
        limit: params.limit(100, 1_000)?,
    };
    let limit = query.limit;
    let (items, total) = app.read(move |reads| reads.quarantine(&query)).await?;
    let next = full_page(&items, limit).map(|last| format!("{}.{}", last.seq, last.index));
    Ok(Json(Quarantine { items: items.iter().map(QuarantineItem::from).collect(), total, next }))
}

fn kinds() -> [(&'static str, &'static str); KINDS.len()] {
    KINDS.map(|kind| (kind, kind))
}

fn parse_place(text: &str) -> Result<(u64, u16), ApiError> {
    text.split_once('.')
        .and_then(|(seq, index)| Some((seq.parse().ok()?, index.parse().ok()?)))
        .ok_or_else(|| ApiError::parameter("after", "is not a place in the list", "take it from `next`"))
}
