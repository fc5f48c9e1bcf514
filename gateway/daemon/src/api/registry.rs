//! `/api/v1/zones`, `/bays`, `/items` and `/registry`: places and things, and the tables that they come from.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use orderly_core::ids::{ActorId, ClassId, ZoneId};
use orderly_core::inventory::{MAX_BYTES, Refused};
use orderly_core::record::{Action, Order};
use orderly_core::registry::{File, Form, Registry, Report, Row, SpotKind, Table, csv, plan, toml};

use super::alerts::{idempotency_key, unanswered};
use super::devices::full_page;
use super::dto::{Bay, Bays, Item, Items, RefusedLine, RegistryReport, Way, Zone, Zones};
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::router::App;

/// So many refused lines are told one by one; all are counted.
const TOLD: usize = 1_000;
/// All tables in one text.
const ALL: &str = "registry.toml";

/// The places with their names, and the ways between them.
#[utoipa::path(get, path = "/api/v1/zones", tag = "registry",
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 10000, default 10000"),
    ),
    responses((status = 200, body = Zones), (status = 400, body = ErrorBody)))]
pub(crate) async fn zones(State(app): State<App>, params: Params) -> Result<Json<Zones>, ApiError> {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.text("after").unwrap_or(""), params.limit(10_000, 10_000)?);
    let registry = app.parts.registry.now();
    let place = |row: &Row| match row {
        Row::Place(place) => Some(Zone::of(place, &registry)),
        _ => None,
    };
    let zones: Vec<Zone> = registry.after(Table::Place, after).filter_map(place).take(limit).collect();
    let way = |row: &Row| match row {
        Row::Way(way) => Some(Way::from(way)),
        _ => None,
    };
    let ways = if after.is_empty() { registry.of(Table::Way).filter_map(way).collect() } else { Vec::new() };
    let next = full_page(&zones, limit).map(|zone| zone.id.clone());
    Ok(Json(Zones { zones, ways, next }))
}

/// The parking bays.
#[utoipa::path(get, path = "/api/v1/bays", tag = "registry",
    params(
        ("zone" = Option<String>, Query, description = "only those in this place"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 10000, default 1000"),
    ),
    responses((status = 200, body = Bays), (status = 400, body = ErrorBody)))]
pub(crate) async fn bays(State(app): State<App>, params: Params) -> Result<Json<Bays>, ApiError> {
    let params = params.only(&["zone", "after", "limit"])?;
    let zone = params.id::<orderly_core::ids::Zone>("zone")?;
    let (after, limit) = (params.text("after").unwrap_or(""), params.limit(1_000, 10_000)?);
    let registry = app.parts.registry.now();
    let bay = |row: &Row| match row {
        Row::Spot(spot) if spot.kind == SpotKind::Bay && asked(zone.as_ref(), spot.zone.as_ref()) => {
            Some(Bay::from(spot))
        }
        _ => None,
    };
    let bays: Vec<Bay> = registry.after(Table::Spot, after).filter_map(bay).take(limit).collect();
    let next = full_page(&bays, limit).map(|bay| bay.id.clone());
    Ok(Json(Bays { bays, next }))
}

/// The things that move.
#[utoipa::path(get, path = "/api/v1/items", tag = "registry",
    params(
        ("class" = Option<String>, Query, description = "only this class"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 10000, default 1000"),
    ),
    responses((status = 200, body = Items), (status = 400, body = ErrorBody)))]
pub(crate) async fn items(State(app): State<App>, params: Params) -> Result<Json<Items>, ApiError> {
    let params = params.only(&["class", "after", "limit"])?;
    let class: Option<ClassId> = params.id("class")?;
    let (after, limit) = (params.text("after").unwrap_or(""), params.limit(1_000, 10_000)?);
    let registry = app.parts.registry.now();
    let item = |row: &Row| match row {
        Row::Item(item) if class.as_ref().is_none_or(|class| *class == item.class) => Some(Item::from(item)),
        _ => None,
    };
    let items: Vec<Item> = registry.after(Table::Item, after).filter_map(item).take(limit).collect();
    let next = full_page(&items, limit).map(|item| item.id.clone());
    Ok(Json(Items { items, next }))
}

fn asked(wanted: Option<&ZoneId>, zone: Option<&ZoneId>) -> bool {
    wanted.is_none() || wanted == zone
}

/// A table of the registry as a file, or all of it as one TOML text: what an import of it would change nothing of.
#[utoipa::path(get, path = "/api/v1/registry", tag = "registry",
    params(("file" = Option<String>, Query,
        description = "which table, as `bays.csv`; default `registry.toml`: all of them")),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 400, body = ErrorBody)))]
pub(crate) async fn export(State(app): State<App>, params: Params) -> Result<Response, ApiError> {
    let params = params.only(&["file"])?;
    let registry = app.parts.registry.now();
    let file = params.text("file").unwrap_or(ALL).to_owned();
    let (kind, text) = tokio::task::spawn_blocking(move || written(&registry, &file))
        .await
        .map_err(|_| ApiError::internal())??;
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

fn written(registry: &Registry, file: &str) -> Result<(&'static str, String), ApiError> {
    if file == ALL {
        return Ok(("application/toml; charset=utf-8", toml(registry)));
    }
    let form = Form::of_file(file).ok().filter(|form| file == format!("{}.csv", form.file));
    let form = form.ok_or_else(|| {
        let all: Vec<String> =
            orderly_core::registry::FORMS.iter().map(|form| format!("{}.csv", form.file)).collect();
        ApiError::parameter("file", "names no table", format!("one of: {ALL}, {}", all.join(", ")))
    })?;
    Ok(("text/csv; charset=utf-8", csv(registry, form)))
}

/// Enters the lines of a table into the registry. It adds and changes; lines that do not fit are told and hold up no
/// other.
#[utoipa::path(post, path = "/api/v1/registry", tag = "registry",
    params(
        ("file" = String, Query, description = "what the body is: `places.csv`, `bays.csv`, `registry.toml` ..."),
        ("dry_run" = Option<bool>, Query, description = "true: only say what would become of the lines"),
        ("Idempotency-Key" = String, Header, description = "chosen by the client; the same table twice changes nothing"),
    ),
    request_body(content = String, content_type = "text/csv", description = "the table; at most 32 MiB"),
    responses((status = 200, body = RegistryReport), (status = 400, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn enter(
    State(app): State<App>,
    params: Params,
    request: Request,
) -> Result<Json<RegistryReport>, ApiError> {
    let params = params.only(&["file", "dry_run"])?;
    let dry_run = params.word("dry_run", &[("true", true), ("false", false)])?.unwrap_or(false);
    let missing = || ApiError::parameter("file", "is missing", "say what the body is, as bays.csv");
    let name = params.text("file").ok_or_else(missing)?.to_owned();
    let key = idempotency_key(request.headers())?;
    // One at a time: a table is held in memory while its lines are entered.
    let _one = app.imports.try_acquire().map_err(|_| ApiError::busy())?;
    let bytes = axum::body::to_bytes(request.into_body(), MAX_BYTES).await.map_err(|_| {
        let hint = "split the table; each part begins with the line of column names";
        let message = format!("the body did not come whole, or is longer than {MAX_BYTES} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, hint)
    })?;
    let registry = app.parts.registry.now();
    let planned =
        tokio::task::spawn_blocking(move || plan(&registry, &[File { name: &name, bytes: &bytes }], false));
    let planned = planned.await.map_err(|_| ApiError::internal())?;
    let mut report = planned.report.clone();
    if !dry_run {
        let (orders, told) = planned.orders();
        report = told;
        for (part, changes) in orders.into_iter().enumerate() {
            let action = Action {
                actor: ActorId::new("local-admin").map_err(|_| ApiError::internal())?,
                happened_at: app.parts.clock.now().wall,
                idempotency_key: format!("{key}-{part}"),
                order: Order::ChangeRegistry { changes },
            };
            let answer = app.parts.orders.submit(action).await.map_err(|error| unanswered(&error))?;
            let said = answer.result.map_err(|why| {
                ApiError::new(StatusCode::CONFLICT, "refused", why, "send the table again: what stands stays")
            })?;
            report.add(serde_json::from_str(&said).map_err(|_| ApiError::internal())?);
        }
    }
    Ok(Json(shown(report, dry_run)))
}

fn shown(report: Report, dry_run: bool) -> RegistryReport {
    let problem =
        |Refused { line, column, message, hint }: Refused| RefusedLine { line, column, message, hint };
    RegistryReport {
        dry_run,
        created: report.created,
        changed: report.changed,
        unchanged: report.unchanged,
        refused: report.refused.len() as u64,
        problems: report.refused.into_iter().take(TOLD).map(|line| problem(line.refused)).collect(),
    }
}
