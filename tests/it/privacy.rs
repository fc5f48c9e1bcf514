//! A planted name and number are searched in every place that anybody can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use orderly::runtime::clock::SystemClock;
use orderly_core::record::{Entry, Flags, Kind};
use orderly_core::sealed::Day;
use orderly_core::time::Clock as _;
use orderly_store::disk::RealDisk;
use orderly_store::journal::{Journal, JournalOptions};
use orderly_store::keys::{About, KeyRing};
use orderly_tests::api::{readings, wait_readings};
use orderly_tests::drained;
use orderly_tests::fakestore::FakeStore;
use orderly_tests::gateway::{Site, binary, client};
use orderly_tests::mqtt_load::Publisher;
use orderly_tests::planted::{found_in, told};

const NAME: &str = "张三丰-Geheim";
const NUMBER: &str = "110101199003072316";
const PLANTED: [&str; 2] = [NAME, NUMBER];
const OPEN: &str = "what-nobody-hides";

fn profile(id: &str, class: &str, codec: &str, place: &str, privacy: &str, vector: &str) -> String {
    format!(
        "[profile]\nid = \"{id}\"\nclass = \"{class}\"\nvendor = \"T\"\nmodel = \"{id}\"\nversion = \"1\"\nschema = 1\n\
         [source]\ndocument = \"x\"\n{codec}\n[[metric]]\nname = \"mass\"\n{place}\nunit = \"kg\"\nrange = [0, 300]\n\
         [[metric]]\nname = \"note\"\n{}\ntext = true\nrequired = false\n[privacy]\n{privacy}\n\
         [[test]]\ninput = '{vector}'\nfrom = \"constructed\"\n[test.expect]\nmass = 70\n",
        place.replace("mass", "note")
    )
}

/// A gateway with a profile of each kind that says who somebody is, and its store.
fn site(dir: &Path, store: &str) -> Site {
    let profiles = dir.join("profiles");
    fs::create_dir(&profiles).unwrap();
    let json = "[codec]\nkind = \"json\"\n[time]\npath = \"$.t\"";
    let (mass, who) = ("path = \"$.mass\"", "fields = [\"$.patient\", \"$..name\"]");
    let vector = r#"{"mass":70}"#;
    let line = "[match]\nmeasurement = \"who\"\ndevice = { tag = \"dev\" }\n[codec]\nkind = \"line\"";
    for (id, text) in [
        ("one", profile("one", "id_meter", json, mass, who, vector)),
        ("two", profile("two", "id_scale", json, mass, who, vector)),
        ("three", profile("three", "id_scale", json, mass, who, vector)),
        (
            "lines",
            profile(
                "lines",
                "id_line",
                line,
                "field = \"mass\"",
                "fields = [\"patient\"]",
                "who,dev=l-1 mass=70",
            ),
        ),
    ] {
        fs::write(profiles.join(format!("{id}.toml")), text).unwrap();
    }
    let more = format!(
        "[profiles]\ndir = {profiles:?}\n[sinks.store]\nkind = \"influx\"\nurl = \"{store}\"\norg = \"hospital\"\nbucket = \"orderly\"\n\
         [log]\nlevel = \"info,orderly=trace,orderly_core=trace,orderly_store=trace\"\n"
    );
    Site::new(dir, &more).unwrap()
}

fn body(mass: &str, second: u32) -> String {
    format!(
        r#"{{"mass":{mass},"t":"2026-11-21T00:00:{second:02}Z","patient":{{"name":"{NAME}","id":"{NUMBER}"}},"ward":{{"name":"{NAME}"}}}}"#
    )
}

async fn publish(publisher: &mut Publisher, topic: &str, bodies: &[String]) {
    for (number, body) in bodies.iter().enumerate() {
        publisher.publish(&[(number, topic, body.as_bytes(), false)]).await.unwrap();
        assert_eq!(publisher.acked().await.unwrap(), number);
    }
}

/// What the API and the command line say of everything.
async fn all_answers(site: &Site) -> String {
    let mut said = String::new();
    for path in [
        "/api/v1/status",
        "/api/v1/devices",
        "/api/v1/quarantine?limit=1000",
        "/api/v1/unknown",
        "/api/v1/twins",
        "/api/v1/alerts",
        "/api/v1/devices/id-1/readings?from=2000-01-01T00:00:00Z",
        "/metrics",
        "/health/ready",
    ] {
        let answer = client().unwrap().get(site.url(path)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
        said += &answer.text().await.unwrap();
    }
    for arguments in [&["device", "unknown"][..], &["device", "list"], &["status"], &["journal", "dump"]] {
        let mut command = Command::new(binary().unwrap());
        let done = command.args(arguments).arg("--config").arg(site.config_file()).output().unwrap();
        assert!(done.status.success(), "{arguments:?}");
        said += &String::from_utf8_lossy(&done.stdout);
        said += &String::from_utf8_lossy(&done.stderr);
    }
    said
}

fn nowhere(site: &Site, said: &str, store: &FakeStore) {
    let found = found_in(&site.data_dir(), &PLANTED).unwrap();
    assert!(found.is_empty(), "{found:?}");
    for (place, text) in [
        ("an answer", said.to_owned()),
        ("the log", site.log()),
        ("the store", format!("{:?}", store.seen())),
    ] {
        assert!(told(text.as_bytes(), &PLANTED).is_empty(), "{place} tells it");
    }
}

#[tokio::test]
async fn a_planted_name_and_number_are_nowhere() {
    let (dir, store) = (tempfile::tempdir().unwrap(), FakeStore::start().await);
    let site = site(dir.path(), &store.url());
    let mut gateway = site.start().unwrap();
    let mut publisher = Publisher::connect(site.mqtt, "ward").await.unwrap();

    let good: Vec<String> = (0..3).map(|n| body("70", n)).collect();
    publish(&mut publisher, "orderly/v1/main/id_meter/id-1/up/reading", &good).await;
    let bad = [
        body("\"heavy\"", 1),
        body("70,", 2),
        format!("{NAME} {NUMBER}"),
        format!(r#"{{"mass":70,"{NAME}":1,"{NAME}":2}}"#),
        format!(r#"{{"mass":70,"t":"{NUMBER}"}}"#),
        body("9e99", 3),
    ];
    publish(&mut publisher, "orderly/v1/main/id_meter/id-1/up/reading", &bad).await;
    let long = format!(r#"{{"mass":70,"patient":"{NAME}","pad":"{}{NUMBER}"}}"#, "x".repeat(8_000));
    let oversize = format!(r#"{{"patient":"{NAME}","pad":"{}"}}"#, "x".repeat(300_000));
    publish(&mut publisher, "orderly/v1/main/id_meter/id-2/up/reading", &[long, oversize]).await;
    // Two profiles fit, so the device stays a stranger until somebody says which.
    let strange: Vec<String> = (10..13).map(|n| body("71", n)).collect();
    publish(&mut publisher, "orderly/v1/main/id_scale/sc-1/up/reading", &strange).await;
    let lines = format!("who,dev=l-1 mass=70,patient=\"{NAME}\"\nwho,dev=l-2 patient=\"{NUMBER}\"\n");
    let write = client().unwrap().post(site.url("/api/v2/write?precision=ns")).body(lines);
    assert_eq!(write.send().await.unwrap().status().as_u16(), 204);
    let http = client().unwrap().post(site.url("/ingest/v1/main/id_meter/id-3/reading")).body(body("72", 0));
    assert_eq!(http.send().await.unwrap().status().as_u16(), 204);
    // What nobody hides is found: the search works.
    let plain = format!(r#"{{"sys":120,"dia":80,"note":"{OPEN}","t":"2026-11-21T00:00:00Z"}}"#);
    publish(&mut publisher, "orderly/v1/main/bp_meter/bp-1/up/reading", &[plain]).await;
    assert!(!found_in(&site.data_dir(), &[OPEN]).unwrap().is_empty());
    gateway.kill().unwrap();
    let found = found_in(&site.data_dir(), &PLANTED).unwrap();
    assert!(found.is_empty(), "right after the kill: {found:?}");

    let gateway = site.start().unwrap();
    wait_readings(&site, "id-1", 4).await.unwrap();
    drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    let said = all_answers(&site).await;
    nowhere(&site, &said, &store);
    let seals = said.matches("\"sealed\":true").count();
    assert!(seals >= 10, "{seals} rows of quarantine are sealed");
    assert!(said.contains(r#""sealed":{""#), "the journal says that it keeps something");

    let unknown = site.get("/api/v1/unknown").await.unwrap();
    let stranger = unknown["devices"].as_array().unwrap().iter().find(|d| d["id"] == "sc-1").unwrap().clone();
    assert_eq!((&stranger["samples"], &stranger["excerpt"]), (&3.into(), &"".into()), "{stranger}");
    let names: Vec<_> = stranger["suggestions"].as_array().unwrap().iter().map(|s| &s["profile"]).collect();
    assert!(names.contains(&&"two".into()), "it can still be told who reads it: {stranger}");
    let mut command = Command::new(binary().unwrap());
    command.args(["device", "adopt", "sc-1", "--profile", "two", "--config"]).arg(site.config_file());
    assert!(command.output().unwrap().status.success());
    wait_readings(&site, "sc-1", 3).await.unwrap();
    drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    let said = all_answers(&site).await;
    nowhere(&site, &said, &store);
    gateway.stop().unwrap();
    nowhere(&site, &said, &store);
}

/// The clock of a gateway.
fn clock() -> SystemClock {
    SystemClock::start().unwrap()
}

fn ring(dir: PathBuf, seed: u8) -> KeyRing {
    let drawn = std::sync::atomic::AtomicU8::new(seed);
    let draw = move |bytes: &mut [u8]| {
        let next = drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes
            .iter_mut()
            .enumerate()
            .for_each(|(i, byte)| *byte = next.wrapping_mul(31).wrapping_add(i as u8));
        Ok(())
    };
    KeyRing::open(Arc::new(RealDisk), &dir, Box::new(draw)).unwrap()
}

/// Appends records as a gateway that was killed before it handled them.
fn left_behind(site: &Site, bodies: &[(Flags, Vec<u8>)]) {
    let mut salt = 7_u128;
    let salts = Box::new(move || {
        salt += 1;
        salt
    });
    let options = JournalOptions::new(site.data_dir().join("journal"), salts);
    let (journal, _) =
        Journal::open(options, Arc::new(RealDisk), Arc::new(clock()), Box::new(|_| {})).unwrap();
    let entry = |(flags, body)| Entry {
        kind: Kind::Envelope,
        flags,
        source: "listener",
        connection: 1,
        address: "orderly/v1/main/id_meter/id-1/up/reading",
        body,
    };
    let entries: Vec<Entry<'_>> =
        bodies.iter().map(|(flags, body)| entry((*flags, body.as_slice()))).collect();
    let last = journal.append(&entries).unwrap().last;
    journal.wait_durable(last).unwrap();
    journal.close();
}

const HERE: About<'_> = About { source: "listener", address: "orderly/v1/main/id_meter/id-1/up/reading" };

#[tokio::test]
async fn sealed_records_are_replayed_and_one_without_its_key_stops_nothing() {
    let (dir, store) = (tempfile::tempdir().unwrap(), FakeStore::start().await);
    let site = site(dir.path(), &store.url());
    let gateway = site.start().unwrap();
    let mut publisher = Publisher::connect(site.mqtt, "ward").await.unwrap();
    publish(&mut publisher, "orderly/v1/main/id_meter/id-1/up/reading", &[body("70", 0)]).await;
    wait_readings(&site, "id-1", 1).await.unwrap();
    gateway.stop().unwrap();

    let today = Day::of(clock().now().wall);
    let (own, foreign) = (ring(site.data_dir().join("keys"), 1), ring(dir.path().join("other"), 100));
    assert!(own.days().contains(&today), "{:?}", own.days());
    let seal = |keys: &KeyRing, n| keys.seal(today, HERE, body("75", n).as_bytes()).unwrap();
    let mut broken = seal(&own, 30);
    broken[40] ^= 1;
    let records =
        [seal(&own, 20), seal(&foreign, 21), broken, seal(&own, 22)].map(|body| (Flags::SEALED, body));
    left_behind(&site, &records);
    let later = seal(&own, 40);
    drop(own);
    let gateway = site.start().unwrap();
    wait_readings(&site, "id-1", 3).await.unwrap();
    drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    assert_eq!(readings(&site, "id-1").await.unwrap().len(), 3);
    let rows = site.get("/api/v1/quarantine?code=sealed").await.unwrap();
    let whys: Vec<_> =
        rows["items"].as_array().unwrap().iter().map(|row| row["why"]["code"].clone()).collect();
    assert_eq!(whys, ["sealed_damaged", "sealed_key_gone"], "{rows}");
    assert!(site.log().contains("which is gone: nobody can read it any more"));
    let said = all_answers(&site).await;
    nowhere(&site, &said, &store);
    gateway.stop().unwrap();

    // Thrown away, all that it sealed is gone, also where nothing had handled it; the readings stay.
    left_behind(&site, &[(Flags::SEALED, later)]);
    for file in fs::read_dir(site.data_dir().join("keys")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let gateway = site.start().unwrap();
    drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    let rows = site.get("/api/v1/quarantine?code=sealed").await.unwrap();
    assert_eq!(rows["items"].as_array().unwrap().len(), 3, "{rows}");
    assert_eq!(readings(&site, "id-1").await.unwrap().len(), 3);
    let mut publisher = Publisher::connect(site.mqtt, "ward").await.unwrap();
    publish(&mut publisher, "orderly/v1/main/id_meter/id-1/up/reading", &[body("76", 50)]).await;
    wait_readings(&site, "id-1", 4).await.unwrap();
    gateway.stop().unwrap();
}

#[tokio::test]
async fn two_gateways_never_share_their_keys() {
    let (dir, store) = (tempfile::tempdir().unwrap(), FakeStore::start().await);
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    for folder in [&one, &two] {
        fs::create_dir(folder).unwrap();
    }
    let first = site(&one, &store.url());
    let gateway = first.start().unwrap();
    let keys = first.data_dir().join("keys");
    let more = format!("[privacy]\nkeys = {:?}\n", keys.display().to_string());
    let second = Site::new(&two, &more).unwrap();
    let why = format!("{:?}", second.start().unwrap_err());
    let sentence = format!("another gateway has the folder of the keys {}", keys.display());
    assert!(why.contains(&sentence), "{why}");
    gateway.stop().unwrap();
    second.start().unwrap().stop().unwrap();
}

#[tokio::test]
async fn a_key_that_others_can_read_stops_the_start_with_what_to_type() {
    let (dir, store) = (tempfile::tempdir().unwrap(), FakeStore::start().await);
    let site = site(dir.path(), &store.url());
    let gateway = site.start().unwrap();
    let mut publisher = Publisher::connect(site.mqtt, "ward").await.unwrap();
    publish(&mut publisher, "orderly/v1/main/id_meter/id-1/up/reading", &[body("70", 0)]).await;
    gateway.stop().unwrap();
    let files: Vec<PathBuf> =
        fs::read_dir(site.data_dir().join("keys")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::set_permissions(&files[0], PermissionsExt::from_mode(0o644)).unwrap();
    let why = format!("{:?}", site.start().unwrap_err());
    let sentence = format!("type chmod 600 {} and start again", files[0].display());
    assert!(why.contains(&sentence), "{why}");
    fs::set_permissions(&files[0], PermissionsExt::from_mode(0o600)).unwrap();
    site.start().unwrap().stop().unwrap();
}
