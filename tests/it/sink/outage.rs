//! What happens when the store was away: the newest go first, the backlog goes in order, and nothing of it waits longer than it must.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderly::config::{Size, Span};
use orderly::sinks::SinkState;
use orderly::sinks::influx::InfluxConfig;
use orderly_core::reading::Marks;
use orderly_core::record::Seq;
use orderly_core::value::Value;
use orderly_tests::fakestore::{FakeStore, Field, Plan, Seen, Step};

use super::double::{Memory, Rig, config, reading};
use super::values;

/// A sink whose store was away for 10,000 records, and is back.
async fn after_an_outage(store: &FakeStore, then: Plan) -> Rig {
    store.plan(Plan::always(Step::refuse(503)));
    let mut rig = Rig::start(InfluxConfig { split_after: 1_000, max_bytes: 10_000, ..config(store.url()) });
    for _ in 0..100 {
        rig.commit("bp-1", 100);
    }
    rig.until_state(SinkState::Retrying).await;
    store.plan(then);
    rig
}

/// Takes so many requests and lets the next one wait.
fn stalls_after(requests: usize) -> Plan {
    Plan { then: Step::Stall, ..Plan::script(vec![Step::Keep; requests]) }
}

/// The number of the request that waits.
async fn stalled(store: &FakeStore) -> usize {
    store.until(|seen| seen.requests.last().is_some_and(|r| r.step == Step::Stall)).await;
    store.ask(|seen| seen.requests.len() - 1)
}

/// The records in the order in which the store got them, and how many it had after this request.
fn order(seen: &Seen, request: usize) -> (Vec<Seq>, usize) {
    let kept = seen.requests[..=request].iter().filter(|r| r.status == 204).map(|r| r.lines).sum();
    (seen.order.iter().map(|key| key.ns.unsigned_abs() % 1_000_000).collect(), kept)
}

#[tokio::test]
async fn what_comes_after_an_outage_goes_before_the_backlog_which_goes_in_order() {
    let store = FakeStore::start().await;
    let mut rig = after_an_outage(&store, stalls_after(10)).await;
    let waits = stalled(&store).await;
    let last = rig.commit("bp-1", 100);
    store.plan(Plan::default());
    rig.until_cursor(last).await;
    let seen = store.seen();
    let (order, kept) = order(&seen, waits + 2);
    assert_eq!((order.len(), seen.fresh, seen.resent), (10_100, 10_100, 0));
    assert!(kept < 5_000, "the backlog is still long: {kept}");
    assert!(order[..kept].contains(&last), "at most one request of the backlog goes before the newest");
    // A fourth of what makes a backlog counts as newest: it came while nobody knew that the store was back.
    let (newest, backlog): (Vec<Seq>, Vec<Seq>) = order.iter().partition(|seq| **seq > 9_750);
    assert!(backlog.is_sorted() && newest.is_sorted(), "each in its order");
    assert!(order[..600].contains(&10_000), "the last of the outage does not wait for the first");
    let moves = rig.stop().await.moves.lock().unwrap().clone();
    assert!(moves.is_sorted(), "the cursor never goes back: {moves:?}");
    assert_eq!(moves.last(), Some(&last));
}

#[tokio::test]
async fn a_second_outage_before_the_first_is_worked_off_does_not_hold_up_the_newest_either() {
    let store = FakeStore::start().await;
    let mut rig = after_an_outage(&store, stalls_after(10)).await;
    stalled(&store).await;
    store.plan(Plan::always(Step::refuse(503)));
    for _ in 0..30 {
        rig.commit("bp-1", 100);
    }
    rig.until_state(SinkState::Retrying).await;
    store.plan(stalls_after(1));
    let waits = stalled(&store).await;
    let last = rig.commit("bp-1", 1);
    store.plan(Plan::default());
    rig.until_cursor(last).await;
    let seen = store.seen();
    let (order, kept) = order(&seen, waits + 8);
    assert_eq!((order.len(), seen.fresh, seen.resent), (13_001, 13_001, 0));
    assert!(order[..kept].contains(&last), "it is among the next few: {kept}");
    assert!(kept < 5_000, "the backlog is still long: {kept}");
    let second: Vec<Seq> = order.iter().copied().filter(|seq| (10_101..=12_750).contains(seq)).collect();
    let first_end = order.iter().position(|seq| *seq == 9_750).unwrap();
    let second_begins = order.iter().position(|seq| *seq == second[0]).unwrap();
    assert!(second.is_sorted() && second_begins > first_end, "the second part waits for the first");
    let moves = rig.stop().await.moves.lock().unwrap().clone();
    assert!(moves.is_sorted(), "the cursor never goes back: {moves:?}");
}

#[tokio::test]
async fn a_sink_killed_while_it_catches_up_sends_again_what_had_overtaken_and_was_under_way() {
    let store = FakeStore::start().await;
    let rig = after_an_outage(&store, Plan { then: Step::KeepThenStall, ..stalls_after(10) }).await;
    let under_way =
        |seen: &Seen| seen.requests.last().is_some_and(|r| r.step == Step::KeepThenStall && r.kept);
    store.until(under_way).await;
    let seen = store.seen();
    let (overtook, backlog): (Vec<u64>, Vec<u64>) = values(&seen).into_iter().partition(|seq| *seq > 9_750);
    assert!(!overtook.is_empty() && !backlog.is_empty());
    let memory = Arc::clone(&rig.memory);
    rig.kill().await;
    let cursor = *memory.cursor.lock().unwrap();
    let behind_cursor = backlog.iter().filter(|seq| **seq > cursor).count();
    let mut again = Rig::with(config(store.url()), memory);
    store.plan(Plan::default());
    let last = again.commit("bp-1", 1);
    again.until_cursor(last).await;
    let seen = store.seen();
    assert_eq!(values(&seen), (1..=last).collect());
    assert_eq!(seen.resent as usize, overtook.len() + behind_cursor, "and nothing else");
}

#[tokio::test]
async fn who_is_away_is_asked_with_little() {
    let store = FakeStore::start().await;
    let mut rig = Rig::start(config(store.url()));
    let last = rig.commit("bp-1", 10_000);
    rig.until_cursor(last).await;
    let before = store.ask(|seen| seen.requests.len());
    assert!(store.ask(|seen| seen.requests.iter().any(|r| r.lines >= 2_000)));
    store.plan(Plan::always(Step::refuse(503)));
    let last = rig.commit("bp-1", 4_000);
    store.until(|seen| seen.requests.len() > before + 10).await;
    store.plan(Plan::default());
    rig.until_cursor(last).await;
    let seen = store.seen();
    let asked = &seen.requests[before..];
    assert!(asked[8..10].iter().all(|r| r.lines == 100), "{:?}", asked[8..10].iter().map(|r| r.lines));
    let most = asked.iter().filter(|r| r.status == 204).map(|r| r.lines).max();
    assert!(most.is_some_and(|most| most >= 1_600), "and they grow again: {most:?}");
    assert_eq!((seen.rows.len(), seen.resent), (14_000, 0));
}

#[tokio::test]
async fn a_store_that_does_not_answer_large_requests_gets_smaller_ones_and_few_in_vain() {
    let store = FakeStore::start().await;
    let mut rig = Rig::start(config(store.url()));
    let last = rig.commit("bp-1", 10_000);
    rig.until_cursor(last).await;
    let before = store.ask(|seen| seen.requests.len());
    store.plan(Plan::always(Step::AnswersAtMost(300)));
    let last = rig.commit("bp-1", 4_000);
    rig.until_cursor(last).await;
    let seen = store.seen();
    assert_eq!((seen.rows.len(), seen.resent), (14_000, 0));
    // Down from 4,000 by halves, and once more when the last of them went through.
    let in_vain = seen.requests[before..].iter().filter(|r| r.lines > 300).count();
    assert!((4..=7).contains(&in_vain), "{in_vain} requests were in vain");
}

#[tokio::test]
async fn a_correction_that_overtook_the_backlog_has_the_last_word() {
    let store = FakeStore::start().await;
    let mut rig = after_an_outage(&store, stalls_after(10)).await;
    stalled(&store).await;
    // The same act of measuring, told again with another number.
    let original = reading("bp-1", 9_700);
    let mut correction = original.clone();
    (correction.origin.seq, correction.marks) = (10_001, Marks::CORRECTION);
    correction.values[0].value = Value::Number(-1.0);
    let last = rig.commit_these(vec![correction]);
    store.plan(Plan::default());
    rig.until_cursor(last).await;
    let seen = store.seen();
    let (_, fields) = seen.rows.iter().find(|(key, _)| key.ns % 1_000_000 == 9_700).unwrap();
    assert_eq!(fields["sys"], Field::Float(-1.0));
    assert_eq!(seen.changed, 2, "it was there before its original, and came once more");
    assert_eq!((seen.rows.len(), seen.resent), (10_000, 0), "nothing else was sent twice");
}

#[tokio::test]
async fn a_backlog_above_its_cap_becomes_a_hole_and_is_filled_later() {
    let store = FakeStore::start().await;
    store.plan(Plan::always(Step::refuse(500)));
    let memory: Arc<Memory> = Arc::default();
    // 50 bytes count for a reading: 300 of these 1,000 may wait.
    let mut rig = Rig::with(InfluxConfig { backlog_bytes: Size(15_000), ..config(store.url()) }, memory);
    let mut all = Vec::new();
    for _ in 0..10 {
        let last = rig.commit("bp-1", 100);
        all.extend((last - 99..=last).map(|seq| reading("bp-1", seq)));
    }
    let memory = rig.stop().await;
    *memory.history.lock().unwrap() = all;
    store.plan(Plan::default());
    let mut again =
        Rig::with(InfluxConfig { backlog_bytes: Size(15_000), ..config(store.url()) }, Arc::clone(&memory));
    again.until_cursor(1_000).await;
    store.until(|seen| seen.rows.len() == 1_000).await;
    memory.until(|m| m.holes.lock().unwrap().is_empty()).await;
    assert_eq!(values(&store.seen()), (1..=1_000).collect());
    let newest_first = store.ask(|seen| seen.order[0].ns % 1_000_000);
    assert!(newest_first > 700, "what may wait goes before what became a hole: {newest_first}");
}

#[tokio::test]
async fn the_cap_holds_while_the_store_is_away() {
    let store = FakeStore::start().await;
    store.plan(Plan::always(Step::refuse(500)));
    let short = InfluxConfig { backlog_bytes: Size(15_000), retry_most: Span::ms(1), ..config(store.url()) };
    let mut rig = Rig::start(short);
    rig.commit("bp-1", 100);
    rig.until_state(SinkState::Retrying).await;
    let mut last = 0;
    for _ in 0..9 {
        last = rig.commit("bp-1", 100);
    }
    rig.memory.until(|m| m.batches.lock().unwrap().len() <= 3).await;
    assert_eq!(store.ask(|seen| seen.rows.len()), 0, "it is still away");
    *rig.memory.history.lock().unwrap() = (1..=last).map(|seq| reading("bp-1", seq)).collect();
    store.plan(Plan::default());
    rig.until_cursor(last).await;
    rig.memory.until(|m| m.holes.lock().unwrap().is_empty()).await;
    store.until(|seen| seen.rows.len() == 1_000).await;
    assert_eq!(values(&store.seen()), (1..=last).collect::<BTreeSet<_>>());
    let moves = rig.stop().await.moves.lock().unwrap().clone();
    assert!(moves.is_sorted(), "the cursor never goes back: {moves:?}");
}
