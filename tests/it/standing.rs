//! What the gateway says of its devices: how many are there, and which cannot get their messages through.

use std::net::Ipv4Addr;

use orderly_tests::api::wait_readings;
use orderly_tests::gateway::{Site, client};
use orderly_tests::mqtt_raw::{Hello, Raw, publish};
use serde_json::Value as Json;
use tokio::net::TcpStream;

const TOPIC: &str = "orderly/v1/main/parking_sensor/f-1/up/reading";

async fn measure(site: &Site, device: &str) {
    let url = site.url(&format!("/ingest/v1/main/parking_sensor/{device}/reading"));
    let answer =
        client().unwrap().post(url).body(r#"{"occupied": true, "kind": "heartbeat"}"#).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

async fn online(site: &Site) -> (u64, String) {
    let status = site.get("/api/v1/status").await.unwrap();
    let figures = client().unwrap().get(site.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let gauge = figures.lines().find(|line| line.starts_with("orderly_devices_online ")).unwrap().to_owned();
    (status["counts"]["online"].as_u64().unwrap(), gauge)
}

#[tokio::test]
async fn devices_that_report_as_promised_are_counted_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let gateway = site.start().unwrap();
    assert_eq!(online(&site).await, (0, "orderly_devices_online 0".to_owned()));
    for device in ["f-1", "f-2"] {
        measure(&site, device).await;
        wait_readings(&site, device, 1).await.unwrap();
    }
    assert_eq!(online(&site).await, (2, "orderly_devices_online 2".to_owned()));
    gateway.stop().unwrap();
    let gateway = site.start().unwrap();
    // The doors open before the engine has taken up what it knew; an order is answered after that.
    site.add_device("f-3", "parking_sensor").unwrap();
    assert_eq!(online(&site).await.0, 2, "nothing has come since");
    gateway.stop().unwrap();
}

async fn technical(site: &Site) -> Vec<Json> {
    let alerts = site.get("/api/v1/alerts?limit=100").await.unwrap();
    let alerts = alerts["alerts"].as_array().unwrap().iter();
    alerts.filter(|alert| alert["rule"] == "technical.too-large").cloned().collect()
}

#[tokio::test]
async fn three_packets_in_a_row_that_are_too_large_raise_a_technical_alert() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let gateway = site.start().unwrap();
    measure(&site, "f-1").await;
    wait_readings(&site, "f-1", 1).await.unwrap();
    let huge = publish(5, 2, TOPIC, 1, &vec![0; (16 << 20) + 1]);
    for _ in 0..3 {
        let mut raw = Raw::new(TcpStream::connect((Ipv4Addr::LOCALHOST, site.mqtt)).await.unwrap());
        raw.send(&Hello::new(5, "bay").bytes()).await.unwrap();
        assert_eq!(raw.next().await.unwrap()[3], 0);
        raw.send(&huge[..100]).await.unwrap();
        assert_eq!(raw.rest().await, [[0xE0, 1, 0x95]]);
    }
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    while technical(&site).await.is_empty() {
        tick.tick().await;
    }
    let alert = technical(&site).await.remove(0);
    assert_eq!(
        (&alert["device"], &alert["condition"], &alert["severity"]),
        (&"f-1".into(), &"firing".into(), &"P3".into())
    );

    measure(&site, "f-1").await;
    while technical(&site).await.iter().any(|alert| alert["condition"] == "firing") {
        tick.tick().await;
    }
    gateway.stop().unwrap();
}
