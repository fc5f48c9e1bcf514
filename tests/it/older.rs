//! Readings from before the local retention come from the store outside, and say so.

use orderly_tests::fakestore::FakeStore;
use orderly_tests::gateway::{Site, client};
use serde_json::{Value, json};

/// Lines as the gateway exported them: 2021, long before any retention.
const LINES: &str = "\
bp_meter,device=bp-0001,site=main,stream=reading sys=150.0,dia=95.0,quality=\"good\" 1612137600000000007
bp_meter,device=bp-0001,site=main,stream=reading sys=151.0,dia=20.0,quality=\"bad\",sys_quality=\"good\",dia_quality=\"bad\" 1612141200000000007
bp_meter,device=bp-0001,site=main,stream=reading sys=152.0,dia=97.0,quality=\"good\" 1612144800000000007
bp_meter,device=bp-0001,site=other,stream=reading sys=1.0,dia=1.0,quality=\"good\" 1612144800000000007
bp_meter,device=bp-0002,site=main,stream=reading sys=2.0,dia=2.0,quality=\"good\" 1612144800000000007
";

const OLD: &str = "/api/v1/devices/bp-0001/readings?from=2021-01-01T00:00:00Z";

/// A gateway with one reading of today, and a sink to this store.
async fn start(dir: &std::path::Path, sink: &str) -> (Site, orderly_tests::gateway::Gateway) {
    let site = Site::new(dir, &format!("[sinks.store]\n{sink}\ntimeout = \"2s\"\n")).unwrap();
    let gateway = site.start().unwrap();
    let url = site.url("/ingest/v1/main/bp_meter/bp-0001/reading");
    let body = json!({"sys": 160, "dia": 99, "pulse": 70});
    client().unwrap().post(url).json(&body).send().await.unwrap().error_for_status().unwrap();
    orderly_tests::api::wait_readings(&site, "bp-0001", 1).await.unwrap();
    (site, gateway)
}

fn taken(page: &Value) -> Vec<&str> {
    page["older"]["readings"].as_array().unwrap().iter().map(|r| r["taken_at"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn old_readings_come_from_the_store_and_are_marked() {
    let (dir, store) = (tempfile::tempdir().unwrap(), FakeStore::start().await);
    let write = format!("{}/api/v2/write?precision=ns", store.url());
    client().unwrap().post(write).body(LINES).send().await.unwrap().error_for_status().unwrap();
    let (site, gateway) = start(dir.path(), &format!("url = \"{}\"", store.url())).await;

    let page = site.get(OLD).await.unwrap();
    assert_eq!(page["readings"].as_array().unwrap().len(), 1, "the local history is as it was");
    assert_eq!((&page["older"]["store"], &page["older"]["complete"]), (&json!("store"), &json!(true)));
    let hours = ["2021-02-01T02:00:00.000Z", "2021-02-01T01:00:00.000Z", "2021-02-01T00:00:00.000Z"];
    assert_eq!(taken(&page), hours);
    let doubtful = &page["older"]["readings"][1]["values"];
    assert_eq!(doubtful["dia"], json!({"value": 20.0, "unit": "mm[Hg]", "quality": "bad"}));
    assert_eq!(doubtful["sys"], json!({"value": 151.0, "unit": "mm[Hg]", "quality": "good"}));

    let page = site.get(&format!("{OLD}&metric=sys&limit=2")).await.unwrap();
    assert_eq!((taken(&page), &page["older"]["complete"]), (hours[..2].to_vec(), &json!(false)));
    assert_eq!(page["older"]["readings"][0]["values"].as_object().unwrap().len(), 1);
    let page = site.get(&format!("{OLD}&order=asc&to=2021-02-01T01:30:00Z")).await.unwrap();
    assert_eq!(taken(&page), [hours[2], hours[1]]);
    let now = site.get("/api/v1/status").await.unwrap()["started_at"].as_str().unwrap().to_owned();
    for recent in [format!("?from={now}"), String::new()] {
        let page = site.get(&format!("/api/v1/devices/bp-0001/readings{recent}")).await.unwrap();
        assert_eq!(page.get("older"), None, "the store is asked only for what is older");
    }

    drop(store);
    let page = site.get(OLD).await.unwrap();
    assert_eq!((page["readings"].as_array().unwrap().len(), &page["older"]["complete"]), (1, &json!(false)));
    assert_eq!(page["older"]["error"], "the store does not answer");
    assert!(gateway.stop().unwrap().success());
}

#[tokio::test]
async fn a_store_without_flux_says_so() {
    let (dir, store) = (tempfile::tempdir().unwrap(), FakeStore::start().await);
    let sink = format!("url = \"{}\"\nproduct = \"victoriametrics\"", store.url());
    let (site, gateway) = start(dir.path(), &sink).await;
    let page = site.get(OLD).await.unwrap();
    assert!(page["older"]["error"].as_str().unwrap().contains("Flux"), "{page}");
    let status = site.get("/api/v1/status").await.unwrap();
    assert_eq!(status["sinks"][0]["store"], "unsupported");
    assert_eq!(status["warnings"], json!([]));
    assert!(gateway.stop().unwrap().success());
}

#[tokio::test]
async fn a_missing_bucket_is_explained_everywhere_and_ingest_stays_ready() {
    let (dir, store) = (tempfile::tempdir().unwrap(), FakeStore::start().await);
    let site = Site::new(dir.path(), &format!("[sinks.store]\nurl = \"{}\"\n", store.url())).unwrap();
    let gateway = site.start().unwrap();
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let status = orderly_tests::patience::in_time("the store's own word", async {
        loop {
            tick.tick().await;
            let status = site.get("/api/v1/status").await.unwrap();
            if status["sinks"][0]["store"] != "unknown" {
                return status;
            }
        }
    })
    .await;
    let why = status["sinks"][0]["store_detail"].as_str().unwrap();
    assert!(why.contains("bucket") && why.contains("create_bucket"), "{why}");
    assert_eq!(status["warnings"][0]["code"], "sink_store");
    let metrics = client().unwrap().get(site.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("orderly_sink_store_ok{sink=\"store\"} 0"), "{metrics}");
    let ready = site.get("/health/ready").await.unwrap();
    let check = ready["checks"].as_array().unwrap().iter().find(|c| c["name"] == "sink:store").unwrap();
    assert_eq!((&ready["ok"], &check["detail"]), (&json!(true), &json!(why)));
    assert!(gateway.stop().unwrap().success());
}
