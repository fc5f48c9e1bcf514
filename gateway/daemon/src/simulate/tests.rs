use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orderly_core::codec::registers::{Table, begin, push_bits, push_words};
use orderly_core::profile::{Input, Profile};
use orderly_core::record::Flags;
use orderly_core::time::Timestamp;
use orderly_core::value::{Quality, Value};

use super::*;

const MORNING: i64 = 1_795_219_200_000; // 2026-11-21T08:00:00+08:00

/// The model of each class that devices get which name none, as the simulated ones do.
fn profiles() -> BTreeMap<String, Profile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-profiles");
    let mut all = BTreeMap::new();
    let classes = std::fs::read_dir(root).unwrap().map(|class| class.unwrap().path());
    for class in classes.filter(|class| class.is_dir()) {
        for file in std::fs::read_dir(class).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("rules.toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let profile = Profile::parse(&text, &path.display().to_string()).unwrap();
            if profile.is_for_any_of_its_class() {
                let before = all.insert(profile.class().to_string(), profile);
                assert!(before.is_none(), "{}: the class has two generic models", path.display());
            }
        }
    }
    all
}

fn options() -> Options {
    Options { scale: 0.02, pace: 30.0, ..Options::default() }
}

/// Everything that is said within some minutes.
fn minutes(options: &Options, minutes: i64) -> Vec<(i64, Outgoing)> {
    let mut hospital = Hospital::new(options, MORNING);
    let mut all = Vec::new();
    for at in (0..minutes * 60).map(|second| MORNING + second * 1_000) {
        all.extend(hospital.messages(at).into_iter().map(|message| (at, message)));
    }
    all
}

fn decode<'p>(
    profiles: &'p BTreeMap<String, Profile>,
    message: &Outgoing,
) -> Result<(&'p Profile, orderly_core::profile::Decoded), String> {
    let profile = &profiles[message.class];
    let input = Input {
        address: &message.topic,
        payload: &message.payload,
        received_at: Timestamp(MORNING),
        flags: Flags::default(),
    };
    profile.decode(input).map(|mut all| (profile, all.remove(0))).map_err(|e| e.to_string())
}

#[test]
fn the_reference_hospital_has_its_sizes() {
    let full = Sizes::at(1.0);
    assert_eq!((full.bp_meters, full.glucose_meters, full.monitors), (2_000, 1_200, 200));
    assert_eq!((full.wheelchairs, full.docks, full.bays, full.cabinets), (160, 14, 4_000, 6));
    assert_eq!((full.fridges, full.signs, full.powerbanks, full.chargers), (60, 24, 20, 40));
    let hospital = Hospital::new(&Options { scale: 1.0, ..Options::default() }, MORNING);
    assert_eq!(hospital.sizes(), (7_580, 144));
    let units: BTreeSet<u8> = hospital.units().map(|name| name.unit).collect();
    assert_eq!((units.len(), units.first(), units.last()), (144, Some(&1), Some(&144)));
    let huge = Hospital::new(&Options { scale: 9.0, ..Options::default() }, MORNING);
    assert_eq!(huge.units().count(), 247, "no more units than a link has numbers");
}

#[test]
fn the_same_seed_gives_the_same_hospital_and_another_seed_another() {
    let one = minutes(&options(), 3);
    assert!(one.len() > 200, "{}", one.len());
    assert_eq!(one, minutes(&options(), 3));
    assert_ne!(one, minutes(&Options { seed: 2, ..options() }, 3));
}

#[test]
fn every_message_is_read_by_the_shipped_profile_of_its_class() {
    let profiles = profiles();
    let mut classes = BTreeMap::new();
    let (mut values, mut good) = (0, 0);
    for (at, message) in minutes(&options(), 20) {
        let (_, decoded) = decode(&profiles, &message).unwrap_or_else(|e| panic!("{}: {e}", message.topic));
        assert_eq!(decoded.stream.as_str(), message.stream);
        assert_eq!(decoded.device_time.map(|time| time.0), message.device_time, "{}", message.topic);
        assert!(message.device_time.is_some_and(|time| (at - time).abs() <= 1_000), "{}", message.topic);
        *classes.entry(message.class).or_insert(0) += 1;
        values += decoded.values.len();
        good += decoded.values.iter().filter(|value| value.quality == Quality::Good).count();
    }
    assert_eq!(classes.len(), 7, "{classes:?}");
    assert!(classes.values().all(|n| *n >= 10), "{classes:?}");
    assert!(good * 100 > values * 97, "{good} of {values} values are good");
}

#[test]
fn registers_are_read_by_the_shipped_profiles() {
    let profiles = profiles();
    let mut hospital = Hospital::new(&options(), MORNING);
    let mut seen = BTreeSet::new();
    for at in (0..1_200).map(|second| MORNING + second * 1_000) {
        hospital.messages(at);
        for (name, registers) in hospital.registers(at) {
            let mut body = begin();
            push_words(&mut body, Table::Input, 0, &registers.input);
            push_words(&mut body, Table::Holding, 0, &registers.holding);
            push_bits(&mut body, Table::Discrete, 0, &registers.discrete);
            let topic = format!("orderly/v1/main/{}/{}/up/state", name.class, name.device);
            let input = Input {
                address: &topic,
                payload: &body,
                received_at: Timestamp(at),
                flags: Flags::default(),
            };
            let decoded = profiles[name.class].decode(input).unwrap_or_else(|e| panic!("{topic}: {e}"));
            for value in &decoded[0].values {
                assert_eq!(value.quality, Quality::Good, "{topic}: {value:?}");
            }
            seen.insert(name.class);
        }
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["charger", "cold_store", "guidance_sign", "powerbank_cabinet"]
    );
}

fn number(decoded: &orderly_core::profile::Decoded, name: &str) -> f64 {
    let value = decoded.values.iter().find(|value| value.metric.as_str() == name);
    value.and_then(|value| value.value.number()).unwrap_or(f64::NAN)
}

#[test]
fn a_crisis_an_excursion_and_a_silence_come_within_the_first_minutes() {
    let profiles = profiles();
    let options = Options { incidents: true, ..options() };
    let all = minutes(&options, 3);
    let crises: Vec<(i64, i64)> = all
        .iter()
        .filter(|(_, message)| &*message.device == "bp-0001")
        .filter(|(_, message)| decode(&profiles, message).is_ok_and(|(_, d)| number(&d, "sys") >= 200.0))
        .map(|(at, message)| ((at - MORNING) / 1_000, (at - message.device_time.unwrap()) / 1_000))
        .collect();
    assert_eq!(crises, [(15, 390), (15, 0)], "second and age: the first was measured before it was sent");
    let last =
        all.iter().filter(|(_, message)| &*message.device == "cab-02").map(|(at, _)| at - MORNING).max();
    assert!(last.is_some_and(|last| (1_000..=12_000).contains(&last)), "{last:?}");
    assert!(all.iter().any(|(at, message)| &*message.device == "cab-01" && at - MORNING > 150_000));

    let mut hospital = Hospital::new(&options, MORNING);
    let mut first = BTreeMap::new();
    for at in (0..600).map(|second| MORNING + second * 1_000) {
        for (name, registers) in hospital.registers(at) {
            if &*name.device == "fridge-01" {
                let temp = f64::from(registers.input[0].cast_signed()) / 10.0;
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
    let poison = messages.iter().filter(|(_, m)| m.fault == Some("poison"));
    assert!(poison.clone().count() > 5 && poison.clone().all(|(_, m)| decode(&profiles, m).is_err()));
    let flapping = messages.iter().filter(|(_, m)| &*m.device == "bay-0002").count();
    assert!(flapping > 60, "{flapping}");
}

#[test]
fn some_devices_die_when_asked_to() {
    let heard_at_the_end = |faults| {
        let messages = minutes(&Options { faults, scale: 1.0, ..Options::default() }, 12);
        let last = messages.iter().filter(|(at, m)| m.class == "bedside_monitor" && *at > MORNING + 650_000);
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
    let profiles = profiles();
    for (_, message) in minutes(&options(), 20).iter().filter(|(_, m)| m.class == "wheelchair_dock") {
        let (_, decoded) = decode(&profiles, message).unwrap();
        let (slots, docked, free) =
            (number(&decoded, "slots"), number(&decoded, "docked"), number(&decoded, "free"));
        assert_eq!(slots, docked + free);
        assert!(decoded.values.iter().all(|v| !matches!(v.value, Value::Missing(_))));
    }
}
