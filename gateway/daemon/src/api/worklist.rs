//! `/api/v1/worklist`: what somebody has to do, whose it is, and how it ended.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use orderly_core::ids::{ActorId, Id, ListId};
use orderly_core::record::{Action, Order, Work};
use orderly_core::task as core;
use orderly_core::time::Timestamp;
use orderly_core::worklist::{before, figures};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::alerts::{bad_body, idempotency_key, parse_moment, unanswered};
use super::dto::{HandedOver, ListFigures, Lists, Moment, Task, TaskDetail, TaskStep, Tasks, Worked};
use super::error::{ApiError, ErrorBody};
use super::params::{InPath, Params};
use super::reads::TaskQuery;
use super::router::App;

/// Hours that the clocks of the hospital are ahead of UTC, for the beginning of its day.
const SHANGHAI: i8 = 8;
/// The most tasks that figures are made of.
const MOST: usize = 100_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Open,
    Unclaimed,
    Claimed,
    Done,
}

/// Tasks in the order in which they should be done: urgency, then overdue, then how far beyond. What is done: the last
/// first.
#[utoipa::path(get, path = "/api/v1/worklist", tag = "worklist",
    params(
        ("list" = Option<String>, Query, description = "only of this list"),
        ("owner" = Option<String>, Query, description = "only those that somebody has or had last"),
        ("state" = Option<String>, Query, description = "open (default), unclaimed, claimed or done"),
        ("from" = Option<String>, Query, description = "of those done: only since this moment; else since midnight"),
        ("limit" = Option<usize>, Query, description = "1 to 5000, default 1000"),
    ),
    responses((status = 200, body = Tasks), (status = 400, body = ErrorBody)))]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Result<Json<Tasks>, ApiError> {
    let params = params.only(&["list", "owner", "state", "from", "limit"])?;
    let words = [
        ("open", Which::Open),
        ("unclaimed", Which::Unclaimed),
        ("claimed", Which::Claimed),
        ("done", Which::Done),
    ];
    let which = params.word("state", &words)?.unwrap_or(Which::Open);
    let limit = params.limit(1_000, 5_000)?;
    let now = app.parts.clock.now().wall;
    let from = params.moment("from")?.unwrap_or_else(|| midnight(now));
    let done = which == Which::Done;
    let query = TaskQuery {
        list: params.id("list")?,
        owner: params.id("owner")?,
        ended_from: done.then_some(from),
        limit: if done { limit } else { MOST },
    };
    let mut tasks = app.read(move |reads| reads.tasks(&query)).await?;
    match which {
        Which::Unclaimed => tasks.retain(|task| task.state == core::State::Open),
        Which::Claimed => tasks.retain(|task| task.state == core::State::Claimed),
        Which::Open | Which::Done => {}
    }
    if !done {
        tasks.sort_by(|a, b| before(a, b, now));
        tasks.truncate(limit);
    }
    Ok(Json(Tasks { tasks: tasks.iter().map(Task::from).collect() }))
}

/// The figures of each list: open, overdue, done, times and outcomes.
#[utoipa::path(get, path = "/api/v1/worklist/figures", tag = "worklist",
    params(("from" = Option<String>, Query, description = "from when on ended tasks count; else since midnight")),
    responses((status = 200, body = Lists), (status = 400, body = ErrorBody)))]
pub(crate) async fn lists(State(app): State<App>, params: Params) -> Result<Json<Lists>, ApiError> {
    let params = params.only(&["from"])?;
    let now = app.parts.clock.now().wall;
    let from = params.moment("from")?.unwrap_or_else(|| midnight(now));
    let tasks = app
        .read(move |reads| {
            let mut all = reads.tasks(&TaskQuery { limit: MOST, ..TaskQuery::default() })?;
            let ended = TaskQuery { ended_from: Some(from), limit: MOST, ..TaskQuery::default() };
            all.extend(reads.tasks(&ended)?);
            Ok(all)
        })
        .await?;
    let mut by_list: BTreeMap<ListId, Vec<&core::Task>> = BTreeMap::new();
    for task in &tasks {
        by_list.entry(task.list.clone()).or_default().push(task);
    }
    let lists = by_list
        .into_iter()
        .map(|(list, tasks)| ListFigures::new(list.as_str(), &figures(tasks, from, now)))
        .collect();
    Ok(Json(Lists { lists, from: Moment(from), now: Moment(now) }))
}

/// One task and its steps.
#[utoipa::path(get, path = "/api/v1/worklist/{id}", tag = "worklist",
    params(("id" = String, Path, description = "name of the task")),
    responses((status = 200, body = TaskDetail), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn one(
    State(app): State<App>,
    InPath(id): InPath,
    params: Params,
) -> Result<Json<TaskDetail>, ApiError> {
    params.only(&[])?;
    let (task, steps) = find(&app, id).await?;
    Ok(Json(TaskDetail { task: Task::from(&task), steps: steps.iter().map(TaskStep::from).collect() }))
}

/// A task that a person puts on a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    /// The list.
    #[schema(example = "repair")]
    list: String,
    /// What it is about: the name of a device, or words.
    subject: String,
    /// What is to be done.
    text: String,
    /// P1 to P4; P3, if left out.
    #[serde(default)]
    severity: Option<String>,
    /// When the person did it, RFC 3339; now, if left out.
    #[serde(default)]
    happened_at: Option<String>,
}

/// Puts a task on a list, or one more reason on the open one of the same subject.
#[utoipa::path(post, path = "/api/v1/worklist", tag = "worklist",
    params(("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order")),
    request_body(content = Create),
    responses((status = 200, body = Worked), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 503, body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Worked>, ApiError> {
    let create: Create = parse(&body)?;
    let severities = ["P1", "P2", "P3", "P4"];
    let named = create.severity.as_deref().unwrap_or("P3");
    let Some(place) = (1_u8..).zip(severities).find(|(_, name)| *name == named) else {
        return Err(bad_body("`severity` is none", "P1 to P4"));
    };
    let list = id("list", &create.list)?;
    let order = Order::CreateTask { list, subject: create.subject, text: create.text, urgency: place.0 };
    let (seq, said) = submit(&app, &headers, create.happened_at.as_deref(), order).await?;
    let id = said["task"].as_str().ok_or_else(ApiError::internal)?.to_owned();
    worked(&app, seq, id).await
}

/// What comes with a step; which of it is needed depends on the step.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Details {
    /// For whom it is done, by an opaque reference; the actor, if left out.
    #[schema(example = "porter-7")]
    who: Option<String>,
    /// When the person did it, RFC 3339; now, if left out.
    happened_at: Option<String>,
    /// What is to be said with it.
    note: String,
    /// `hand_over`: to whom.
    to: Option<String>,
    /// `attempt`: when it is tried again.
    next_at: Option<String>,
    /// `snooze`: until when.
    until: Option<String>,
    /// `finish`: the outcome code.
    outcome: Option<String>,
    /// `finish`: who signs as the second.
    second: Option<String>,
}

/// Does something about a task: claim, release, hand_over, attempt, snooze, finish or reopen.
#[utoipa::path(post, path = "/api/v1/worklist/{id}/{step}", tag = "worklist",
    params(
        ("id" = String, Path, description = "name of the task"),
        ("step" = String, Path, description = "claim, release, hand_over, attempt, snooze, finish or reopen"),
        ("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order"),
    ),
    request_body(content = Option<Details>),
    responses((status = 200, body = Worked), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn step(
    State(app): State<App>,
    Path((task, step)): Path<(String, String)>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Worked>, ApiError> {
    let details: Details = if body.is_empty() { Details::default() } else { parse(&body)? };
    let who = details.who.as_deref().map(|who| id("who", who)).transpose()?;
    let happened_at = details.happened_at.clone();
    let work = work(&step, details)?;
    find(&app, task.clone()).await?;
    let order = Order::WorkTask { task: task.clone(), who, work };
    let (seq, _) = submit(&app, &headers, happened_at.as_deref(), order).await?;
    worked(&app, seq, task).await
}

/// The end of a shift.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Shift {
    /// Only the tasks of this list.
    list: Option<String>,
    /// Who has them; the actor, if left out.
    who: Option<String>,
    /// Who takes them; nobody yet, if left out.
    to: Option<String>,
    /// What the next one should know.
    note: String,
    /// When the person did it, RFC 3339; now, if left out.
    happened_at: Option<String>,
}

/// At the change of shift: gives all tasks that somebody has to the next one, or back to the list.
#[utoipa::path(post, path = "/api/v1/worklist/hand_over", tag = "worklist",
    params(("Idempotency-Key" = String, Header, description = "chosen by the client; the same twice is one order")),
    request_body(content = Shift),
    responses((status = 200, body = HandedOver), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 503, body = ErrorBody)))]
pub(crate) async fn hand_over(
    State(app): State<App>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<HandedOver>, ApiError> {
    let shift: Shift = parse(&body)?;
    let order = Order::HandOverTasks {
        list: shift.list.as_deref().map(|list| id("list", list)).transpose()?,
        who: shift.who.as_deref().map(|who| id("who", who)).transpose()?,
        to: shift.to.as_deref().map(|to| id("to", to)).transpose()?,
        note: shift.note,
    };
    let (seq, said) = submit(&app, &headers, shift.happened_at.as_deref(), order).await?;
    Ok(Json(HandedOver { seq, tasks: said["tasks"].as_u64().unwrap_or_default() }))
}

fn work(step: &str, details: Details) -> Result<Work, ApiError> {
    let note = details.note;
    let moment = |text: Option<&str>| text.map(parse_moment).transpose();
    Ok(match step {
        "claim" => Work::Claim,
        "release" => Work::Release { note },
        "hand_over" => {
            let Some(to) = details.to.as_deref() else {
                return Err(bad_body("`to` is needed to hand over", "who takes it, as \"porter-9\""));
            };
            Work::HandOver { to: id("to", to)?, note }
        }
        "attempt" => Work::Attempt { note, next_at: moment(details.next_at.as_deref())? },
        "snooze" => {
            let Some(until) = moment(details.until.as_deref())? else {
                return Err(bad_body("`until` is needed to put off", "RFC 3339 with offset"));
            };
            Work::Snooze { until, note }
        }
        "finish" => {
            let Some(outcome) = details.outcome else {
                return Err(bad_body("`outcome` is needed to finish", "one of the task's `outcomes`"));
            };
            let second = details.second.as_deref().map(|second| id("second", second)).transpose()?;
            Work::Finish { outcome, note, second }
        }
        "reopen" => Work::Reopen { note },
        other => {
            let hint = "claim, release, hand_over, attempt, snooze, finish or reopen";
            return Err(ApiError::not_found("step", other, hint));
        }
    })
}

async fn submit(
    app: &App,
    headers: &HeaderMap,
    happened_at: Option<&str>,
    order: Order,
) -> Result<(u64, serde_json::Value), ApiError> {
    let idempotency_key = idempotency_key(headers)?;
    let happened_at = match happened_at {
        Some(text) => parse_moment(text)?,
        None => app.parts.clock.now().wall,
    };
    let actor = ActorId::new("local-admin").map_err(|_| ApiError::internal())?;
    let action = Action { actor, happened_at, idempotency_key, order };
    let answer = app.parts.orders.submit(action).await.map_err(|error| unanswered(&error))?;
    let said = answer
        .result
        .map_err(|reason| ApiError::new(StatusCode::CONFLICT, "refused", reason, "read the task again"))?;
    let said = serde_json::from_str(&said).map_err(|_| ApiError::internal())?;
    Ok((answer.seq, said))
}

async fn worked(app: &App, seq: u64, id: String) -> Result<Json<Worked>, ApiError> {
    let (task, _) = find(app, id).await?;
    Ok(Json(Worked { seq, task: Task::from(&task) }))
}

async fn find(app: &App, id: String) -> Result<(core::Task, Vec<core::Step>), ApiError> {
    let name = id.clone();
    let found = app.read(move |reads| reads.task(&id)).await?;
    found.ok_or_else(|| ApiError::not_found("task", &name, "GET /api/v1/worklist lists them"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| bad_body("the body cannot be read", &format!("JSON object: {error}")))
}

fn id<K>(field: &str, text: &str) -> Result<Id<K>, ApiError> {
    Id::new(text).map_err(|error| bad_body(&format!("`{field}` is no name"), &error.to_string()))
}

/// When the hospital's day began.
fn midnight(now: Timestamp) -> Timestamp {
    const DAY_MS: i64 = 86_400_000;
    let ahead = i64::from(SHANGHAI) * 3_600_000;
    Timestamp((now.0 + ahead).div_euclid(DAY_MS) * DAY_MS - ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_of_the_hospital() {
        let at = |text: &str| parse_moment(text).map_err(|_| ()).expect("a time");
        let began = at("2026-11-21T00:00:00+08:00");
        assert_eq!(midnight(began), began);
        assert_eq!(midnight(at("2026-11-21T23:59:59+08:00")), began);
        assert_eq!(midnight(at("2026-11-20T23:59:59+08:00")), began.plus_ms(-86_400_000));
    }
}
