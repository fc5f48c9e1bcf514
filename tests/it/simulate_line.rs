//! `orderly simulate --modbus-rtu`: a gateway polls the simulated units over a pseudo-terminal, and what it keeps is what
//! the ledger says that the registers held, in the same order.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orderly_tests::api;
use orderly_tests::gateway::{Site, binary, signal};
use orderly_tests::patience::in_time;
use serde_json::Value as Json;

/// The generic models of the classes that are polled.
const PROFILES: [(&str, &str); 4] = [
    ("charger", include_str!("../../device-profiles/charger/orderly-ch-1.toml")),
    ("cold_store", include_str!("../../device-profiles/cold_store/orderly-cs-1.toml")),
    ("guidance_sign", include_str!("../../device-profiles/guidance_sign/orderly-gs-1.toml")),
    ("powerbank_cabinet", include_str!("../../device-profiles/powerbank_cabinet/orderly-pb-1.toml")),
];
/// One of each.
const UNITS: [(&str, &str); 4] = [
    ("fridge-01", "cold_store"),
    ("sign-01", "guidance_sign"),
    ("pb-01", "powerbank_cabinet"),
    ("charger-01", "charger"),
];
/// Readings of each unit that are compared.
const READINGS: usize = 10;

/// Ends the simulation, as Ctrl-C does.
struct Simulated(Child);

impl Simulated {
    fn end(mut self) {
        signal(self.0.id(), "INT").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}

/// What the ledger says of each unit: its number, and the values of its states in their order.
fn held(ledger: &Path) -> BTreeMap<String, (u64, Vec<Json>)> {
    let mut held: BTreeMap<String, (u64, Vec<Json>)> = BTreeMap::new();
    for line in std::fs::read_to_string(ledger).unwrap_or_default().lines() {
        // The last one may be under way.
        let Ok(line) = serde_json::from_str::<Json>(line) else { continue };
        if let (Some(unit), Some(device)) = (line["unit"].as_u64(), line["device"].as_str()) {
            let entry = held.entry(device.to_owned()).or_insert((unit, Vec::new()));
            entry.1.push(line["values"].clone());
        }
    }
    held
}

/// Numbers may differ in the last bit: one side divided where the other multiplied.
fn same(meant: &Json, shown: &Json) -> bool {
    match (meant.as_f64(), shown.as_f64()) {
        (Some(meant), Some(shown)) => (meant - shown).abs() <= 1e-9 * meant.abs(),
        _ => meant == shown,
    }
}

#[tokio::test]
async fn what_is_polled_over_a_pseudo_terminal_is_what_the_ledger_says() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.jsonl");
    let site = Site::new(dir.path(), "").unwrap();
    let mut child = Command::new(binary().unwrap())
        .args(["simulate", "--modbus-rtu", "--scale", "0.01", "--pace", "20", "--mqtt"])
        .arg(format!("127.0.0.1:{}", site.mqtt))
        .arg("--ledger")
        .arg(&ledger)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let simulated = Simulated(child);
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    let line = line.trim();
    assert!(line.starts_with("/dev/pts/"), "{line:?}");

    // Every poll is worth a record here.
    let folder = dir.path().join("profiles");
    std::fs::create_dir(&folder).unwrap();
    for (class, text) in PROFILES {
        let all: Vec<&str> = text.lines().filter(|line| !line.starts_with("report = ")).collect();
        std::fs::write(folder.join(format!("{class}.toml")), all.join("\n")).unwrap();
    }
    let mut more =
        format!("[profiles]\ndir = {folder:?}\n[modbus.line]\naddress = {line:?}\nbaud = 115200\n");
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let numbers = in_time("the first registers", async {
        loop {
            tick.tick().await;
            let held = held(&ledger);
            if UNITS.iter().all(|(device, _)| held.contains_key(*device)) {
                return held;
            }
        }
    })
    .await;
    for (device, class) in UNITS {
        more += &format!(
            "[[modbus.line.device]]\nid = {device:?}\nclass = {class:?}\nunit = {}\nevery = \"300ms\"\n",
            numbers[device].0
        );
    }
    // Nobody answers for a unit that is not there, and the others do not mind.
    more +=
        "[[modbus.line.device]]\nid = \"fridge-99\"\nclass = \"cold_store\"\nunit = 247\nevery = \"300ms\"\n";
    site.configure(&more).unwrap();
    let gateway = site.start().unwrap();
    for (device, _) in UNITS {
        api::wait_readings(&site, device, READINGS).await.unwrap();
    }
    let mut stored = BTreeMap::new();
    for (device, _) in UNITS {
        stored.insert(device, api::readings(&site, device).await.unwrap());
    }
    assert!(api::readings(&site, "fridge-99").await.unwrap().is_empty());
    assert!(gateway.stop().unwrap().success());
    simulated.end();

    let held = held(&ledger);
    // The API gives the newest first.
    let mut compared = 0;
    for (device, readings) in stored {
        // A poll of two requests may stand between two states; each metric by itself goes from state to state.
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        for reading in readings.iter().rev() {
            for (metric, shown) in reading["values"].as_object().unwrap() {
                let from = at.entry(metric).or_default();
                let mut states = held[device].1.iter().enumerate().skip(*from);
                let found = states.find(|(_, state)| same(&state[metric], &shown["value"]));
                let Some((n, _)) = found else {
                    panic!("{device} never held {metric} = {shown} after state {from}")
                };
                *from = n;
                compared += 1;
            }
        }
    }
    println!("{compared} values over {line} are those of the ledger");
    assert!(compared >= READINGS * 4 * 3);
}
