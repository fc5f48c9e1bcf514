mod commands;
mod everybody;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orderly_core::profile::{Input, Profile};
use orderly_core::record::Flags;
use orderly_core::time::Timestamp;
use orderly_core::value::Value;

use super::value::shown;
use super::*;

const MORNING: i64 = 1_795_219_200_000; // 2026-11-21T08:00:00+08:00

/// All shipped profiles by their names.
fn profiles() -> BTreeMap<String, Profile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-profiles");
    let mut all = BTreeMap::new();
    let classes = std::fs::read_dir(root).unwrap().map(|class| class.unwrap().path());
    for class in classes.filter(|class| class.is_dir()) {
        for file in std::fs::read_dir(class).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("rules.toml") || path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let profile = Profile::parse(&text, &path.display().to_string()).unwrap();
            all.insert(profile.id().to_string(), profile);
        }
    }
    all
}

/// The profile of each device.
fn models(options: &Options) -> BTreeMap<String, String> {
    let hospital = Hospital::new(options, MORNING).unwrap();
    hospital.profiles().map(|(device, profile)| (device.to_owned(), profile.to_owned())).collect()
}

fn options() -> Options {
    Options { scale: 0.02, pace: 30.0, ..Options::default() }
}

/// Everything that is said within some minutes.
fn minutes(options: &Options, minutes: i64) -> Vec<(i64, Outgoing)> {
    let mut hospital = Hospital::new(options, MORNING).unwrap();
    let mut all = Vec::new();
    for at in (0..minutes * 60).map(|second| MORNING + second * 1_000) {
        all.extend(hospital.messages(at).into_iter().map(|message| (at, message)));
    }
    all
}

fn decode(profile: &Profile, message: &Outgoing) -> Result<orderly_core::profile::Decoded, String> {
    let input = Input {
        address: &message.topic,
        payload: &message.payload,
        received_at: Timestamp(MORNING),
        flags: Flags::default(),
    };
    profile.decode(input).map(|mut all| all.remove(0)).map_err(|e| e.to_string())
}

/// What was decoded, as the API would show it.
fn seen(decoded: &orderly_core::profile::Decoded) -> serde_json::Value {
    let values = decoded.values.iter();
    shown(&values.map(|one| (one.metric.to_string().into(), one.value.clone())).collect())
}

#[test]
fn the_reference_hospital_has_its_sizes() {
    let full = Sizes::at(1.0);
    assert_eq!((full.bp_meters, full.glucose_meters, full.monitors), (2_000, 1_200, 200));
    assert_eq!((full.wheelchairs, full.docks, full.bays, full.cabinets), (160, 14, 4_000, 6));
    assert_eq!((full.fridges, full.signs, full.powerbanks, full.chargers), (60, 24, 20, 40));
    let hospital = Hospital::new(&Options { scale: 1.0, ..Options::default() }, MORNING).unwrap();
    assert_eq!(hospital.sizes(), (9_826, 158));
    let units: BTreeSet<u8> = hospital.units().map(|name| name.unit).collect();
    assert_eq!((units.len(), units.first(), units.last()), (158, Some(&1), Some(&158)));
    let huge = Hospital::new(&Options { scale: 9.0, ..Options::default() }, MORNING).unwrap();
    assert_eq!(huge.units().count(), 247, "no more units than a link has numbers");
}

#[test]
fn the_same_seed_gives_the_same_hospital_and_another_seed_another() {
    let one = minutes(&options(), 3);
    assert!(one.len() > 200, "{}", one.len());
    assert_eq!(one, minutes(&options(), 3));
    assert_ne!(one, minutes(&Options { seed: 2, ..options() }, 3));
}

fn number(decoded: &orderly_core::profile::Decoded, name: &str) -> f64 {
    let value = decoded.values.iter().find(|value| value.metric.as_str() == name);
    value.and_then(|value| value.value.number()).unwrap_or(f64::NAN)
}

#[test]
fn a_crisis_an_excursion_and_a_silence_come_within_the_first_minutes() {
    let bp = &profiles()["orderly-bp-1"];
    let options = Options { incidents: true, ..options() };
    let all = minutes(&options, 3);
    let crises: Vec<(i64, i64)> = all
        .iter()
        .filter(|(_, message)| &*message.device == "bp-0001")
        .filter(|(_, message)| decode(bp, message).is_ok_and(|d| number(&d, "sys") >= 200.0))
        .map(|(at, message)| ((at - MORNING) / 1_000, (at - message.device_time.unwrap()) / 1_000))
        .collect();
    assert_eq!(crises, [(15, 390), (15, 0)], "second and age: the first was measured before it was sent");
    let last =
        all.iter().filter(|(_, message)| &*message.device == "cab-02").map(|(at, _)| at - MORNING).max();
    assert!(last.is_some_and(|last| (1_000..=12_000).contains(&last)), "{last:?}");
    assert!(all.iter().any(|(at, message)| &*message.device == "cab-01" && at - MORNING > 150_000));

    let mut hospital = Hospital::new(&options, MORNING).unwrap();
    let mut first = BTreeMap::new();
    for at in (0..600).map(|second| MORNING + second * 1_000) {
        for changed in hospital.registers(at) {
            if &*changed.name.device == "fridge-01" {
                let temp = f64::from(changed.registers.input[&0].cast_signed()) / 10.0;
                for limit in [8, 12] {
                    if temp > f64::from(limit) {
                        first.entry(limit).or_insert(at - MORNING);
                    }
                }
                if at > MORNING + 500_000 {
                    assert!(temp < 8.0, "it cools down again: {temp}");
                }
            }
        }
    }
    assert!(first[&8] < 45_000 && first[&12] < 75_000, "{first:?}");
}

#[test]
fn faults_are_there_when_asked_for_and_only_then() {
    let profiles = profiles();
    let names = |options: &Options| {
        let mut names = BTreeMap::new();
        for (_, message) in minutes(options, 20) {
            *names.entry(message.fault.unwrap_or("none")).or_insert(0_u32) += 1;
        }
        names
    };
    assert_eq!(names(&options()).keys().copied().collect::<Vec<_>>(), ["none"]);
    let all = Options { faults: Faults::ALL, scale: 0.1, ..options() };
    let found = names(&all);
    for fault in ["dup", "late", "clock", "poison"] {
        assert!(found.get(fault).is_some_and(|n| *n > 5), "{fault}: {found:?}");
    }
    let messages = minutes(&all, 20);
    let mut first = BTreeMap::new();
    for (_, message) in messages.iter().filter(|(_, m)| m.fault != Some("poison")) {
        let key = (message.device.clone(), message.number);
        let earlier = first.entry(key).or_insert_with(|| message.payload.clone());
        assert_eq!(*earlier, message.payload, "a repeat is the same, byte for byte");
    }
    let models = models(&all);
    let poison = messages.iter().filter(|(_, m)| m.fault == Some("poison"));
    let unread = |m: &Outgoing| decode(&profiles[&models[&*m.device]], m).is_err();
    assert!(poison.clone().count() > 5 && poison.clone().all(|(_, m)| unread(m)));
    let flapping = messages.iter().filter(|(_, m)| &*m.device == "bay-0002").count();
    assert!(flapping > 60, "{flapping}");
}

#[test]
fn some_devices_die_when_asked_to() {
    let heard_at_the_end = |faults| {
        let messages = minutes(&Options { faults, scale: 1.0, ..Options::default() }, 12);
        let last =
            messages.iter().filter(|(at, m)| &*m.class == "bedside_monitor" && *at > MORNING + 650_000);
        last.map(|(_, message)| message.device.clone()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(heard_at_the_end(Faults::default()), 200);
    let dying = heard_at_the_end(Faults { dead: true, ..Faults::default() });
    assert!((190..200).contains(&dying), "{dying}");
}

#[test]
fn faults_are_read_by_name() {
    assert_eq!(Faults::parse("dup, late"), Ok(Faults { dup: true, late: true, ..Faults::default() }));
    assert_eq!(Faults::parse("all"), Ok(Faults::ALL));
    assert_eq!(Faults::ALL.to_string(), "dup,late,clock,dead,flap,poison");
    assert_eq!(Faults::default().to_string(), "none");
    assert!(Faults::parse("dupp").unwrap_err().contains("did you mean \"dup\"?"));
}

#[test]
fn stock_balances() {
    let mut on_hand: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut moves = 0;
    for (_, message) in minutes(&options(), 20).iter().filter(|(_, m)| m.stream == "stock") {
        let body: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        let key = (message.device.to_string(), body["slot"].as_str().unwrap().to_owned());
        let (change, after) = (body["qty"].as_i64().unwrap(), body["on_hand"].as_i64().unwrap());
        if let Some(before) = on_hand.insert(key, after) {
            assert_eq!(before + change, after, "{body}");
        }
        moves += 1;
    }
    assert!(moves > 20, "{moves}");
}

#[test]
fn chairs_and_docks_agree() {
    let dock = &profiles()["orderly-wd-1"];
    for (_, message) in minutes(&options(), 20).iter().filter(|(_, m)| &*m.class == "wheelchair_dock") {
        let decoded = decode(dock, message).unwrap();
        let (slots, docked, free) =
            (number(&decoded, "slots"), number(&decoded, "docked"), number(&decoded, "free"));
        assert_eq!(slots, docked + free);
        assert!(decoded.values.iter().all(|v| !matches!(v.value, Value::Missing(_))));
    }
}
