//! kill -9 in the middle of 50 commands: the lock sees each at most once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderly_tests::lock::{Lock, PROFILE};
use serde_json::json;

use super::{order, over, site};

const COMMANDS: usize = 50;

/// A lock that comes back whenever its connection ends, and counts every command that reaches it.
async fn keep_listening(port: u16, seen: Arc<Mutex<BTreeMap<String, usize>>>) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        tick.tick().await;
        let Ok(mut lock) = Lock::connect(port, "l1", 4).await else { continue };
        while let Ok(Some(came)) = lock.command().await {
            *seen.lock().expect("no test panics inside").entry(came.id.clone()).or_default() += 1;
            if lock.carry_out(&came).await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_sees_each_command_at_most_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let site = Arc::new(site(&dir, PROFILE, ""));
    let mut gateway = site.start().expect("it starts");
    let mut lock = Lock::connect(site.mqtt, "l1", 4).await.expect("let in");
    lock.say("shut", "closed").await.expect("taken");
    drop(lock);
    orderly_tests::api::wait_readings(&site, "l1", 1).await.expect("a reading");
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let listening = tokio::spawn(keep_listening(site.mqtt, Arc::clone(&seen)));

    // Each order is sent until it has an answer, always under its own key.
    let ordering = {
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let mut answers = Vec::new();
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            for n in 0..COMMANDS {
                let key = format!("key-{n:08}");
                loop {
                    tick.tick().await;
                    let body = json!({ "command": "unlock", "reason": key });
                    if let Ok((202, command)) = order(&site, "l1", &key, &body).await {
                        answers.push(command);
                        break;
                    }
                }
            }
            answers
        })
    };
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    while seen.lock().expect("no test panics inside").len() < COMMANDS / 2 {
        tick.tick().await;
    }
    gateway.kill().expect("killed");
    let _gateway = site.start().expect("it starts again");
    let answers = ordering.await.expect("all are ordered");
    assert_eq!(answers.len(), COMMANDS);
    let mut states = BTreeMap::<String, usize>::new();
    for command in &answers {
        let state = over(&site, command).await["state"].as_str().expect("a state").to_owned();
        *states.entry(state).or_default() += 1;
    }
    listening.abort();
    let seen = seen.lock().expect("no test panics inside").clone();
    println!("{} of {COMMANDS} commands reached the lock; they ended as {states:?}", seen.len());
    assert!(seen.values().all(|times| *times == 1), "a command came twice: {seen:?}");
    assert!(seen.len() >= COMMANDS / 2, "{seen:?}");
    let known: std::collections::BTreeSet<_> = answers.iter().filter_map(|c| c["id"].as_str()).collect();
    assert_eq!(known.len(), COMMANDS, "each key is one command");
    assert!(seen.keys().all(|id| known.contains(id.as_str())), "nothing came that nobody ordered");
}
