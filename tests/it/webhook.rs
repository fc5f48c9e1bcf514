//! The webhook notifier: at least once, always with the same id, and what could not be sent is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures_util::future::BoxFuture;
use orderly::config::{Credentials, Span};
use orderly::delivery::Delivery;
use orderly::notify::Outbox;
use orderly::notify::webhook::{self, NotifyStatus, WebhookConfig, sign};
use orderly_core::time::{Clock, Now, Timestamp};
use orderly_store::state::{DeliveryChange, DueNotice};
use orderly_tests::patience::in_time;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const T: i64 = 1_795_000_000_000;

/// A notice in the outbox: what is left of the real table.
#[derive(Debug, Clone)]
struct Row {
    due: DueNotice,
    next_at: Timestamp,
    state: &'static str,
    error: String,
}

/// Outbox and clock in one: time goes on by a little whenever somebody looks.
struct Memory {
    rows: Mutex<BTreeMap<String, Row>>,
    now: Mutex<i64>,
    step: i64,
    news: watch::Sender<u64>,
    fail: Mutex<u32>,
}

impl Memory {
    fn new(step: i64) -> Arc<Self> {
        let (rows, now) = (Mutex::default(), Mutex::new(0));
        Arc::new(Self { rows, now, step, news: watch::Sender::new(0), fail: Mutex::new(0) })
    }

    fn add(&self, id: &str) {
        let body = format!("{{\"text\":\"notice {id}\"}}");
        let due =
            DueNotice { id: id.to_owned(), decided_at: Timestamp(T), body, tries: 0, taken: Vec::new() };
        let row = Row { due, next_at: Timestamp(0), state: "waiting", error: String::new() };
        self.rows.lock().unwrap().insert(id.to_owned(), row);
    }

    fn states(&self) -> BTreeSet<&'static str> {
        self.rows.lock().unwrap().values().map(|r| r.state).collect()
    }

    async fn until_over(&self) {
        let mut news = self.news.subscribe();
        in_time("the notices", news.wait_for(|_| !self.states().contains("waiting"))).await.unwrap();
    }
}

impl Clock for Memory {
    fn now(&self) -> Now {
        let mut now = self.now.lock().unwrap();
        *now += self.step;
        Now { wall: Timestamp(T + *now), steady_ms: now.unsigned_abs(), boot: 1 }
    }
}

impl Outbox for Memory {
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueNotice>, String> {
        let rows = self.rows.lock().unwrap();
        let due = rows.values().filter(|r| r.state == "waiting" && r.next_at <= now);
        Ok(due.take(limit).map(|r| r.due.clone()).collect())
    }

    fn next(&self) -> Result<Option<Timestamp>, String> {
        let rows = self.rows.lock().unwrap();
        Ok(rows.values().filter(|r| r.state == "waiting").map(|r| r.next_at).min())
    }
}

impl Delivery for Memory {
    fn deliver(&self, change: DeliveryChange) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let mut fail = self.fail.lock().unwrap();
            if *fail > 0 {
                *fail -= 1;
                return Err("the state store is away".to_owned());
            }
            let mut rows = self.rows.lock().unwrap();
            if let DeliveryChange::NoticeTaken { id, receiver } = change {
                rows.get_mut(&id).unwrap().due.taken.push(receiver);
                drop(rows);
                self.news.send_modify(|n| *n += 1);
                return Ok(());
            }
            let mut set = |id: &str, state, at: Timestamp, error: String| {
                let row = rows.get_mut(id).unwrap();
                assert_eq!(row.state, "waiting", "{id} was over already");
                (row.state, row.next_at, row.error) = (state, at, error);
                row.due.tries += 1;
            };
            match change {
                DeliveryChange::NoticeAttempted { id, next_at, error } => set(&id, "waiting", next_at, error),
                DeliveryChange::NoticeDelivered { id } => set(&id, "delivered", Timestamp(0), String::new()),
                DeliveryChange::NoticeDead { id, error } => set(&id, "dead", Timestamp(0), error),
                other => panic!("a notifier says {other:?}"),
            }
            drop(rows);
            self.news.send_modify(|n| *n += 1);
            Ok(())
        })
    }
}

/// A receiver that answers with the statuses of its script, then 204, and keeps what came.
#[derive(Default)]
struct Receiver {
    script: Mutex<Vec<u16>>,
    came: Mutex<Vec<(HeaderMap, Bytes)>>,
}

async fn receiver(script: &[u16]) -> (Arc<Receiver>, WebhookConfig) {
    let receiver = Arc::new(Receiver { script: Mutex::new(script.to_vec()), ..Receiver::default() });
    let take = async |State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes| {
        receiver.came.lock().unwrap().push((headers, body));
        let mut script = receiver.script.lock().unwrap();
        let status = if script.is_empty() { 204 } else { script.remove(0) };
        let location = [("location", "http://127.0.0.1:1/elsewhere")];
        (StatusCode::from_u16(status).unwrap(), location)
    };
    let router = Router::new().fallback(take).with_state(Arc::clone(&receiver));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notices", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = WebhookConfig {
        url,
        retry_least: Span::ms(1),
        retry_most: Span::ms(5),
        breaker_pause: Span::ms(3),
        ..WebhookConfig::default()
    };
    (receiver, config)
}

/// A running notifier.
struct Running {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    status: watch::Sender<NotifyStatus>,
    /// The notifier ends when the news of commits does.
    _head: watch::Sender<u64>,
}

fn start(memory: &Arc<Memory>, configs: Vec<WebhookConfig>) -> Running {
    let status = watch::Sender::new(NotifyStatus::default());
    let head = watch::Sender::new(0);
    let deps = webhook::Deps {
        outbox: Arc::clone(memory) as Arc<dyn Outbox>,
        delivery: Arc::clone(memory) as Arc<dyn Delivery>,
        clock: Arc::clone(memory) as Arc<dyn Clock>,
        head: head.subscribe(),
        status: status.clone(),
        credentials: Credentials::default(),
    };
    let stop = CancellationToken::new();
    let ends = stop.clone();
    let task = tokio::spawn(async move { webhook::run(&configs, deps, ends).await.unwrap() });
    Running { stop, task, status, _head: head }
}

/// Runs the notifier over these receivers until every notice is delivered or given up.
async fn run(memory: &Arc<Memory>, configs: Vec<WebhookConfig>) -> NotifyStatus {
    let running = start(memory, configs);
    memory.until_over().await;
    running.stop.cancel();
    running.task.await.unwrap();
    running.status.borrow().clone()
}

fn keys(receiver: &Receiver) -> Vec<String> {
    let came = receiver.came.lock().unwrap();
    came.iter().map(|(headers, _)| headers["idempotency-key"].to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn is_sent_again_with_the_same_key_until_it_is_taken() {
    let memory = Memory::new(1);
    memory.add("n-1");
    let (receiver, config) = receiver(&[500, 302, 404, 429, 503]).await;
    let status = run(&memory, vec![config]).await;
    assert_eq!(keys(&receiver), ["n-1"; 6], "a redirect is not followed and nothing is given up");
    assert_eq!((status.delivered, status.failed, status.dead), (1, 5, 0));
    let came = receiver.came.lock().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&came[5].1).unwrap();
    assert_eq!(body["notice"]["text"], "notice n-1");
    assert_eq!((body["id"].as_str(), body["attempt"].as_u64()), (Some("n-1"), Some(6)));
    assert_eq!(body["decided_at"], "2026-11-18T11:06:40.000Z");
    assert_eq!(came[0].0["content-type"], "application/json");
}

#[tokio::test]
async fn signs_and_names_itself_when_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sign"), "shared secret\n").unwrap();
    std::fs::write(dir.path().join("token"), "t0ken\n").unwrap();
    let memory = Memory::new(1);
    memory.add("n-1");
    let (receiver, mut config) = receiver(&[]).await;
    config.sign_file = Some(dir.path().join("sign"));
    config.token_file = Some(dir.path().join("token"));
    run(&memory, vec![config]).await;
    let came = receiver.came.lock().unwrap();
    let (headers, body) = &came[0];
    assert_eq!(headers["authorization"], "Bearer t0ken");
    let time = headers["orderly-time"].to_str().unwrap();
    assert_eq!(headers["orderly-signature"], sign(b"shared secret", time, body));
}

#[tokio::test]
async fn what_is_too_old_is_a_dead_letter_with_its_reason() {
    let memory = Memory::new(60_000);
    memory.add("n-1");
    memory.add("n-2");
    let (_receiver, config) = receiver(&[500; 200]).await;
    let status = run(&memory, vec![WebhookConfig { max_age: Span::seconds(600), ..config }]).await;
    assert_eq!(memory.states(), BTreeSet::from(["dead"]));
    assert_eq!(status.dead, 2);
    let rows = memory.rows.lock().unwrap();
    assert!(rows["n-1"].error.contains("webhook: it answers 500"), "{}", rows["n-1"].error);
}

#[tokio::test]
async fn a_dead_receiver_is_tried_now_and_then_and_gets_everything_when_it_is_back() {
    let memory = Memory::new(1);
    for n in 0..100 {
        memory.add(&format!("n-{n:03}"));
    }
    let (receiver, config) = receiver(&[503; 40]).await;
    let status = run(&memory, vec![WebhookConfig { breaker_after: 3, ..config }]).await;
    assert_eq!((status.delivered, status.dead), (100, 0));
    assert!(status.down.is_empty());
    let keys = keys(&receiver);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 100, "each of them at least once");
    assert_eq!(keys.len(), 140);
}

#[tokio::test]
async fn after_a_restart_only_those_who_have_it_not_are_told() {
    let memory = Memory::new(1);
    memory.add("n-1");
    let (one, first) = receiver(&[]).await;
    let (two, second) = receiver(&[500; 10_000]).await;
    let configs = vec![first, WebhookConfig { name: "second".to_owned(), ..second }];
    let running = start(&memory, configs.clone());
    let mut news = memory.news.subscribe();
    let told = |memory: &Memory| !memory.rows.lock().unwrap()["n-1"].due.taken.is_empty();
    in_time("the first receiver", news.wait_for(|_| told(&memory))).await.unwrap();
    // As kill -9: what the notifier has in memory is gone.
    running.task.abort();
    drop(running.task.await);
    two.script.lock().unwrap().clear();
    let status = run(&memory, configs).await;
    assert_eq!(keys(&one), ["n-1"], "once, before the restart");
    assert_eq!((keys(&two).last().unwrap().as_str(), status.delivered), ("n-1", 1));
}

#[tokio::test]
async fn every_receiver_gets_it_and_those_who_have_it_are_left_alone() {
    let memory = Memory::new(1);
    memory.add("n-1");
    let (one, first) = receiver(&[]).await;
    let (two, second) = receiver(&[500, 500, 500]).await;
    let status = run(&memory, vec![first, WebhookConfig { name: "second".to_owned(), ..second }]).await;
    assert_eq!((keys(&one).len(), keys(&two).len()), (1, 4));
    assert_eq!(status.delivered, 1);
    assert!(status.last_error.unwrap().starts_with("second: it answers 500"));
}

#[tokio::test]
async fn a_result_that_could_not_be_stored_is_stored_later_and_the_receiver_left_alone() {
    let memory = Memory::new(1);
    memory.add("n-1");
    // The first change is the tidying at the start.
    *memory.fail.lock().unwrap() = 3;
    let (receiver, config) = receiver(&[]).await;
    let status = run(&memory, vec![config]).await;
    assert_eq!(keys(&receiver), ["n-1"]);
    assert_eq!(status.delivered, 1);
}
