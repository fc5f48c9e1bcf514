//! Commands end to end: the real gateway, a lock that writes down what reaches it, a real broker, a Modbus unit.

mod broker;
mod modbus;
mod offline;
mod once;

use std::time::Duration;

use orderly_tests::gateway::{Site, client};
use orderly_tests::lock::{Lock, PROFILE};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// A site with the lock's profile whose list allows everything; `more` is appended to its settings.
fn site(dir: &TempDir, profile: &str, more: &str) -> Site {
    let profiles = dir.path().join("profiles");
    std::fs::create_dir_all(&profiles).expect("a folder");
    std::fs::write(profiles.join("test.toml"), profile).expect("a profile");
    let more = format!("[profiles]\ndir = {profiles:?}\n\n[commands]\nallow = [\"*/*\"]\n\n{more}");
    Site::new(dir.path(), &more).expect("a site")
}

/// Orders a command; gives status and body.
async fn order(site: &Site, device: &str, key: &str, body: &Json) -> anyhow::Result<(u16, Json)> {
    let url = site.url(&format!("/api/v1/devices/{device}/commands"));
    let answer = client()?.post(url).header("Idempotency-Key", key).json(body).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// Orders `unlock` and gives what was decided.
async fn unlock(site: &Site, device: &str, key: &str) -> Json {
    let body = json!({ "command": "unlock", "reason": "round" });
    let (status, command) = order(site, device, key, &body).await.expect("an answer");
    assert_eq!(status, 202, "{command}");
    command
}

/// Waits until a command is over.
async fn over(site: &Site, command: &Json) -> Json {
    let (device, id) =
        (command["device"].as_str().expect("a device"), command["id"].as_str().expect("an id"));
    let path = format!("/api/v1/devices/{device}/commands/{id}");
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..600 {
        tick.tick().await;
        let now = site.get(&path).await.expect("the command");
        if now["state"] != "sent" {
            return now;
        }
    }
    panic!("{id} is not over after 30 s");
}

/// Alerts that nobody has closed, by rule.
async fn tasks(site: &Site) -> Vec<String> {
    let alerts = site.get("/api/v1/alerts?handling=open").await.expect("the alerts");
    let rules = alerts["alerts"].as_array().expect("a list").iter();
    rules.filter_map(|alert| alert["rule"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_lock_is_told_once_and_says_that_it_opened() {
    let dir = tempfile::tempdir().expect("a folder");
    let site = site(&dir, PROFILE, "");
    let _gateway = site.start().expect("it starts");
    let mut lock = Lock::connect(site.mqtt, "l1", 5).await.expect("let in");
    lock.say("shut", "closed").await.expect("taken");
    orderly_tests::api::wait_readings(&site, "l1", 1).await.expect("a reading");

    let sent = unlock(&site, "l1", "key-00000001").await;
    assert_eq!(
        (&sent["state"], &sent["grant"], &sent["reason"]),
        (&json!("sent"), &json!("*/*"), &json!("round"))
    );
    let came = lock.command().await.expect("a command").expect("open");
    assert_eq!(json!(came.id), sent["id"]);
    assert!(!came.retained && came.expiry.is_some_and(|s| (1..=2).contains(&s)), "{came:?}");
    assert_eq!((&came.payload["id"], &came.payload["expires_at"]), (&sent["id"], &sent["expires_at"]));
    assert_eq!(came.payload["nonce"].as_str().map(str::len), Some(32));
    lock.carry_out(&came).await.expect("said");
    assert_eq!(over(&site, &sent).await["state"], "done");
    let again = unlock(&site, "l1", "key-00000001").await;
    assert_eq!(again["id"], sent["id"], "the same key is the same command");
    assert_eq!(lock.what_waited().await.expect("an answer").iter().filter(|p| p[0] >> 4 == 3).count(), 0);

    let list = site.get("/api/v1/devices/l1/commands").await.expect("a list");
    assert_eq!(list["commands"].as_array().map(Vec::len), Some(1));
    let possible: Vec<_> = list["possible"].as_array().expect("a list").iter().collect();
    assert_eq!((&possible[0]["allowed"], &possible[1]["allowed"]), (&json!(true), &json!(false)));
    assert!(tasks(&site).await.is_empty());
}

#[tokio::test]
async fn an_interlock_and_a_read_only_command_refuse_with_their_reasons() {
    let dir = tempfile::tempdir().expect("a folder");
    let site = site(&dir, PROFILE, "");
    let _gateway = site.start().expect("it starts");
    let mut lock = Lock::connect(site.mqtt, "l1", 4).await.expect("let in");
    lock.say("shut", "open").await.expect("taken");
    orderly_tests::api::wait_readings(&site, "l1", 1).await.expect("a reading");

    let refused = unlock(&site, "l1", "key-00000001").await;
    assert_eq!((&refused["state"], &refused["why"]["zh"]), (&json!("refused"), &json!("柜门开着")));
    assert_eq!(refused["why"]["en"], "the door is open");
    let (status, erased) =
        order(&site, "l1", "key-00000002", &json!({"command": "erase"})).await.expect("an answer");
    assert_eq!((status, &erased["state"]), (202, &json!("refused")));
    assert!(erased["why"]["en"].as_str().is_some_and(|why| why.contains("read-only")), "{erased}");
    let (status, unknown) =
        order(&site, "l1", "key-00000003", &json!({"command": "dance"})).await.expect("an answer");
    let why = &unknown["error"]["why"];
    assert_eq!((status, &why["code"]), (409, &json!("asked_no_command")), "{unknown}");
    assert_eq!(why["params"], json!({"device": "l1", "command": "dance"}));

    let typed = std::process::Command::new(orderly_tests::gateway::binary().expect("the binary"))
        .args(["--lang", "en", "command", "l1", "unlock", "--reason", "test", "--config"])
        .arg(site.config_file())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&typed.stderr).into_owned();
    assert!(!typed.status.success() && said.contains("refused: the door is open"), "{said}");
    assert!(lock.what_waited().await.expect("an answer").is_empty(), "nothing reached the lock");
}
