//! A thousand devices of the settings are not there, twenty are: the start waits for nobody, those that are there are
//! polled as often as by a second gateway that knows of no others, and everything that the absent cost is counted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orderly::sources::modbus::wire::Framing;
use orderly_tests::gateway::{Gateway, Site, binary};
use orderly_tests::modbus_bus::{Death, MemoryBus};
use orderly_tests::patience::in_time;
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

/// Links whose port nobody listens on, one device each.
const REFUSED: usize = 400;
/// Links whose port takes connections and never answers, one device each.
const MUTE: usize = 400;
/// Devices behind one more such port.
const BEHIND_ONE: u8 = 160;
/// Devices that are not there on a bus where others are.
const BESIDE: u8 = 40;
/// Devices of each of the two buses that are there.
const THERE: u8 = 10;
const ABSENT: usize = REFUSED + MUTE + BEHIND_ONE as usize + BESIDE as usize;
/// Connections that were up, and files and sockets of a gateway whatever its settings.
const OTHERS: usize = 10;

/// A record only when something changes, and nothing does.
const PROFILE: &str = r#"
[profile]
id = "still"
class = "still"
vendor = "Test"
model = "Still"
version = "1.0.0"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "registers"
poll = "1s"
[expect]
every = "1min"
[[metric]]
name = "a"
register = { kind = "input", address = 10 }
unit = "1"
report = { deadband = 1, every = "10min" }
[[test]]
input = ["input 10 = 1"]
from = "constructed"
[test.expect]
a = 1
"#;

const RULES: &str = r#"
[[rule]]
id = "still-silent"
class = "still"
no_data = "device"
for = "12s"
severity = "P4"
team = "facility"
source = "D"
text.zh = "{device} 离线"
text.en = "{device} is offline"
[[rule.test]]
given = [{ at = "0s" }, { at = "20s" }]
expect = ["fired 12s", "cleared 20s"]
"#;

/// A port that takes connections and says nothing; counts them.
async fn mute() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, open) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                count.fetch_add(1, Ordering::SeqCst);
                let mut piece = [0; 64];
                while stream.read(&mut piece).await.is_ok_and(|n| n > 0) {}
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, open)
}

fn link(text: &mut String, name: &str, address: impl std::fmt::Display, units: std::ops::RangeInclusive<u8>) {
    write!(text, "[modbus.{name}]\naddress = \"{address}\"\ntimeout = \"50ms\"\n").unwrap();
    for unit in units {
        write!(
            text,
            "[[modbus.{name}.device]]\nid = \"{name}-{unit}\"\nclass = \"still\"\nunit = {unit}\nevery = \"200ms\"\n"
        )
        .unwrap();
    }
}

fn site(dir: &TempDir, more: &str) -> Site {
    let (profiles, rules) = (dir.path().join("profiles"), dir.path().join("rules"));
    for (folder, text) in [(&profiles, PROFILE), (&rules, RULES)] {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("still.toml"), text).unwrap();
    }
    let more =
        format!("[profiles]\ndir = {profiles:?}\n[rules]\ndefaults = false\ndir = {rules:?}\n\n{more}");
    Site::new(dir.path(), &more).unwrap()
}

/// What a gateway holds: open files and sockets, threads, memory in KiB.
fn holds(gateway: &Gateway) -> [usize; 3] {
    let process = Path::new("/proc").join(gateway.pid().to_string());
    let status = fs::read_to_string(process.join("status")).unwrap();
    let figure = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    [fs::read_dir(process.join("fd")).unwrap().count(), figure("Threads:"), figure("VmRSS:")]
}

async fn until(what: &str, done: impl AsyncFn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    in_time(what, async {
        while !done().await {
            tick.tick().await;
        }
    })
    .await;
}

fn counts(buses: &[MemoryBus; 2]) -> Vec<usize> {
    buses.iter().flat_map(|bus| (1..=THERE).map(|unit| bus.answers(unit))).collect()
}

#[tokio::test]
async fn a_thousand_absent_devices_hold_nobody_up() {
    let buses = [(); 4].map(|()| MemoryBus::new(Framing::Tcp, Death::Silence));
    let [one, two, plain_one, plain_two] = &buses;
    two.kill(THERE + 1..=THERE + BESIDE);
    let (silent, open) = mute().await;

    let mut there = String::new();
    link(&mut there, "one", plain_one.listen().await.unwrap(), 1..=THERE);
    link(&mut there, "two", plain_two.listen().await.unwrap(), 1..=THERE);
    let mut all = String::new();
    link(&mut all, "one", one.listen().await.unwrap(), 1..=THERE);
    link(&mut all, "two", two.listen().await.unwrap(), 1..=THERE + BESIDE);
    link(&mut all, "mute", silent, 1..=BEHIND_ONE);
    (0..MUTE).for_each(|n| link(&mut all, &format!("mute-{n}"), silent, 1..=1));
    for n in 0..REFUSED {
        // Nobody listens on the first port of any of these addresses of loopback.
        link(&mut all, &format!("shut-{n}"), format!("127.0.{}.{}:1", 1 + n / 200, 1 + n % 200), 1..=1);
    }
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (site, plain) = (site(&dirs[0], &all), site(&dirs[1], &there));

    let checked = Command::new(binary().unwrap())
        .args(["--lang", "en", "check", "--explain", "--config"])
        .arg(site.config_file())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(said.lines().filter(|line| line.contains(" every 200ms: ")).count(), ABSENT + 20);

    // This test has one thread: while it waits for READY=1 nobody here can take a connection or answer.
    let gateway = site.start().unwrap();
    assert_eq!(counts(&[one.clone(), two.clone()]), [0; 20]);
    let reference = plain.start().unwrap();

    let (hurt, whole) = ([one.clone(), two.clone()], [plain_one.clone(), plain_two.clone()]);
    until("all that are there", async || counts(&hurt).iter().chain(&counts(&whole)).all(|n| *n > 2)).await;
    until("a try of each absent unit", async || two.tried() == usize::from(BESIDE)).await;
    let before = [counts(&hurt), counts(&whole)];
    let more =
        |n: usize, now: &[usize]| -> Vec<usize> { now.iter().zip(&before[n]).map(|(a, b)| a - b).collect() };
    until("polls", async || more(1, &counts(&whole)).iter().all(|n| *n >= 30)).await;
    let polls = [more(0, &counts(&hurt)), more(1, &counts(&whole))];
    println!("polls beside the absent {:?}, without them {:?}", polls[0], polls[1]);
    for (n, (beside, alone)) in polls[0].iter().zip(&polls[1]).enumerate() {
        assert!(beside * 10 >= alone * 9, "device {n}: {beside} of {alone} polls");
    }

    // Each absent device is told once, and none of the others.
    let firing = async || site.get("/api/v1/status").await.unwrap()["alerts"]["firing"].as_u64().unwrap();
    until("an alert for each", async || firing().await >= ABSENT as u64).await;
    let alerts = site.get("/api/v1/alerts?limit=5000").await.unwrap();
    let of: Vec<&str> =
        alerts["alerts"].as_array().unwrap().iter().filter_map(|a| a["device"].as_str()).collect();
    let distinct: BTreeSet<&&str> = of.iter().collect();
    assert_eq!((of.len(), distinct.len()), (ABSENT, ABSENT));
    let is_there = |device: &str| {
        let (link, unit) = device.rsplit_once('-').unwrap();
        ["one", "two"].contains(&link) && unit.parse::<u8>().unwrap() <= THERE
    };
    assert!(!of.iter().any(|device| is_there(device)));

    let status = site.get("/api/v1/status").await.unwrap();
    let sources: Vec<&Json> = status["sources"].as_array().unwrap().iter().collect();
    let modbus = |s: &&&Json| s["name"].as_str().unwrap().starts_with("modbus:");
    let up: Vec<&str> = sources
        .iter()
        .filter(|s| s["up"] == true)
        .filter(modbus)
        .filter_map(|s| s["name"].as_str())
        .collect();
    assert_eq!(up, ["modbus:one", "modbus:two"]);
    let down = sources.iter().filter(modbus).filter(|s| s["up"] == false);
    let told = down.filter(|s| s["detail"].as_str().is_some_and(|why| !why.is_empty()));
    assert_eq!(told.count(), REFUSED + MUTE + 1, "each link that is down says why");

    until("the number of lines that were left out", async || site.log().contains("had more to say")).await;
    let (with, without) = (holds(&gateway), holds(&reference));
    let lines = site.log().lines().count();
    println!(
        "files, threads, KiB: {with:?} with the absent, {without:?} without; {lines} lines of log, {} connections to the mute",
        open.load(Ordering::SeqCst)
    );
    // A link has at most one socket, and those that are refused have none.
    assert!(with[0] <= without[0] + MUTE + 1 + REFUSED, "{} files", with[0]);
    assert!(with[1] <= without[1] + OTHERS, "{} threads", with[1]);
    assert!(with[2] <= without[2] + 64 * 1024, "{} KiB", with[2]);
    assert!(lines <= 100, "{lines} lines of log:\n{}", site.log());
    assert!(gateway.stop().unwrap().success() && reference.stop().unwrap().success());
}
