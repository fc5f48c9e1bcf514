//! The worklist through the whole daemon: two people want one task, it is finished, and everybody knows the same after a
//! restart.

use std::time::Duration;

use anyhow::Context;
use orderly_tests::gateway::{Site, client};
use serde_json::{Value as Json, json};

/// A wheelchair outside the fence, or inside.
async fn chair(site: &Site, name: &str, seq: u32, inside: bool) -> anyhow::Result<()> {
    let body = json!({"seq": seq, "state": "available", "on_campus": inside, "battery": 80});
    let sent = client()?
        .post(site.url(&format!("/ingest/v1/main/wheelchair/{name}/reading")))
        .body(body.to_string())
        .send()
        .await?;
    anyhow::ensure!(sent.status().is_success(), "{}", sent.text().await?);
    Ok(())
}

/// The answer to a path once it is as wished.
async fn wait(site: &Site, path: &str, wished: impl Fn(&Json) -> bool) -> anyhow::Result<Json> {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let mut found = Json::Null;
    for _ in 0..600 {
        tick.tick().await;
        found = site.get(path).await?;
        if wished(&found) {
            return Ok(found);
        }
    }
    anyhow::bail!("{path} stays {found}")
}

async fn post(site: &Site, path: &str, key: &str, body: Json) -> anyhow::Result<(u16, Json)> {
    let answer = client()?.post(site.url(path)).header("Idempotency-Key", key).json(&body).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

#[tokio::test]
async fn two_people_one_task_and_the_same_after_a_restart() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let site = Site::new(dir.path(), "")?;
    let gateway = site.start()?;
    chair(&site, "w-1", 1, false).await?;
    let open = "/api/v1/worklist?list=wheelchairs";
    let found = wait(&site, open, |answer| answer["tasks"][0].is_object()).await?;
    let task = &found["tasks"][0];
    let id = task["id"].as_str().context("a name")?.to_owned();
    assert_eq!(
        (&task["subject"], &task["severity"], &task["state"]),
        (&json!("w-1"), &json!("P2"), &json!("open"))
    );
    assert_eq!(task["outcomes"], json!(["found", "returned", "not_found", "false_sensor"]));
    let alert = task["reasons"][0]["alert"].as_str().context("an alert")?.to_owned();

    let step = |what: &str| format!("/api/v1/worklist/{id}/{what}");
    let (status, said) = post(&site, &step("claim"), "claim-0001", json!({"who": "porter-7"})).await?;
    assert_eq!((status, &said["task"]["owner"]), (200, &json!("porter-7")));
    let (status, said) = post(&site, &step("claim"), "claim-0002", json!({"who": "porter-8"})).await?;
    assert_eq!((status, &said["error"]["code"]), (409, &json!("refused")));
    assert_eq!(said["error"]["why"]["code"], "task_claimed", "{said}");
    assert_eq!(said["error"]["why"]["params"]["who"], "porter-7");
    let handled = site.get(&format!("/api/v1/alerts/{alert}")).await?;
    assert_eq!(handled["alert"]["handling"], "in_progress");

    let finish = json!({"who": "porter-7", "outcome": "found", "note": "在东门外", "happened_at": "2026-11-21T08:00:00+08:00"});
    let (status, said) = post(&site, &step("finish"), "finish-001", finish.clone()).await?;
    assert_eq!((status, &said["task"]["state"]), (200, &json!("done")), "{said}");
    let (_, again) = post(&site, &step("finish"), "finish-001", finish).await?;
    assert_eq!(again["task"], said["task"], "the same key is the same order");
    let handled = site.get(&format!("/api/v1/alerts/{alert}")).await?;
    assert_eq!(
        (&handled["alert"]["handling"], &handled["alert"]["outcome"]),
        (&json!("closed"), &json!("found"))
    );

    for (what, body, status) in [
        ("finish", json!({"who": "porter-7"}), 400),
        ("hand_over", json!({}), 400),
        ("dance", json!({}), 404),
        ("claim", json!({"who": "not a name"}), 400),
        ("claim", json!({"wer": "porter-7"}), 400),
    ] {
        assert_eq!(post(&site, &step(what), "refused-01", body).await?.0, status, "{what}");
    }
    let by_hand = json!({"list": "repair", "subject": "3号门", "text": "道闸杆弯了", "severity": "P3"});
    let (status, made) = post(&site, "/api/v1/worklist", "create-001", by_hand).await?;
    assert_eq!((status, &made["task"]["reasons"][0]["alert"]), (200, &Json::Null));
    let near = json!({"list": "repar", "subject": "3号门", "text": "道闸杆弯了"});
    let (status, said) = post(&site, "/api/v1/worklist", "create-002", near).await?;
    assert_eq!((status, &said["error"]["why"]["code"]), (409, &json!("task_list_near")));
    let second = made["task"]["id"].as_str().context("a name")?;
    post(&site, &format!("/api/v1/worklist/{second}/claim"), "claim-0003", json!({"who": "porter-7"}))
        .await?;
    let shift = json!({"who": "porter-7", "to": "porter-9", "note": "夜班"});
    let (status, said) = post(&site, "/api/v1/worklist/hand_over", "shift-0001", shift).await?;
    assert_eq!((status, &said["tasks"]), (200, &json!(1)));

    let told = |answer: &Json| {
        let whats = answer["steps"].as_array().map_or(&[][..], Vec::as_slice);
        whats.iter().map(|step| step["what"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let before = site.get(&format!("/api/v1/worklist/{id}")).await?;
    assert_eq!(told(&before), ["opened", "claimed", "finished"]);
    let lists = site.get("/api/v1/worklist/figures").await?;
    assert_eq!(lists["lists"][1]["outcomes"], json!({"found": 1}));
    assert!(gateway.stop()?.success());

    let gateway = site.start()?;
    assert_eq!(site.get(&format!("/api/v1/worklist/{id}")).await?, before);
    let lists = site.get("/api/v1/worklist/figures").await?;
    assert_eq!((&lists["lists"][0]["list"], &lists["lists"][0]["open"]), (&json!("repair"), &json!(1)));
    let done = site.get("/api/v1/worklist?state=done&owner=porter-7").await?;
    assert_eq!(done["tasks"].as_array().map(Vec::len), Some(1));
    let night = site.get("/api/v1/worklist?state=claimed&owner=porter-9").await?;
    assert_eq!(night["tasks"][0]["subject"], "3号门");
    // Back and away again within half an hour: the same task goes on, also after the restart.
    chair(&site, "w-1", 2, true).await?;
    chair(&site, "w-1", 3, false).await?;
    let found = wait(&site, open, |answer| answer["tasks"][0].is_object()).await?;
    assert_eq!((&found["tasks"][0]["id"], &found["tasks"][0]["reopened"]), (&json!(id), &json!(1)));
    assert!(gateway.stop()?.success());
    Ok(())
}
