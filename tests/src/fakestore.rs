//! A time-series store made for tests: it speaks the write doors of InfluxDB 1 and 2, keeps an overwrite map,
//! counts every line, and does what its plan says.

mod flux;
mod line;
mod plan;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::patience::in_time;

pub use line::{Field, Fields, Line, PointKey, read_body};
pub(crate) use plan::draw;
pub use plan::{Chaos, Plan, Poison, Step};

/// What the store has seen and kept.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Every point by its key, with the fields of the last write.
    pub rows: BTreeMap<PointKey, Fields>,
    /// Write requests in order of arrival.
    pub requests: Vec<Request>,
    /// Lines received, kept or not.
    pub lines: u64,
    /// Lines kept whose key was new.
    pub fresh: u64,
    /// Lines kept that said again what the store held already.
    pub resent: u64,
    /// Lines kept that changed a field of a point the store held.
    pub changed: u64,
    /// Lines that could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
    /// Keys in the order in which they were first kept.
    pub order: Vec<PointKey>,
    /// Buckets that were created by request.
    pub buckets: Vec<String>,
    started_at: u64,
}

/// One write request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path, with a base path if there was one.
    pub path: String,
    /// Query parameters.
    pub query: BTreeMap<String, String>,
    /// The Authorization header.
    pub authorization: Option<String>,
    /// Whether the body was compressed.
    pub gzip: bool,
    /// How many lines it held.
    pub lines: usize,
    /// The step that answered it.
    pub step: Step,
    /// Its step is done: what was to be kept is kept.
    pub kept: bool,
    /// The status of the answer; 0: none was given.
    pub status: u16,
}

struct Shared {
    seen: Mutex<Seen>,
    plan: Mutex<Plan>,
    changed: watch::Sender<u64>,
    plan_changed: watch::Sender<u64>,
    expect_token: Mutex<Option<String>>,
    /// What a query is answered with, and the last one asked.
    query: Mutex<(String, String)>,
}

/// A running fake store; dropping it closes the port.
pub struct FakeStore {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl FakeStore {
    /// Starts on a free port of the loopback with a plan that keeps all.
    ///
    /// # Panics
    /// When no port can be opened.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            plan: Mutex::default(),
            changed: watch::Sender::new(0),
            plan_changed: watch::Sender::new(0),
            expect_token: Mutex::default(),
            query: Mutex::default(),
        });
        let doors = Router::new()
            .route("/api/v2/write", post(write))
            .route("/write", post(write))
            .route("/health", get(async || axum::Json(serde_json::json!({"name": "fake", "status": "pass"}))))
            .route("/metrics", get(metrics))
            .route(
                "/api/v2/orgs",
                get(async || axum::Json(serde_json::json!({"orgs": [{"id": "2", "name": "hospital"}]}))),
            )
            .route("/api/v2/query", post(query))
            .route("/api/v2/buckets", get(list_buckets).post(create_bucket));
        let router = doors.clone().nest("/base", doors).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the accept loop of axum does not end");
        });
        Self { address, shared, server }
    }

    /// Its URL without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does from now on; stalled requests go on under the new plan.
    pub fn plan(&self, plan: Plan) {
        *lock(&self.shared.plan) = plan;
        self.shared.plan_changed.send_modify(|n| *n += 1);
    }

    /// Answers 401 to every write that does not bring this token.
    pub fn expect_token(&self, token: &str) {
        *lock(&self.shared.expect_token) = Some(format!("Token {token}"));
    }

    /// A copy of all that it has seen.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.shared.seen).clone()
    }

    /// Asks something of what it has seen, without copying it.
    pub fn ask<T>(&self, question: impl FnOnce(&Seen) -> T) -> T {
        question(&lock(&self.shared.seen))
    }

    /// There is a bucket of this name.
    pub fn add_bucket(&self, name: &str) {
        lock(&self.shared.seen).buckets.push(name.to_owned());
    }

    /// Answers queries with this annotated CSV instead of what it has kept, from now on; gives the last query that was asked.
    pub fn answer_queries(&self, csv: &str) -> String {
        let mut query = lock(&self.shared.query);
        csv.clone_into(&mut query.0);
        query.1.clone()
    }

    /// Forgets what was kept from the `nth` request on, and starts its uptime anew: what a store without a
    /// write-ahead log does when it is killed.
    pub fn crash_and_restart(&self, kept: impl Fn(&PointKey) -> bool) {
        let mut seen = lock(&self.shared.seen);
        seen.rows.retain(|key, _| kept(key));
        seen.order.retain(kept);
        seen.started_at += 1;
        drop(seen);
        self.shared.changed.send_modify(|n| *n += 1);
    }

    /// Waits until what it has seen is as asked.
    ///
    /// # Panics
    /// When the store was dropped.
    pub async fn until(&self, mut reached: impl FnMut(&Seen) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let event = changed.wait_for(|_| reached(&lock(&self.shared.seen)));
        in_time("the fake store", event).await.expect("the store lives as long as its handle");
    }
}

impl Drop for FakeStore {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops the connection: axum's task for it ends without an answer, and without the words of a panic.
fn close() -> Response {
    std::panic::resume_unwind(Box::new("the plan says: close"))
}

async fn write(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
    matched: axum::extract::MatchedPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let gzip = text(header::CONTENT_ENCODING).as_deref() == Some("gzip");
    let unit = match query.get("precision").map(String::as_str) {
        Some("us" | "u") => 1_000,
        Some("ms") => 1_000_000,
        Some("s") => 1_000_000_000,
        _ => 1,
    };
    let lines = if gzip { unzip(&body) } else { String::from_utf8(body.into()).ok() }
        .map(|body| read_body(&body, unit));
    let Some(lines) = lines else { return refusal(400, None, "the body cannot be read") };
    let authorization = text(header::AUTHORIZATION);
    let known = lock(&shared.expect_token).as_ref().is_none_or(|token| authorization.as_ref() == Some(token));
    let mut plan = shared.plan_changed.subscribe();
    let mut step = if known { lock(&shared.plan).next() } else { Step::refuse(401) };
    let at = {
        let mut seen = lock(&shared.seen);
        seen.lines += lines.len() as u64;
        let path = matched.as_str().to_owned();
        let (lines, step) = (lines.len(), step.clone());
        seen.requests.push(Request { path, query, authorization, gzip, lines, step, kept: false, status: 0 });
        seen.requests.len() - 1
    };
    shared.changed.send_modify(|n| *n += 1);
    while step == Step::Stall {
        plan.changed().await.expect("the store lives");
        step = lock(&shared.plan).next();
    }
    if let Step::Slow(wait) = &step {
        tokio::time::sleep(*wait).await;
    }
    let (status, retry_after, why) = answer(&shared, &step, &lines);
    {
        let request = &mut lock(&shared.seen).requests[at];
        (request.status, request.kept) = (status, true);
    }
    shared.changed.send_modify(|n| *n += 1);
    if step == Step::KeepThenStall {
        std::future::pending::<()>().await;
    }
    if status == 0 { close() } else { refusal(status, retry_after, &why) }
}

/// Does the step: what is kept, and the answer (status 0: none).
fn answer(shared: &Shared, step: &Step, lines: &[Line]) -> (u16, Option<String>, String) {
    let said = |status| (status, None, format!("status {status} by plan"));
    match step {
        Step::Refuse { status, retry_after } => {
            (*status, retry_after.clone(), format!("status {status} by plan"))
        }
        Step::Close | Step::Stall => said(0),
        Step::AtMost(n) if lines.len() > *n => said(413),
        Step::AnswersAtMost(n) if lines.len() > *n => said(0),
        Step::KeepButSay(status) => {
            keep(shared, lines);
            said(*status)
        }
        Step::KeepThenClose | Step::KeepThenStall => {
            keep(shared, lines);
            said(0)
        }
        Step::Keep | Step::AtMost(_) | Step::AnswersAtMost(_) | Step::Slow(_) => match keep(shared, lines) {
            None => said(204),
            Some((status, why)) => (status, None, why),
        },
    }
}

/// Keeps the lines as the poison rule allows; an error when one was refused.
fn keep(shared: &Shared, lines: &[Line]) -> Option<(u16, String)> {
    let poison = lock(&shared.plan).poison.clone();
    let bad = |line: &Line| match (&line.point, &poison) {
        (Err(why), _) => Some(why.clone()),
        (Ok(_), Some(p)) if line.text.contains(&p.needle) => Some("field type conflict".to_owned()),
        (Ok(_), _) => None,
    };
    let first_bad = lines.iter().find_map(|line| bad(line).map(|why| format!("{why}: {}", line.text)));
    let (status, keep_rest) = poison.as_ref().map_or((400, false), |p| (p.status, p.keep_rest));
    let mut seen = lock(&shared.seen);
    let Seen { rows, fresh, resent, changed, order, unreadable, .. } = &mut *seen;
    for line in lines {
        match &line.point {
            Err(why) => unreadable.push((line.text.clone(), why.clone())),
            Ok(_) if first_bad.is_some() && (!keep_rest || bad(line).is_some()) => {}
            Ok((key, fields)) => match rows.get_mut(key) {
                Some(row) if fields.iter().all(|(name, value)| row.get(name) == Some(value)) => *resent += 1,
                Some(row) => {
                    row.extend(fields.clone());
                    *changed += 1;
                }
                None => {
                    rows.insert(key.clone(), fields.clone());
                    order.push(key.clone());
                    *fresh += 1;
                }
            },
        }
    }
    first_bad.map(|why| (status, why))
}

fn refusal(status: u16, retry_after: Option<String>, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == StatusCode::NO_CONTENT {
        return status.into_response();
    }
    let body = axum::Json(serde_json::json!({"code": "invalid", "message": message}));
    match retry_after {
        Some(wait) => (status, [(header::RETRY_AFTER, wait)], body).into_response(),
        None => (status, body).into_response(),
    }
}

fn unzip(body: &[u8]) -> Option<String> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut text).ok()?;
    Some(text)
}

async fn query(State(shared): State<Arc<Shared>>, body: axum::Json<serde_json::Value>) -> String {
    let mut query = lock(&shared.query);
    query.1 = body["query"].as_str().unwrap_or_default().to_owned();
    if query.0.is_empty() { flux::answer(&lock(&shared.seen), &query.1) } else { query.0.clone() }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> String {
    let started_at = lock(&shared.seen).started_at;
    format!("vm_app_start_timestamp {}\nvm_app_uptime_seconds {}\n", 1_700_000_000 + started_at, 1)
}

async fn list_buckets(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    if lock(&shared.expect_token).as_deref().is_some_and(|expected| Some(expected) != token) {
        return refusal(401, None, "unauthorized access");
    }
    let wanted = query.get("name");
    let buckets: Vec<_> = lock(&shared.seen)
        .buckets
        .iter()
        .filter(|name| wanted.is_none_or(|w| w == *name))
        .map(|name| serde_json::json!({"id": "1", "name": name, "orgID": "2", "retentionRules": []}))
        .collect();
    axum::Json(serde_json::json!({ "buckets": buckets })).into_response()
}

async fn create_bucket(State(shared): State<Arc<Shared>>, body: axum::Json<serde_json::Value>) -> Response {
    match body.get("name").and_then(|n| n.as_str()) {
        Some(name) => {
            lock(&shared.seen).buckets.push(name.to_owned());
            shared.changed.send_modify(|n| *n += 1);
            (StatusCode::CREATED, body).into_response()
        }
        None => refusal(400, None, "a bucket needs a name"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// One write by hand; an empty answer means that the store closed.
    async fn send(store: &FakeStore, body: &str) -> String {
        let mut link = tokio::net::TcpStream::connect(store.address()).await.unwrap();
        let head = format!(
            "POST /base/api/v2/write?precision=ms HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        link.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        drop(link.read_to_string(&mut answer).await);
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn keeps_counts_and_follows_its_plan() {
        let store = FakeStore::start().await;
        store.plan(Plan::script([Step::refuse(503), Step::KeepThenClose]));
        assert!(send(&store, "m f=1 1").await.contains("503"));
        assert_eq!(send(&store, "m f=1 1").await, "");
        assert!(send(&store, "m f=1 1\nm f=2 2").await.contains("204"));
        let seen = store.seen();
        assert_eq!((seen.lines, seen.fresh, seen.resent, seen.rows.len()), (4, 2, 1, 2));
        assert_eq!(seen.order[1].ns, 2_000_000);
        assert_eq!(seen.requests[1].status, 0);
        assert_eq!(seen.requests[2].path, "/base/api/v2/write");

        store.plan(Plan::poison("bad", 400, false));
        assert!(send(&store, "m f=3 3\nm bad=4 4").await.contains("400"));
        store.plan(Plan::poison("bad", 422, true));
        assert!(send(&store, "m f=3 3\nm bad=4 4").await.contains("422"));
        assert_eq!(store.ask(|seen| seen.rows.len()), 3);
    }

    #[tokio::test]
    async fn a_stalled_request_goes_on_under_the_next_plan() {
        let store = FakeStore::start().await;
        store.plan(Plan::always(Step::Stall));
        let stalled = send(&store, "m f=1 1");
        let release = async {
            store.until(|seen| seen.requests.len() == 1).await;
            assert_eq!(store.ask(|seen| seen.rows.len()), 0);
            store.plan(Plan::default());
        };
        let (answer, ()) = tokio::join!(stalled, release);
        assert!(answer.contains("204"), "{answer}");
    }
}
