//! The InfluxDB sink against a store that plays every fault of the matrix (RELIABILITY 2, rows 6 to 9).

mod admin;
mod double;
mod outage;
mod victoria;

use std::collections::BTreeSet;
use std::sync::Arc;

use orderly::config::Span;
use orderly::sinks::influx::{Dialect, Engine, InfluxConfig};
use orderly::sinks::{Hole, SinkState};
use orderly_tests::fakestore::{FakeStore, Field, Plan, Seen, Step};

use double::{Memory, Rig, config, reading};

/// The values that the store holds, which are the numbers of the records.
fn values(seen: &Seen) -> BTreeSet<u64> {
    seen.rows
        .values()
        .map(|fields| match fields["sys"] {
            Field::Float(n) => n as u64,
            ref other => panic!("{other:?} is no float"),
        })
        .collect()
}

#[tokio::test]
async fn writes_the_agreed_line_with_gzip_token_and_base_path() {
    let store = FakeStore::start().await;
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, "s3cret\n").unwrap();
    store.expect_token("s3cret");
    let url = format!("{}/base/", store.url());
    let mut rig = Rig::start(InfluxConfig { token_file: Some(token_file), ..config(url) });
    let last = rig.commit("bp-1", 3);
    rig.until_cursor(last).await;
    let seen = store.seen();
    let request = &seen.requests[0];
    assert_eq!((request.path.as_str(), request.gzip, request.lines), ("/base/api/v2/write", true, 3));
    assert_eq!((request.query["org"].as_str(), request.query["bucket"].as_str()), ("hospital", "orderly"));
    let (key, _) = seen.rows.first_key_value().unwrap();
    assert_eq!((key.measurement.as_str(), key.ns), ("bp_meter", 1_700_000_000_001_000_001));
    let tags: Vec<_> = key.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(tags, ["device=bp-1", "site=main", "stream=reading"]);
    assert_eq!(values(&seen), (1..=3).collect());

    let mut old = Rig::start(InfluxConfig {
        dialect: Some(Dialect::V1),
        bucket: "wards".to_owned(),
        ..config(store.url())
    });
    let last = old.commit("bp-2", 1);
    store.expect_token("other");
    old.until_state(SinkState::Holding).await;
    assert!(store.ask(|seen| seen.requests.iter().any(|r| r.path == "/write" && r.query["db"] == "wards")));
    assert!(last > 0);
}

#[tokio::test]
async fn every_answer_is_survived_and_nothing_is_dropped() {
    for engine in [Engine::InfluxDb1, Engine::InfluxDb2, Engine::InfluxDb3, Engine::VictoriaMetrics] {
        let store = FakeStore::start().await;
        let mut rig = Rig::start(InfluxConfig { engine, ..config(store.url()) });
        let last = rig.commit("warm-up", 1);
        rig.until_cursor(last).await;
        for status in [301, 401, 403, 404, 408, 418, 429, 500, 502, 503, 504, 206] {
            let before = store.ask(|seen| seen.requests.len());
            store.plan(Plan::script([Step::refuse(status), Step::refuse(status)]));
            let last = rig.commit("bp-1", 20);
            let status_now = rig.until_cursor(last).await;
            let seen = store.seen();
            let answers: Vec<u16> = seen.requests[before..].iter().map(|r| r.status).collect();
            assert_eq!(answers, [status, status, 204], "{engine:?}");
            assert_eq!(values(&seen), (1..=last).collect(), "{engine:?} {status}");
            assert_eq!(status_now.rejected, 0, "{engine:?} {status}");
        }
        assert!(rig.memory.rejected.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn refusals_as_a_whole_are_shown_with_what_to_look_at() {
    for (status, state, hint) in [
        (401, SinkState::Holding, "token_file"),
        (403, SinkState::Holding, "permission"),
        (404, SinkState::Holding, "create_bucket"),
        (302, SinkState::Holding, "redirect"),
        (429, SinkState::Retrying, "pause"),
        (500, SinkState::Retrying, "fault of its own"),
        (418, SinkState::Retrying, "not known"),
    ] {
        let store = FakeStore::start().await;
        store.plan(Plan::always(Step::refuse(status)));
        let mut rig = Rig::start(config(store.url()));
        rig.commit("bp-1", 1);
        let said = rig.until_state(state).await.last_error.unwrap();
        assert!(said.contains(hint) && said.contains(&status.to_string()), "{said}");
    }
}

#[tokio::test]
async fn retry_after_is_kept_to() {
    let store = FakeStore::start().await;
    let pause = Step::Refuse { status: 429, retry_after: Some("3600".to_owned()) };
    store.plan(Plan::always(pause));
    let mut rig = Rig::start(config(store.url()));
    rig.commit("bp-1", 1);
    rig.until_state(SinkState::Retrying).await;
    // With waits of at most 20 ms it would have come back a hundred times while another sink does this much.
    let other = FakeStore::start().await;
    let mut busy = Rig::start(config(other.url()));
    for _ in 0..50 {
        let last = busy.commit("bp-2", 10);
        busy.until_cursor(last).await;
    }
    assert_eq!(store.ask(|seen| seen.requests.len()), 1);
    rig.stop().await;
}

#[tokio::test]
async fn one_poison_line_among_five_thousand_is_found_and_nothing_good_is_lost() {
    for (status, keep_rest) in [(400, false), (422, true), (400, true)] {
        for poisoned in [1, 2_500, 3_333, 5_000] {
            let store = FakeStore::start().await;
            store.plan(Plan::poison("device=bad", status, keep_rest));
            let mut rig = Rig::start(config(store.url()));
            let readings =
                (1..=5_000).map(|seq| reading(if seq == poisoned { "bad" } else { "bp-1" }, seq)).collect();
            let last = rig.commit_these(readings);
            let state = rig.until_cursor(last).await;
            let seen = store.seen();
            // The first requests after a start are small and double: ten of them at most.
            let allowed = 2.0 * 5_000_f64.log2() + 2.0 + 10.0;
            assert!(seen.requests.len() as f64 <= allowed, "{} requests", seen.requests.len());
            assert_eq!(seen.rows.len(), 4_999);
            let rejected = rig.memory.rejected.lock().unwrap().clone();
            assert_eq!((rejected.len(), state.rejected), (1, 1));
            let (seq, code, line, reason) = &rejected[0];
            assert_eq!((*seq, *code), (poisoned, "store_rejected"));
            assert!(line.contains("device=bad") && reason.contains("field type conflict"));
        }
    }
}

#[tokio::test]
async fn a_store_that_refuses_every_point_is_held_not_obeyed() {
    let store = FakeStore::start().await;
    let mut rig = Rig::start(config(store.url()));
    let first = rig.commit("bp-1", 10);
    rig.until_cursor(first).await;
    store.plan(Plan::always(Step::refuse(400)));
    let last = rig.commit("bp-1", 1_000);
    let held = rig.until_state(SinkState::Holding).await;
    assert!(held.last_error.unwrap().contains("refuses every point"));
    assert!(held.rejected <= 16, "{} points given up", held.rejected);
    store.plan(Plan::default());
    rig.until_cursor(last).await;
    let (kept, given_up) = (store.ask(|seen| seen.rows.len()), rig.memory.rejected.lock().unwrap().len());
    assert_eq!(kept + given_up, 1_010, "each is in the store or in quarantine");
}

#[tokio::test]
async fn a_device_full_of_poison_does_not_stop_the_others() {
    let store = FakeStore::start().await;
    store.plan(Plan::poison("device=bad", 400, false));
    let mut rig = Rig::start(config(store.url()));
    rig.commit("bp-1", 100);
    rig.commit("bad", 200);
    let last = rig.commit("bp-1", 100);
    rig.until_cursor(last).await;
    assert_eq!(store.ask(|seen| seen.rows.len()), 200);
    assert_eq!(rig.memory.rejected.lock().unwrap().len(), 200);
}

#[tokio::test]
async fn requests_that_are_too_large_are_halved_and_stay_small() {
    let store = FakeStore::start().await;
    store.plan(Plan::always(Step::AtMost(300)));
    let mut rig = Rig::start(config(store.url()));
    let last = rig.commit("bp-1", 2_000);
    rig.until_cursor(last).await;
    let seen = store.seen();
    assert_eq!(seen.rows.len(), 2_000);
    let refused = seen.requests.iter().filter(|r| r.status == 413).count();
    assert!(refused < 12, "{refused} requests were too large");
}

#[tokio::test]
async fn an_answer_that_was_lost_leaves_one_row() {
    let store = FakeStore::start().await;
    store.plan(Plan::script([Step::KeepThenClose, Step::KeepButSay(500), Step::Close]));
    let mut rig = Rig::start(config(store.url()));
    let last = rig.commit("bp-1", 50);
    let state = rig.until_cursor(last).await;
    let seen = store.seen();
    assert_eq!((seen.rows.len(), seen.fresh, seen.changed), (50, 50, 0));
    assert_eq!(seen.resent, 100, "sent three times, one row each");
    assert!(state.last_error.is_some());
}

#[tokio::test]
async fn a_stalled_store_stops_neither_another_sink_nor_the_end() {
    let (stalled, healthy) = (FakeStore::start().await, FakeStore::start().await);
    stalled.plan(Plan::always(Step::Stall));
    let memory: Arc<Memory> = Arc::default();
    let mut one = Rig::with(config(stalled.url()), Arc::clone(&memory));
    let mut two = Rig::start(config(healthy.url()));
    one.commit("bp-1", 10);
    stalled.until(|seen| seen.requests.len() == 1).await;
    let last = two.commit("bp-1", 500);
    two.until_cursor(last).await;
    assert_eq!(healthy.ask(|seen| seen.rows.len()), 500);
    one.stop().await;
    assert_eq!(*memory.cursor.lock().unwrap(), 0, "nothing was answered, so nothing moved");
}

#[tokio::test]
async fn a_request_without_an_answer_is_given_up_and_sent_again() {
    let store = FakeStore::start().await;
    store.plan(Plan::script([Step::Stall]));
    let mut rig = Rig::start(InfluxConfig { timeout: Span::ms(50), ..config(store.url()) });
    let last = rig.commit("bp-1", 10);
    rig.until_cursor(last).await;
    assert_eq!(store.ask(|seen| (seen.rows.len(), seen.requests.len())), (10, 2));
}

#[tokio::test]
async fn a_restart_goes_on_at_the_stored_cursor() {
    let store = FakeStore::start().await;
    let mut rig = Rig::start(config(store.url()));
    let last = rig.commit("bp-1", 100);
    rig.until_cursor(last).await;
    let memory = rig.stop().await;
    assert_eq!(*memory.cursor.lock().unwrap(), last);
    let mut again = Rig::with(config(store.url()), memory);
    let last = again.commit("bp-1", 10);
    again.until_cursor(last).await;
    assert_eq!(store.ask(|seen| (seen.rows.len(), seen.resent)), (110, 0));
}

#[tokio::test]
async fn a_killed_sink_sends_again_what_was_under_way_and_little_more() {
    let store = FakeStore::start().await;
    let memory: Arc<Memory> = Arc::default();
    let (mut last, mut lines) = (0, 0);
    for kill in 0..10 {
        let before = store.ask(|seen| seen.requests.len());
        // The fourth request is kept, and the sink dies before it hears of it.
        store.plan(Plan::script([Step::Keep, Step::Keep, Step::Keep, Step::KeepThenStall]));
        // What overtakes a backlog goes again too; here nothing does.
        let in_order = InfluxConfig { split_after: u64::MAX, ..config(store.url()) };
        let mut rig = Rig::with(in_order, Arc::clone(&memory));
        for _ in 0..20 {
            last = rig.commit("bp-1", 300);
        }
        store.until(|seen| seen.requests.len() == before + 4).await;
        store.until(|seen| seen.requests[before + 3].kept).await;
        lines += store.ask(|seen| seen.requests[before + 3].lines + seen.requests[before + 2].lines);
        rig.kill().await;
        let resent = store.ask(|seen| seen.resent);
        assert!(resent <= lines as u64, "kill {kill}: {resent} lines again, {lines} were under way");
    }
    store.plan(Plan::default());
    let mut rig = Rig::with(config(store.url()), memory);
    rig.until_cursor(last).await;
    let (kept, resent) = store.ask(|seen| (seen.rows.len() as u64, seen.resent));
    assert_eq!(kept, last);
    assert!((1..=lines as u64).contains(&resent), "{resent} lines again, {lines} were under way");
}

#[tokio::test]
async fn holes_are_filled_from_history_and_then_closed() {
    let store = FakeStore::start().await;
    let memory: Arc<Memory> = Arc::default();
    *memory.history.lock().unwrap() = (1..=12_000).map(|seq| reading("bp-1", seq)).collect();
    *memory.holes.lock().unwrap() = vec![Hole { first: 101, last: 200 }, Hole { first: 1_001, last: 12_000 }];
    *memory.cursor.lock().unwrap() = 12_000;
    let mut rig = Rig::with(config(store.url()), Arc::clone(&memory));
    let last = rig.commit("bp-1", 10);
    memory.until(|m| m.holes.lock().unwrap().is_empty()).await;
    rig.until_cursor(last).await;
    let expected: BTreeSet<u64> = (101..=200).chain(1_001..=12_010).collect();
    store.until(|seen| seen.rows.len() == expected.len()).await;
    assert_eq!(values(&store.seen()), expected);
}

#[tokio::test]
async fn a_state_store_that_fails_delays_but_loses_nothing() {
    let store = FakeStore::start().await;
    store.plan(Plan::poison("device=bad", 400, false));
    let mut rig = Rig::start(config(store.url()));
    *rig.memory.fail.lock().unwrap() = 4;
    rig.commit("bp-1", 10);
    let last = rig.commit("bad", 1);
    rig.until_cursor(last).await;
    assert_eq!(store.ask(|seen| seen.rows.len()), 10);
    assert_eq!(rig.memory.rejected.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_restarted_store_forgot_is_sent_again() {
    let store = FakeStore::start().await;
    let settled = InfluxConfig { settle: Some(Span::ms(200)), ..config(store.url()) };
    let mut rig = Rig::start(settled);
    let first = rig.commit("bp-1", 100);
    rig.memory.until(|m| *m.cursor.lock().unwrap() >= first).await;
    let last = rig.commit("bp-1", 100);
    rig.until_cursor(last).await;
    store.crash_and_restart(|key| key.ns % 1_000_000 <= first as i64);
    assert_eq!(store.ask(|seen| seen.rows.len()), 100);
    store.until(|seen| seen.rows.len() == 200).await;
    rig.memory.until(|m| *m.cursor.lock().unwrap() >= last).await;
}

#[tokio::test]
async fn a_hole_that_a_restarted_store_forgot_is_filled_again() {
    let store = FakeStore::start().await;
    let memory: Arc<Memory> = Arc::default();
    *memory.history.lock().unwrap() = (1..=500).map(|seq| reading("bp-1", seq)).collect();
    *memory.holes.lock().unwrap() = vec![Hole { first: 1, last: 500 }];
    *memory.cursor.lock().unwrap() = 500;
    let settled = InfluxConfig { settle: Some(Span::ms(5_000)), ..config(store.url()) };
    let mut rig = Rig::with(settled, Arc::clone(&memory));
    store.until(|seen| seen.rows.len() == 500).await;
    assert!(!memory.holes.lock().unwrap().is_empty(), "it may still forget");
    store.crash_and_restart(|_| false);
    // Time passes with what is to be done.
    let mut last = 500;
    while !memory.holes.lock().unwrap().is_empty() {
        last = rig.commit("bp-1", 1);
        rig.until_cursor(last).await;
    }
    assert_eq!(values(&store.seen()), (1..=last).collect());
    assert_eq!(store.ask(|seen| seen.fresh), 500 + last, "the hole twice, and once what came meanwhile");
}

#[tokio::test]
async fn faults_by_chance_end_with_every_reading_once() {
    for seed in 1..=5 {
        let store = FakeStore::start().await;
        store.plan(Plan::chaos(seed, 60));
        let mut rig = Rig::start(InfluxConfig { timeout: Span::ms(100), ..config(store.url()) });
        let mut last = 0;
        for n in 0..20 {
            last = rig.commit("bp-1", 50 + n);
            tokio::task::yield_now().await;
        }
        rig.until_cursor(last).await;
        let seen = store.seen();
        assert_eq!(values(&seen), (1..=last).collect(), "seed {seed}");
        assert_eq!(
            (seen.rows.len() as u64, seen.changed, seen.unreadable.len()),
            (last, 0, 0),
            "seed {seed}"
        );
    }
}
