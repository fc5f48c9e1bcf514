//! The hospital's list of devices against the real binary: on the command line and over HTTP, with and without a daemon.

use std::fmt::Write;
use std::process::{Command, Output};
use std::time::Duration;

use orderly_tests::gateway::{Site, binary, client};
use serde_json::{Value as Json, json};

fn orderly(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary().unwrap());
    command.args(arguments).arg("--config").arg(site.config_file()).env("LANG", "C.UTF-8").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn post(site: &Site, query: &str, table: impl Into<reqwest::Body>) -> (u16, Json) {
    let answer = client()
        .unwrap()
        .post(site.url(&format!("/api/v1/inventory{query}")))
        .header("Idempotency-Key", "0123456789ab")
        .body(table)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_list_goes_in_line_by_line_and_the_rest_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let mut list = String::from("\u{feff}设备;类别;位置;固件\r\n");
    for n in 0..1_200 {
        let class = if n == 700 { "bp_metre" } else { "bp_meter" };
        write!(list, "bp-{n:04};{class};ward-{};2.{}\r\n", n % 9, n % 3).unwrap();
    }
    list.push_str("bp 9;bp_meter;;\r\nbp-0003;bp_meter;;\r\n");
    let file = dir.path().join("list.csv");
    std::fs::write(&file, &list).unwrap();
    let file = file.to_str().unwrap();
    let refused = [
        format!(
            "{file}: line 702: column 类别: no profile is of the class \"bp_metre\"; did you mean \"bp_meter\"?"
        ),
        format!(
            "{file}: line 1202: column 设备: \"bp 9\" is not a name: only A-Z a-z 0-9 . _ : - may stand in it; as in \"ward-3\""
        ),
        format!("{file}: line 1203: column 设备: \"bp-0003\" stands in line 5 already; leave one of the two"),
    ];

    // Nobody runs: the same is done under the lock.
    let dry = orderly(&site, &["device", "import", file, "--dry-run"]);
    assert_eq!(dry.status.code(), Some(1), "{}", text(&dry.stderr));
    let said = text(&dry.stdout);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said[..3], refused);
    assert!(
        said[3].starts_with("dry run, nothing was changed: 1199 would be entered, 0 changed"),
        "{}",
        said[3]
    );
    assert_eq!(text(&orderly(&site, &["device", "list"]).stdout), "");

    let gateway = site.start().unwrap();
    let done = orderly(&site, &["device", "import", file]);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stdout);
    assert_eq!(said.lines().last(), Some("1199 entered, 0 changed, 0 as they were, 3 refused"), "{said}");
    let one = site.get("/api/v1/devices/bp-0003").await.unwrap();
    assert_eq!((&one["zone"], &one["firmware"]), (&json!("ward-3"), &json!("2.0")));
    assert_eq!(
        site.get("/api/v1/devices?limit=10000").await.unwrap()["devices"].as_array().unwrap().len(),
        1_199
    );

    // The same over HTTP, and what a later list changes.
    let (status, body) = post(&site, "", list.clone()).await;
    assert_eq!((status, &body["unchanged"], &body["refused"]), (200, &json!(1_199), &json!(3)), "{body}");
    assert_eq!(body["problems"][0]["line"], 702);
    assert_eq!(body["problems"][0]["column"], "类别");
    let (_, body) = post(&site, "?dry_run=true", "device,zone\nbp-0003,icu\nnew-1,icu\n").await;
    assert_eq!((&body["changed"], &body["refused"], &body["dry_run"]), (&json!(1), &json!(1), &json!(true)));
    let (status, body) = post(&site, "", &b"device,zone\nbp-0003,\xb2\xa1\n"[..]).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("bad_table")));
    assert_eq!(body["error"]["message"], "line 2: the file is not UTF-8 here");
    let (status, _) = post(&site, "", vec![b'x'; (32 << 20) + 1]).await;
    assert_eq!(status, 413);

    assert!(orderly(&site, &["stop"]).status.success());
    gateway.wait().unwrap();
    assert!(orderly(&site, &["audit", "verify"]).status.success());
    assert_eq!(text(&orderly(&site, &["device", "list"]).stdout).lines().count(), 1_199);
}

#[test]
fn a_long_list_goes_in_and_again_changes_nothing() {
    let lines = if std::env::var_os("ORDERLY_LONG").is_some() { 100_000 } else { 5_000 };
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let mut list = String::from("device,class,profile,zone,firmware,commissioned_at\n");
    for n in 0..lines {
        writeln!(list, "chair-{n:06},wheelchair,,ward-{},1.{},2026-11-21T08:00:00+08:00", n % 90, n % 7)
            .unwrap();
    }
    let file = dir.path().join("list.csv");
    std::fs::write(&file, &list).unwrap();
    let gateway = site.start().unwrap();
    for wanted in [
        format!("{lines} entered, 0 changed, 0 as they were, 0 refused"),
        format!("0 entered, 0 changed, {lines} as they were, 0 refused"),
    ] {
        let done = orderly(&site, &["device", "import", file.to_str().unwrap()]);
        assert_eq!(text(&done.stdout).trim(), wanted, "{}", text(&done.stderr));
        println!("{wanted}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("the gateway's {peak}");
}

#[tokio::test]
async fn a_device_is_claimed_with_the_code_on_its_label() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let gateway = site.start().unwrap();
    let http = client().unwrap();
    let say = async |device: &str, code: &str| {
        let url = site.url(&format!("/ingest/v1/main/bp_meter/{device}/claim"));
        let said = http.post(url).json(&json!({"code": code})).send().await.unwrap();
        assert!(said.status().is_success(), "{}", said.status());
    };
    say("bp-0001", "7K4M-2Q9X").await;
    say("bp-0002", "H3P8-WW01").await;
    orderly_tests::drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    assert_eq!(text(&orderly(&site, &["device", "unknown"]).stdout).lines().count(), 2);

    let done = orderly(&site, &["device", "claim", "7k4m2q9x", "--zone", "ward-3"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).starts_with("bp-0001 is on the register with the profile orderly-bp-1"));
    let claim = async |code: &str| {
        let request =
            http.post(site.url("/api/v1/unknown/claim")).header("Idempotency-Key", format!("key-{code}"));
        let answer = request.json(&json!({"code": code, "zone": "home"})).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Json>().await.unwrap())
    };
    let (status, body) = claim("h3p8ww01").await;
    assert_eq!((status, &body["device"]), (200, &json!("bp-0002")), "{body}");
    for wrong in 0..5 {
        let (status, body) = claim(&format!("wrong-{wrong}")).await;
        assert_eq!((status, &body["error"]["code"]), (409, &json!("refused")), "{body}");
    }
    let (status, body) = claim("wrong-5").await;
    assert_eq!((status, &body["error"]["code"]), (429, &json!("too_many_tries")), "{body}");
    let limited = orderly(&site, &["device", "claim", "wrong-6"]);
    assert!(text(&limited.stderr).contains("5 wrong codes were typed"), "one count for all ways in");
    assert!(orderly(&site, &["stop"]).status.success());
    gateway.wait().unwrap();
    assert!(orderly(&site, &["audit", "verify"]).status.success());
}
