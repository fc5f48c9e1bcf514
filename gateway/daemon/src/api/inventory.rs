//! `/api/v1/inventory`: the hospital's own list of devices, entered line by line.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use orderly_core::ids::ActorId;
use orderly_core::inventory::{Entered, Listed, MAX_BYTES, TOGETHER, Table};
use orderly_core::record::{Action, Order};

use super::alerts::{idempotency_key, unanswered};
use super::dto::{Imported, RefusedLine};
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::router::App;

/// So many refused lines are told one by one; all are counted.
const TOLD: usize = 1_000;

/// Enters the lines of a CSV table into the register. Lines that do not fit are told and hold up no other.
#[utoipa::path(post, path = "/api/v1/inventory", tag = "devices",
    params(
        ("dry_run" = Option<bool>, Query, description = "true: only say what would become of the lines"),
        ("Idempotency-Key" = String, Header, description = "chosen by the client; the same table twice changes nothing"),
    ),
    request_body(content = String, content_type = "text/csv",
        description = "first line: device,class,profile,zone,firmware,commissioned_at, those that are needed; at most 32 MiB"),
    responses((status = 200, body = Imported), (status = 400, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 503, body = ErrorBody)))]
pub(crate) async fn enter(
    State(app): State<App>,
    params: Params,
    request: Request,
) -> Result<Json<Imported>, ApiError> {
    let params = params.only(&["dry_run"])?;
    let dry_run = params.word("dry_run", &[("true", true), ("false", false)])?.unwrap_or(false);
    let key = idempotency_key(request.headers())?;
    // One at a time: a table is held in memory while its lines are entered.
    let _one = app.imports.try_acquire().map_err(|_| ApiError::busy())?;
    let file = axum::body::to_bytes(request.into_body(), MAX_BYTES).await.map_err(|_| {
        let hint = "split the table; each part begins with the line of column names";
        let message = format!("the body did not come whole, or is longer than {MAX_BYTES} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, hint)
    })?;
    let mut table = Table::open(&file).map_err(|refused| {
        let hint = refused.hint.clone();
        let message = orderly_core::inventory::Refused { hint: String::new(), ..refused }.to_string();
        ApiError::new(StatusCode::BAD_REQUEST, "bad_table", message, hint)
    })?;
    let (mut entered, mut count) = (Entered::default(), 0);
    for part in 0_usize.. {
        let (mut lines, mut read): (Vec<Listed>, usize) = (Vec::new(), 0);
        let mut some = Entered::default();
        for line in table.by_ref().take(TOGETHER) {
            read += 1;
            match line {
                Ok(listed) => lines.push(listed),
                Err(refused) => some.refused.push(refused),
            }
        }
        if !lines.is_empty() {
            let action = Action {
                actor: ActorId::new("local-admin").map_err(|_| ApiError::internal())?,
                happened_at: app.parts.clock.now().wall,
                idempotency_key: format!("{key}-{part}"),
                order: Order::ImportDevices { lines, dry_run },
            };
            let answer = app.parts.orders.submit(action).await.map_err(|error| unanswered(&error))?;
            let said = answer.result.map_err(|why| {
                ApiError::new(StatusCode::CONFLICT, "refused", why, "send the table again: what stands stays")
            })?;
            some.add(serde_json::from_str(&said).map_err(|_| ApiError::internal())?);
        }
        some.refused.sort_by_key(|refused| refused.line);
        count += some.refused.len();
        some.refused.truncate(TOLD.saturating_sub(entered.refused.len()));
        entered.add(some);
        if read < TOGETHER {
            break;
        }
    }
    let told = entered.refused.iter().map(|refused| RefusedLine {
        line: refused.line,
        column: table.called(&refused.column),
        message: refused.message.clone(),
        hint: refused.hint.clone(),
    });
    Ok(Json(Imported {
        dry_run,
        created: entered.created,
        changed: entered.changed,
        unchanged: entered.unchanged,
        refused: count as u64,
        problems: told.collect(),
    }))
}
