//! Server-sent events: what arrives, and how a board catches up.

use orderly::api::News;
use orderly_core::alert::Severity;
use serde_json::Value as Json;

use super::memory::{Server, T0, alert, id, reading};

/// A live connection, read event by event.
struct Live {
    answer: reqwest::Response,
    text: String,
    last_id: Option<String>,
}

impl Live {
    async fn open(server: &Server, last: Option<&str>) -> Self {
        let mut request = server.http.get(format!("{}/api/v1/events", server.base));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut live = Self { answer, text: String::new(), last_id: None };
        // The greeting comes after the server has fixed where this connection begins.
        assert!(live.block().await.expect("open").starts_with("retry:"));
        live
    }

    /// The next block up to an empty line; `None`: the connection has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(block);
            }
            let bytes = self.answer.chunk().await.expect("a sound stream")?;
            self.text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }

    /// The next event with this name.
    async fn event(&mut self, wanted: &str) -> Json {
        loop {
            let block = self.block().await.expect("still open");
            let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
            if let Some(id) = field("id:") {
                self.last_id = Some(id.to_owned());
            }
            if field("event:") == Some(wanted) {
                return serde_json::from_str(field("data:").expect("data")).expect("JSON");
            }
        }
    }

    /// Reads on until the connection stands at this commit.
    async fn until(&mut self, commit: &str) {
        while self.last_id.as_deref() != Some(commit) {
            let block = self.block().await.expect("still open");
            if let Some(id) = block.lines().find_map(|l| l.strip_prefix("id:")) {
                self.last_id = Some(id.trim().to_owned());
            }
        }
    }
}

fn commit(server: &Server, number: u64, sys: f64) {
    server.memory.with(|m| m.readings.push(reading("bp-0001", 100 + number, T0.plus_ms(900_000), sys)));
    let changed = alert("a1", Severity::P1);
    server.feed.publish(News {
        commit: number,
        devices: vec![id("bp-0001")],
        alerts: vec![changed],
        ..News::default()
    });
}

#[tokio::test]
async fn a_commit_reaches_an_open_board() {
    let server = Server::start().await;
    let mut live = Live::open(&server, None).await;
    commit(&server, 8, 171.0);
    let devices = live.event("devices").await;
    assert_eq!(devices["devices"][0]["id"], "bp-0001");
    assert_eq!(devices["devices"][0]["latest"][0]["values"]["sys"]["value"], 171.0);
    let alerts = live.event("alerts").await;
    assert_eq!(alerts["alerts"][0]["severity"], "P1");
    live.until("8").await;
    let status = live.event("status").await;
    assert_eq!(status["site"], "main");
}

#[tokio::test]
async fn many_commits_become_few_updates() {
    let server = Server::start().await;
    let mut live = Live::open(&server, None).await;
    for number in 8..=507 {
        commit(&server, number, 120.0);
    }
    let mut updates = 0;
    while live.last_id.as_deref() != Some("507") {
        let block = live.block().await.expect("still open");
        updates += usize::from(block.contains("event: devices"));
        if let Some(id) = block.lines().find_map(|l| l.strip_prefix("id:")) {
            live.last_id = Some(id.trim().to_owned());
        }
    }
    assert!((1..=20).contains(&updates), "500 commits came as {updates} updates");
}

#[tokio::test]
async fn a_board_that_was_away_catches_up_where_it_left() {
    let server = Server::start().await;
    let mut live = Live::open(&server, None).await;
    commit(&server, 8, 120.0);
    live.until("8").await;
    drop(live);
    commit(&server, 9, 188.0);
    commit(&server, 10, 189.0);
    let mut live = Live::open(&server, Some("8")).await;
    let devices = live.event("devices").await;
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(1), "one device, once");
    live.until("10").await;

    let mut live = Live::open(&server, Some("10")).await;
    let block = live.block().await.expect("open");
    assert_eq!(block, "id: 10", "nothing was missed");
}

#[tokio::test]
async fn a_board_that_was_away_too_long_is_told_to_read_again() {
    let server = Server::start().await;
    for last in ["3", "99999", "rubbish"] {
        let mut live = Live::open(&server, Some(last)).await;
        let resync = live.event("resync").await;
        assert_eq!(resync["commit"], 7, "{last}");
        assert_eq!(live.last_id.as_deref(), Some("7"));
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_read_ends_in_a_resync_not_in_silence() {
    let server = Server::start().await;
    let mut live = Live::open(&server, None).await;
    live.until("7").await;
    server.memory.with(|m| m.broken = true);
    server.feed.publish(News { commit: 8, devices: vec![id("bp-0001")], ..News::default() });
    assert_eq!(live.event("resync").await["commit"], 8);
}

#[tokio::test]
async fn live_connections_end_when_the_daemon_stops() {
    let server = Server::start().await;
    let mut live = Live::open(&server, None).await;
    server.stop.send_replace(true);
    while live.block().await.is_some() {}
    server.task.await.expect("no panic").expect("a clean end");
}
