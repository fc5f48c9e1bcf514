//! A task on two screens: claimed and finished on a phone, followed by the wall, and so in the store.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use orderly_tests::gateway::{Site, client};

use super::{Helper, browser_is_here, web};

#[tokio::test]
async fn a_task_is_claimed_and_finished_on_one_screen_and_the_other_follows() -> anyhow::Result<()> {
    if !browser_is_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let site = Site::new(dir.path(), "")?;
    let gateway = site.start()?;
    let sent = client()?
        .post(site.url("/ingest/v1/main/wheelchair/w-1/reading"))
        .body(r#"{"seq":1,"state":"available","on_campus":false,"battery":80}"#)
        .send()
        .await?;
    assert!(sent.status().is_success(), "{}", sent.text().await?);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let mut found = serde_json::Value::Null;
    for _ in 0..600 {
        tick.tick().await;
        found = site.get("/api/v1/worklist?list=wheelchairs").await?;
        if found["tasks"][0].is_object() {
            break;
        }
    }
    let task = &found["tasks"][0];
    let (id, alert) = (task["id"].as_str(), task["reasons"][0]["alert"].as_str());
    let (id, alert) = (id.context("a task")?, alert.context("an alert")?);

    let mut browser = Helper(
        Command::new("node")
            .arg("e2e/worklist.mjs")
            .current_dir(web())
            .env("BASE_URL", site.url(""))
            .stdout(Stdio::inherit())
            .spawn()?,
    );
    assert!(browser.0.wait()?.success());

    let after = site.get(&format!("/api/v1/worklist/{id}")).await?;
    let told: Vec<_> = after["steps"].as_array().context("steps")?.iter().map(|s| &s["what"]).collect();
    assert_eq!(told, ["opened", "claimed", "finished"], "one press is one order: {after}");
    assert_eq!((&after["task"]["owner"], &after["task"]["outcome"]), (&"porter-7".into(), &"found".into()));
    let closed = site.get(&format!("/api/v1/alerts/{alert}")).await?;
    assert_eq!(
        (&closed["alert"]["handling"], &closed["alert"]["outcome"]),
        (&"closed".into(), &"found".into())
    );
    assert!(gateway.stop()?.success());
    Ok(())
}
