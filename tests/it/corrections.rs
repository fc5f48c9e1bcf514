//! `correct = "replace"`: what was measured once is shown and counted once, and what it was before is still found.

use orderly_tests::api::wait_readings;
use orderly_tests::gateway::{Site, client};
use serde_json::{Value as Json, json};

/// A scale whose later word on a moment replaces the earlier one.
const SCALE: &str = r#"
[profile]
id = "scale"
class = "body_scale"
vendor = "Test"
model = "S"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "json"
[time]
path = "$.t"
format = "epoch_ms"
[[metric]]
name = "mass"
path = "$.kg"
unit = "kg"
range = [1, 300]
[dedupe]
by = "time+value"
correct = "replace"
[expect]
every = "1min"
[[test]]
input = '{"kg":80.5}'
from = "constructed"
[test.expect]
mass = 80.5
"#;

async fn weigh(site: &Site, t: i64, kg: f64) {
    let url = site.url("/ingest/v1/main/body_scale/s-1/reading");
    let answer =
        client().unwrap().post(url).body(json!({"t": t, "kg": kg}).to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

fn shown(page: &Json) -> Vec<(f64, Vec<String>)> {
    let readings = page["readings"].as_array().unwrap().iter();
    let marks = |reading: &Json| {
        let marks = reading["marks"].as_array().unwrap().iter();
        marks.map(|mark| mark.as_str().unwrap().to_owned()).collect()
    };
    readings.map(|r| (r["values"]["mass"]["value"].as_f64().unwrap(), marks(r))).collect()
}

#[expect(clippy::disallowed_methods, reason = "the daemon under test goes by the clock of the machine")]
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[tokio::test]
async fn a_correction_replaces_in_lists_latest_values_and_figures_and_the_old_one_is_still_found() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("profiles")).unwrap();
    std::fs::write(dir.path().join("profiles/scale.toml"), SCALE).unwrap();
    let more = format!("[profiles]\ndir = {:?}", dir.path().join("profiles"));
    let site = Site::new(dir.path(), &more).unwrap();
    let gateway = site.start().unwrap();
    let now = now();
    let (first, second) = (now - 20_000, now - 10_000);
    // The last two are the same messages once more.
    for (t, kg) in
        [(first, 80.0), (second, 70.0), (second, 71.0), (first, 82.0), (second, 70.0), (first, 82.0)]
    {
        weigh(&site, t, kg).await;
    }
    let marked = |mark: &str| vec![mark.to_owned()];
    let late = || vec!["late".to_owned(), "correction".to_owned()];
    let readings = "/api/v1/devices/s-1/readings?order=asc";
    let expected = [(82.0, late()), (71.0, marked("correction"))];
    wait_readings(&site, "s-1", 2).await.unwrap();
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    while shown(&site.get(readings).await.unwrap()) != expected {
        tick.tick().await;
    }

    let all = shown(&site.get(&format!("{readings}&include=superseded")).await.unwrap());
    let old = |kg| (kg, marked("superseded"));
    assert_eq!(all, [old(80.0), expected[0].clone(), old(70.0), expected[1].clone()]);
    let device = site.get("/api/v1/devices/s-1").await.unwrap();
    assert_eq!(device["latest"][0]["values"]["mass"]["value"], 71.0);
    let from = jiff::Timestamp::from_millisecond(first - first % 3_600_000 - 3_600_000).unwrap();
    let spans = site.get(&format!("{readings}&every=1d&from={from}")).await.unwrap();
    let bucket = &spans["buckets"][0];
    assert_eq!((bucket["count"].as_u64(), bucket["min"].as_f64()), (Some(2), Some(71.0)), "{spans}");
    let wrong = client().unwrap().get(site.url(&format!("{readings}&include=all"))).send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    gateway.stop().unwrap();
}
