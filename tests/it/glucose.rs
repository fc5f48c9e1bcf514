//! A glucose meter of the Bluetooth service: the value counts at once, its context lands on the same reading.

use std::process::Command;
use std::time::Duration;

use orderly_tests::api::readings;
use orderly_tests::drained;
use orderly_tests::fakestore::{FakeStore, Field, Fields};
use orderly_tests::gateway::{Site, binary};
use orderly_tests::mqtt_raw::{Hello, publish, read};
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// A gateway that passes on what the meter notifies, under the device's own login.
struct Phone {
    stream: TcpStream,
    sent: u16,
}

impl Phone {
    async fn connect(site: &Site, secret: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", site.mqtt)).await.unwrap();
        let hello = Hello { login: Some(("gm-1", secret.as_bytes())), ..Hello::new(4, "gm-1") };
        stream.write_all(&hello.bytes()).await.unwrap();
        let (first, body) = read(&mut stream).await.expect("a CONNACK");
        assert_eq!((first, body[1]), (0x20, 0));
        Self { stream, sent: 0 }
    }

    /// Returns once it is acknowledged.
    async fn notify(&mut self, characteristic: &str, bytes: &[u8]) {
        self.sent += 1;
        let topic = format!("orderly/v1/main/glucose_meter/gm-1/up/{characteristic}");
        self.stream.write_all(&publish(4, 2, &topic, self.sent, bytes)).await.unwrap();
        let (first, _) = read(&mut self.stream).await.expect("a PUBACK");
        assert_eq!(first, 0x40);
    }
}

/// So many tenths of mmol/l, some minutes ago by the meter's clock.
fn measurement(sequence: u8, tenths: u8, minutes_ago: i64) -> Vec<u8> {
    let time = now().checked_sub(jiff::SignedDuration::from_mins(minutes_ago)).unwrap();
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let time = time.to_zoned(zone).datetime();
    let [low, high] = u16::try_from(time.year()).unwrap().to_le_bytes();
    let small = |n: i8| u8::try_from(n).unwrap();
    let clock = [small(time.month()), small(time.day()), small(time.hour()), small(time.minute()), 0];
    [&[0x16, sequence, 0, low, high][..], &clock, &[tenths, 0xC0, 0x11]].concat()
}

fn context(sequence: u8, meal: u8) -> Vec<u8> {
    vec![2, sequence, 0, meal]
}

#[expect(clippy::disallowed_methods, reason = "the daemon under test goes by the clock of the machine")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Sequence, glucose and context of each reading, in order of sequence.
async fn shown(site: &Site) -> Vec<(u64, f64, String)> {
    let one = |reading: &Json| {
        let values = &reading["values"];
        let glucose = values["glucose"]["value"].as_f64().unwrap_or_default();
        let context = values["context"]["value"].as_str().unwrap_or_default().to_owned();
        (reading["sequence"].as_u64().unwrap(), glucose, context)
    };
    let mut all: Vec<_> = readings(site, "gm-1").await.unwrap().iter().map(one).collect();
    all.sort_by_key(|(sequence, ..)| *sequence);
    all
}

async fn until_shown(site: &Site, wanted: &[(u64, f64, &str)]) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        let found = shown(site).await;
        if found
            .iter()
            .map(|(n, glucose, context)| (*n, *glucose, context.as_str()))
            .eq(wanted.iter().copied())
        {
            return;
        }
        tick.tick().await;
    }
}

async fn alerts(site: &Site) -> Vec<String> {
    let page = site.get("/api/v1/alerts").await.unwrap();
    let alerts = page["alerts"].as_array().unwrap();
    alerts.iter().map(|alert| alert["rule"].as_str().unwrap().to_owned()).collect()
}

fn says(fields: &Fields, glucose: f64, context: &str) -> bool {
    fields.get("glucose") == Some(&Field::Float(glucose))
        && fields.get("context") == Some(&Field::Text(context.to_owned()))
}

#[tokio::test]
async fn a_value_counts_before_its_context_comes_and_both_are_one_reading_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let store = FakeStore::start().await;
    let more = format!(
        "[sinks.store]\nkind = \"influx\"\nurl = {:?}\nbucket = \"orderly\"\norg = \"hospital\"\n",
        store.url()
    );
    let site = Site::new(dir.path(), &more).unwrap();
    let mut add = Command::new(binary().unwrap());
    add.args(["device", "add", "gm-1", "--class", "glucose_meter"]);
    add.args(["--profile", "ascensia-contour-next-one", "--config"]).arg(site.config_file());
    let added = add.output().unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let secret = String::from_utf8(added.stdout).unwrap().trim().to_owned();

    let mut gateway = site.start().unwrap();
    let mut phone = Phone::connect(&site, &secret).await;
    let low = measurement(5, 30, 30);
    phone.notify("2a18", &low).await;
    // Nobody waits for a context: the value is on the board, told, and outside.
    until_shown(&site, &[(5, 3.0, "unknown")]).await;
    assert_eq!(alerts(&site).await, ["glucose-low"]);
    store.until(|seen| seen.rows.values().any(|fields| says(fields, 3.0, "unknown"))).await;
    phone.notify("2a34", &context(5, 3)).await;
    until_shown(&site, &[(5, 3.0, "fasting")]).await;
    store.until(|seen| seen.rows.values().any(|fields| says(fields, 3.0, "fasting"))).await;
    assert_eq!(store.ask(|seen| seen.rows.len()), 1, "it is the same point");
    assert_eq!(alerts(&site).await, ["glucose-low"], "and not told again");
    let superseded = site.get("/api/v1/devices/gm-1/readings?include=superseded&order=asc").await.unwrap();
    let both = superseded["readings"].as_array().unwrap();
    let marks: Vec<&Json> = both.iter().map(|reading| &reading["marks"]).collect();
    assert_eq!(marks, [&serde_json::json!(["superseded"]), &serde_json::json!(["completed"])]);
    assert_eq!(both[0]["taken_at"], both[1]["taken_at"]);

    // The other way round, with a crash between the two.
    phone.notify("2a34", &context(6, 2)).await;
    orderly_tests::api::wait_readings(&site, "gm-1", 2).await.unwrap();
    gateway.kill().unwrap();
    let gateway = site.start().unwrap();
    let mut phone = Phone::connect(&site, &secret).await;
    let after_meal = measurement(6, 95, 20);
    phone.notify("2a18", &after_meal).await;
    let all = [(5, 3.0, "fasting"), (6, 9.5, "after_meal")];
    until_shown(&site, &all).await;
    let device = site.get("/api/v1/devices/gm-1").await.unwrap();
    assert_eq!(device["latest"].as_array().unwrap().len(), 1);
    assert_eq!(device["latest"][0]["values"]["context"]["value"], "after_meal");

    // The memory of the meter once more, measurements first and contexts after them: nothing is new.
    for (characteristic, bytes) in
        [("2a18", &low), ("2a18", &after_meal), ("2a34", &context(5, 3)), ("2a34", &context(6, 2))]
    {
        phone.notify(characteristic, bytes).await;
    }
    drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    until_shown(&site, &all).await;
    let points = store.ask(|seen| seen.rows.values().filter(|fields| fields.contains_key("glucose")).count());
    assert_eq!(points, 2);
    assert!(store.ask(|seen| seen.rows.values().any(|fields| says(fields, 9.5, "after_meal"))));

    // The same profile reads each half as it was read; what was sent again is a repeat.
    let mut again = Command::new(binary().unwrap());
    again.args(["redecode", "ascensia-contour-next-one", "--config"]).arg(site.config_file());
    let said = String::from_utf8(again.env("LANG", "C.UTF-8").output().unwrap().stdout).unwrap();
    assert!(
        said.starts_with("ascensia-contour-next-one: 8 messages of 1 devices\n  4 stay, 0 would change"),
        "{said}"
    );
    assert!(
        said.contains("; 4 are not in the history") && said.ends_with("nothing would change\n"),
        "{said}"
    );
    gateway.stop().unwrap();
}
