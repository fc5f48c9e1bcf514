//! `/api/v1/devices/{id}/readings`: what a device measured.

use axum::Json;
use axum::extract::State;
use orderly_core::reading::Origin;
use orderly_core::time::Timestamp;

use super::devices::{device_id, find, full_page};
use super::dto::{Bucket, Reading, Readings};
use super::error::{ApiError, ErrorBody};
use super::older;
use super::params::{InPath, Params};
use super::reads::{DeviceView, ReadingQuery};
use super::router::App;

/// How many buckets one answer may hold.
const MOST_BUCKETS: i64 = 20_000;
/// The end of time for a query without `to`: 9999-12-31.
const NEVER: Timestamp = Timestamp(253_402_214_400_000);

/// Readings of one device: newest first, or gathered by spans of time with `every`.
#[utoipa::path(get, path = "/api/v1/devices/{id}/readings", tag = "devices",
    params(
        ("id" = String, Path, description = "name of the device"),
        ("from" = Option<String>, Query, description = "taken at this moment or later, RFC 3339"),
        ("to" = Option<String>, Query, description = "taken before this moment, RFC 3339"),
        ("every" = Option<String>, Query, description = "gather numbers by spans: 30s, 5m, 1h, 1d; needs `from`"),
        ("metric" = Option<String>, Query, description = "only these metrics, separated by commas"),
        ("stream" = Option<String>, Query, description = "only this stream"),
        ("order" = Option<String>, Query, description = "`desc` (default) or `asc`"),
        ("include" = Option<String>, Query, description = "`superseded`: also readings that a correction has replaced, marked so; never in spans"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 10000, default 500"),
    ),
    responses((status = 200, body = Readings), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    InPath(id): InPath,
    params: Params,
) -> Result<Json<Readings>, ApiError> {
    let params =
        params.only(&["from", "to", "every", "metric", "stream", "order", "include", "after", "limit"])?;
    let from = params.moment("from")?;
    let to = params.moment("to")?;
    if from.is_some_and(|from| to.is_some_and(|to| to < from)) {
        return Err(ApiError::parameter("to", "lies before `from`", "`from` is the earlier moment"));
    }
    let query = ReadingQuery {
        device: device_id(&id)?,
        stream: params.id("stream")?,
        metrics: params.ids("metric", 32)?,
        from: from.unwrap_or(Timestamp(0)),
        to: to.unwrap_or(NEVER),
        after: params.text("after").map(parse_place).transpose()?,
        newest_first: params.word("order", &[("desc", true), ("asc", false)])?.unwrap_or(true),
        limit: params.limit(500, 10_000)?,
        superseded: params.word("include", &[("superseded", true)])?.unwrap_or(false),
    };
    let device = find(&app, query.device.clone()).await?;
    match params.span("every")? {
        Some(every_ms) => buckets(&app, query, from, to, every_ms).await,
        None => page(&app, query, from.is_some().then_some(device)).await,
    }
}

/// A page of the local history; with `device` also what a store outside has from before it.
async fn page(
    app: &App,
    query: ReadingQuery,
    device: Option<DeviceView>,
) -> Result<Json<Readings>, ApiError> {
    let limit = query.limit;
    let local = query.clone();
    let readings = app.read(move |reads| reads.readings(&local)).await?;
    let next = full_page(&readings, limit).map(|last| place(last.taken_at, last.origin));
    let older = match device {
        Some(device) => older::of_page(app, &device, &query, &readings).await,
        None => None,
    };
    let readings = readings.iter().map(Reading::from).collect();
    Ok(Json(Readings { readings, buckets: None, next, older }))
}

async fn buckets(
    app: &App,
    query: ReadingQuery,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    every_ms: i64,
) -> Result<Json<Readings>, ApiError> {
    let Some(from) = from else {
        return Err(ApiError::parameter("from", "is missing", "`every` needs to know where to begin"));
    };
    let to = to.unwrap_or_else(|| app.parts.clock.now().wall);
    let spans = to.since(from).max(0) / every_ms;
    if spans > MOST_BUCKETS {
        return Err(ApiError::parameter(
            "every",
            "is too short for the time asked",
            format!("at most {MOST_BUCKETS} spans; make it longer or bring `from` and `to` together"),
        ));
    }
    let query = ReadingQuery { from, to, limit: usize::try_from(MOST_BUCKETS).unwrap_or(0), ..query };
    let buckets = app.read(move |reads| reads.buckets(&query, every_ms)).await?;
    let buckets = buckets.iter().map(Bucket::from).collect();
    Ok(Json(Readings { readings: Vec::new(), buckets: Some(buckets), next: None, older: None }))
}

fn place(taken_at: Timestamp, origin: Origin) -> String {
    format!("{}.{}.{}", taken_at.0, origin.seq, origin.index)
}

fn parse_place(text: &str) -> Result<(Timestamp, Origin), ApiError> {
    let mut parts = text.splitn(3, '.');
    let mut part = || parts.next().unwrap_or_default();
    match (part().parse(), part().parse(), part().parse()) {
        (Ok(ms), Ok(seq), Ok(index)) => Ok((Timestamp(ms), Origin { seq, index })),
        _ => Err(ApiError::parameter(
            "after",
            "is not a place in the list",
            "take it from `next` of the page before",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_way_out_and_back() {
        let origin = Origin { seq: u64::MAX, index: 7 };
        let text = place(Timestamp(-5), origin);
        assert_eq!(parse_place(&text), Ok((Timestamp(-5), origin)));
        for wrong in ["", "1", "1.2", "1.2.x", "1.2.3.4", "a.b.c"] {
            assert!(parse_place(wrong).is_err(), "{wrong:?}");
        }
    }
}
