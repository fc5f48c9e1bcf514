//! The client of an external broker against a real mosquitto, if it is installed.

use std::sync::Arc;
use std::time::Duration;

use orderly::sources::mqtt_client::Address;
use orderly_core::record::Flags;
use orderly_tests::certificates;
use orderly_tests::memory_intake::{Disk, MemoryIntake};
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::mqtt_load::Publisher;
use orderly_tests::scripted_broker::{MemoryOfFilters, RunningClient};

use super::bodies;

/// Publishes numbered messages in windows of 100 and waits for every acknowledgement of the broker.
async fn publish_numbers(port: u16, numbers: std::ops::Range<usize>) {
    let mut publisher = Publisher::connect(port, "publisher").await.unwrap();
    for start in numbers.clone().step_by(100) {
        let end = (start + 100).min(numbers.end);
        let payloads: Vec<String> = (start..end).map(|n| n.to_string()).collect();
        let messages: Vec<_> = (start..end)
            .zip(&payloads)
            .map(|(n, payload)| (n, "ward/a", payload.as_bytes(), false))
            .collect();
        publisher.publish(&messages).await.unwrap();
        while publisher.in_flight() > 0 {
            publisher.acked().await.unwrap();
        }
    }
}

fn distinct(journal: &MemoryIntake) -> std::collections::BTreeSet<usize> {
    bodies(journal).iter().map(|b| b.parse().unwrap()).collect()
}

#[tokio::test]
async fn two_thousand_messages_through_mosquitto_that_is_killed_in_between() {
    if mosquitto::find().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut broker = Mosquitto::start(dir.path()).unwrap();
    let journal = MemoryIntake::new(Disk::Slow(Duration::from_millis(4)));
    let mut client = RunningClient::start(broker.port, &journal, |_| {}).unwrap();
    client.came_up(1).await.unwrap();
    publish_numbers(broker.port, 0..1_000).await;
    journal.wait_for(1_000).await;
    broker.kill().unwrap();
    client.status.wait_for(|s| !s.up).await.unwrap();
    broker.restart().unwrap();
    client.came_up(2).await.unwrap();
    publish_numbers(broker.port, 1_000..2_000).await;
    let mut seen = distinct(&journal).len();
    while seen < 2_000 {
        journal.wait_for(journal.records().len() + 1).await;
        seen = distinct(&journal).len();
    }
    assert_eq!(distinct(&journal).last(), Some(&1_999));
    println!("{} records for 2,000 messages", journal.records().len());
}

#[tokio::test]
async fn what_came_while_we_were_away_is_delivered_behind_large_and_malformed_messages() {
    if mosquitto::find().is_none() {
        return;
    }
    for version in [orderly::sources::mqtt::wire::Version::V4, orderly::sources::mqtt::wire::Version::V5] {
        let dir = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start(dir.path()).unwrap();
        let journal = MemoryIntake::new(Disk::Fast);
        let mut client = RunningClient::start(broker.port, &journal, |s| s.version = version).unwrap();
        client.came_up(1).await.unwrap();
        client.end().await.unwrap();
        let mut publisher = Publisher::connect(broker.port, "publisher").await.unwrap();
        let (small, large) = (vec![b'x'; 11 << 10], vec![b'y'; 1 << 20]);
        let payloads: [&[u8]; 4] = [&small, &large, b"{\"not json", b"good"];
        let messages: Vec<_> = payloads.iter().map(|p| (0, "ward/a", *p, false)).collect();
        publisher.publish(&messages).await.unwrap();
        while publisher.in_flight() > 0 {
            publisher.acked().await.unwrap();
        }
        let mut client = RunningClient::start(broker.port, &journal, |s| s.version = version).unwrap();
        client.came_up(1).await.unwrap();
        journal.wait_for(4).await;
        let kept = journal.records();
        assert_eq!([0, 2, 3].map(|n| &kept[n].body[..]), [payloads[0], payloads[2], payloads[3]]);
        assert!(kept[1].flags.has(Flags::OVERSIZE));
        client.end().await.unwrap();
        // All was acknowledged: nothing comes again.
        let mut client = RunningClient::start(broker.port, &journal, |s| s.version = version).unwrap();
        client.came_up(1).await.unwrap();
        publish_numbers(broker.port, 7..8).await;
        journal.wait_for(5).await;
        assert_eq!(journal.records()[4].body, b"7");
        client.end().await.unwrap();
    }
}

#[tokio::test]
async fn filters_that_are_no_longer_configured_are_taken_back_from_a_kept_session() {
    if mosquitto::find().is_none() {
        return;
    }
    for version in [orderly::sources::mqtt::wire::Version::V4, orderly::sources::mqtt::wire::Version::V5] {
        let dir = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start(dir.path()).unwrap();
        let (journal, remembered) = (MemoryIntake::new(Disk::Fast), Arc::<MemoryOfFilters>::default());
        let start = |filters: [&str; 2]| {
            RunningClient::start_remembering(broker.port, &journal, Arc::clone(&remembered), |s| {
                s.version = version;
                s.subscribe = filters.map(str::to_owned).to_vec();
            })
            .unwrap()
        };
        let publish = async |topic: &str| {
            let mut publisher = Publisher::connect(broker.port, "publisher").await.unwrap();
            publisher.publish(&[(0, topic, topic.as_bytes(), false)]).await.unwrap();
            publisher.acked().await.unwrap();
        };
        let mut client = start(["ward/#", "cellar/#"]);
        client.came_up(1).await.unwrap();
        publish("cellar/a").await;
        journal.wait_for(1).await;
        client.end().await.unwrap();

        let mut client = start(["ward/#", "roof/#"]);
        client.came_up(1).await.unwrap();
        // All was answered when the memory holds what is wanted and nothing else.
        remembered.0.subscribe().wait_for(|f| *f == ["ward/#", "roof/#"]).await.unwrap();
        for topic in ["cellar/a", "ward/a", "roof/a"] {
            publish(topic).await;
        }
        journal.wait_for(3).await;
        assert_eq!(
            bodies(&journal),
            ["cellar/a", "ward/a", "roof/a"],
            "the second of the cellar did not come"
        );
        client.end().await.unwrap();
    }
}

#[tokio::test]
async fn a_broker_behind_tls_is_reached_with_the_right_certificate_only() {
    let dir = tempfile::tempdir().unwrap();
    if mosquitto::find().is_none() || certificates::make(dir.path()).is_none() {
        return;
    }
    let path = |name: &str| dir.path().join(name).display().to_string();
    let tls = format!("certfile {}\nkeyfile {}\npersistence true\n", path("cert.pem"), path("key.pem"));
    let broker = Mosquitto::start_with(dir.path(), &tls).unwrap();
    let address = Address::parse(&format!("mqtts://localhost:{}", broker.port)).unwrap();
    let journal = MemoryIntake::new(Disk::Fast);
    let mut client = RunningClient::start(broker.port, &journal, |s| {
        (s.address, s.ca_file) = (address.clone(), Some(dir.path().join("ca.pem")));
    })
    .unwrap();
    client.came_up(1).await.unwrap();
    client.end().await.unwrap();
    let mut stranger = RunningClient::start(broker.port, &journal, |s| s.address = address).unwrap();
    stranger.status.wait_for(|s| s.last_error.is_some()).await.unwrap();
    let error = stranger.status.borrow().last_error.clone().unwrap();
    assert!(error.contains("certificate"), "{error}");
    assert!(!stranger.status.borrow().up);
}

#[tokio::test]
async fn the_daemon_trusts_the_authority_that_its_settings_name() {
    let dir = tempfile::tempdir().unwrap();
    if mosquitto::find().is_none() || certificates::make(dir.path()).is_none() {
        return;
    }
    let path = |name: &str| dir.path().join(name).display().to_string();
    let tls = format!("certfile {}\nkeyfile {}\npersistence true\n", path("cert.pem"), path("key.pem"));
    let broker = Mosquitto::start_with(&dir.path().join("broker"), &tls).unwrap();
    let settings =
        format!("[mqtt.ward]\nurl = \"mqtts://localhost:{}\"\nca_file = {:?}\n", broker.port, path("ca.pem"));
    let site = orderly_tests::gateway::Site::new(dir.path(), &settings).unwrap();
    let gateway = site.start().unwrap();
    orderly_tests::api::wait_sources(&site).await.unwrap();
    let status = site.get("/api/v1/status").await.unwrap();
    let source = status["sources"].as_array().unwrap().iter().find(|s| s["name"] == "mqtt:ward").unwrap();
    assert_eq!(source["up"], true);
    assert!(gateway.stop().unwrap().success());
}
