//! No acknowledgement leaves before the disk has answered: shown on the shipped binary by what the kernel saw.
//!
//! A thousand messages through each door under strace; for each, the sync that covers its record must have returned
//! before the call began that carried its PUBACK or its 2xx.

use std::collections::HashMap;
use std::process::Command;

use orderly_tests::gateway::{Site, binary, client, signal};
use orderly_tests::mosquitto::{self, Mosquitto};
use orderly_tests::mqtt_load::Publisher;
use orderly_tests::strace;

const MESSAGES: usize = 1_000;

fn marker(n: usize) -> String {
    format!("probe-{n:05}-end")
}

fn payload(n: usize) -> String {
    let second = n % 60;
    let minute = n / 60;
    format!(
        "{{\"sys\":121,\"dia\":81,\"pulse\":61,\"t\":\"2026-11-20T07:{minute:02}:{second:02}+08:00\",\"mark\":\"{}\"}}",
        marker(n)
    )
}

const TOPIC: &str = "orderly/v1/main/bp_meter/bp-0001/up/reading";

/// Runs the daemon under strace, does something with it, and gives what strace saw.
async fn traced<F, T>(site: &Site, log: &std::path::Path, action: F) -> anyhow::Result<Vec<strace::Call>>
where
    F: FnOnce() -> T,
    T: Future<Output = anyhow::Result<()>>,
{
    let gateway = site.start_under(Command::new("strace").args(strace::arguments(log)).arg(binary()?))?;
    action().await?;
    let tracer = gateway.pid();
    let children = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"))?;
    let daemon = children.split_whitespace().next().map(str::parse).transpose()?.unwrap_or(tracer);
    signal(daemon, "TERM")?;
    gateway.wait()?;
    Ok(strace::read(&std::fs::read_to_string(log)?))
}

fn strace_is_here() -> bool {
    let here = Command::new("strace").arg("--version").output().is_ok();
    if !here {
        println!("skipped: strace is not installed (tests/scripts/install.sh does it)");
    }
    here
}

/// Splits a stream of MQTT packets: first byte, body, place of the last byte.
fn packets(bytes: &[u8]) -> Vec<(u8, &[u8], usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (mut length, mut shift, mut body) = (0usize, 0, at + 1);
        while let Some(byte) = bytes.get(body) {
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            body += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let Some(content) = bytes.get(body..body + length) else { break };
        found.push((bytes[at], content, body + length - 1));
        at = body + length;
    }
    found
}

/// For each PUBACK on a connection: the marker of the message it answers, and when its call began.
fn puback_times(calls: &[strace::Call], port: u16) -> HashMap<String, f64> {
    let inbound = strace::stream(calls, port, true);
    let outbound = strace::stream(calls, port, false);
    let mut times = HashMap::new();
    for (connection, (bytes, _)) in &inbound {
        let mut by_id: HashMap<[u8; 2], Vec<String>> = HashMap::new();
        for (kind, content, _) in packets(bytes) {
            if kind >> 4 != 3 || kind & 6 == 0 {
                continue;
            }
            let topic = usize::from(u16::from_be_bytes([content[0], content[1]]));
            let text = String::from_utf8_lossy(&content[4 + topic..]).into_owned();
            if let Some(mark) = text.split('"').find(|part| part.starts_with("probe-")) {
                by_id.entry([content[2 + topic], content[3 + topic]]).or_default().push(mark.to_owned());
            }
        }
        let Some((out, began)) = outbound.get(connection) else { continue };
        for (kind, content, _) in packets(out) {
            if kind == 0x40
                && let Some(marks) = by_id.get_mut(&[content[0], content[1]])
                && !marks.is_empty()
            {
                let start = content.as_ptr() as usize - out.as_ptr() as usize;
                times.insert(marks.remove(0), began[start]);
            }
        }
    }
    times
}

fn judge(door: &str, calls: &[strace::Call], acks: &HashMap<String, f64>) {
    let markers: Vec<String> = (0..MESSAGES).map(marker).collect();
    let durable = strace::durable_at(calls, &markers);
    assert_eq!(acks.len(), MESSAGES, "{door}: acknowledgements seen");
    let early: Vec<&String> = acks
        .iter()
        .filter(|(mark, at)| durable.get(*mark).is_none_or(|sync| sync > at))
        .map(|(mark, _)| mark)
        .collect();
    println!("{door}: {} acknowledgements, {} left before their sync returned", acks.len(), early.len());
    assert!(early.is_empty(), "{door}: acknowledged before the sync: {early:?}");
}

#[tokio::test]
async fn the_listener_acknowledges_after_the_sync() -> anyhow::Result<()> {
    if !strace_is_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let site = Site::new(dir.path(), "")?;
    let port = site.mqtt;
    let calls = traced(&site, &dir.path().join("trace"), || publish_all(port)).await?;
    judge("listener", &calls, &puback_times(&calls, port));
    Ok(())
}

/// Publishes all in tens, and waits for every PUBACK.
async fn publish_all(port: u16) -> anyhow::Result<()> {
    let mut publisher = Publisher::connect(port, "probe").await?;
    for first in (0..MESSAGES).step_by(10) {
        let bodies: Vec<String> = (first..first + 10).map(payload).collect();
        let batch: Vec<_> =
            bodies.iter().enumerate().map(|(i, b)| (first + i, TOPIC, b.as_bytes(), false)).collect();
        publisher.publish(&batch).await?;
        while publisher.in_flight() > 0 {
            publisher.acked().await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_client_acknowledges_to_the_broker_after_the_sync() -> anyhow::Result<()> {
    if !strace_is_here() || mosquitto::find().is_none() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let broker = Mosquitto::start(&dir.path().join("broker"))?;
    let more = format!(
        "[mqtt.ward]\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"orderly\"\nsubscribe = [\"orderly/v1/main/+/+/up/+\"]\n",
        broker.port
    );
    let site = Site::new(dir.path(), &more)?;
    site.add_device("bp-0001", "bp_meter")?;
    let calls = traced(&site, &dir.path().join("trace"), || async {
        orderly_tests::api::wait_sources(&site).await?;
        publish_all(broker.port).await?;
        orderly_tests::api::wait_readings(&site, "bp-0001", MESSAGES).await
    })
    .await?;
    judge("client of a broker", &calls, &puback_times(&calls, broker.port));
    Ok(())
}

#[tokio::test]
async fn the_http_door_answers_after_the_sync() -> anyhow::Result<()> {
    if !strace_is_here() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let site = Site::new(dir.path(), "")?;
    let calls = traced(&site, &dir.path().join("trace"), || async {
        let client = client()?;
        for n in 0..MESSAGES {
            let url = site.url("/ingest/v1/main/bp_meter/bp-0001/reading");
            let answer =
                client.post(url).header("Content-Type", "application/json").body(payload(n)).send().await?;
            anyhow::ensure!(answer.status().is_success(), "message {n}: {}", answer.status());
        }
        Ok(())
    })
    .await?;
    let mut acks = HashMap::new();
    let outbound = strace::stream(&calls, site.http, false);
    for (connection, (bytes, _)) in strace::stream(&calls, site.http, true) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let marks = text.split('"').filter(|part| part.starts_with("probe-")).map(str::to_owned);
        let Some((out, began)) = outbound.get(&connection) else { continue };
        let answers = out
            .windows(10)
            .enumerate()
            .filter(|(_, w)| w.starts_with(b"HTTP/1.1 2"))
            .map(|(at, _)| began[at]);
        acks.extend(marks.zip(answers));
    }
    judge("http", &calls, &acks);
    Ok(())
}
