//! Every shipped class and every shipped model is there, and what it says is read as what it means.

use orderly_core::codec::registers::{Register, Table, begin, push_bits, push_words};
use orderly_core::value::Quality;

use super::*;

/// Everybody, also models of makers, with a broker for their topics.
fn all() -> Options {
    Options { makers: true, broker: Some("127.0.0.1:1".to_owned()), ..options() }
}

#[test]
fn every_shipped_class_has_a_simulated_device() {
    let hospital = Hospital::new(&options(), MORNING).unwrap();
    let publishing = minutes(&options(), 20).into_iter().map(|(_, message)| message.class.to_string());
    let polled = hospital.units().map(|name| name.class.to_string());
    let simulated: BTreeSet<String> = publishing.chain(polled).collect();
    let shipped: BTreeSet<String> = profiles().values().map(|profile| profile.class().to_string()).collect();
    let missing: Vec<_> = shipped.difference(&simulated).collect();
    assert!(missing.is_empty(), "no simulated device of {missing:?}");
}

#[test]
fn every_shipped_model_has_a_simulated_device() {
    let hospital = Hospital::new(&all(), MORNING).unwrap();
    let publishing = hospital.profiles().map(|(_, profile)| profile.to_owned());
    let simulated: BTreeSet<String> =
        publishing.chain(hospital.units().map(|name| name.profile.to_string())).collect();
    let shipped: BTreeSet<String> = profiles().into_keys().collect();
    let missing: Vec<_> = shipped.difference(&simulated).collect();
    assert!(missing.is_empty(), "no simulated device of {missing:?}");
}

#[test]
fn every_message_is_read_as_what_it_means() {
    let (profiles, models) = (profiles(), models(&all()));
    let mut heard: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut values, mut good) = (0, 0);
    for (at, message) in minutes(&all(), 20) {
        let profile = &profiles[&models[&*message.device]];
        let decoded = decode(profile, &message).unwrap_or_else(|e| panic!("{}: {e}", message.topic));
        assert_same(&message.topic, &shown(&message.values), &seen(&decoded));
        assert!(!message.values.is_empty(), "{}", message.topic);
        assert_eq!(decoded.device_time.map(|time| time.0), message.device_time, "{}", message.topic);
        if let Some(time) = message.device_time {
            assert!((at - time).abs() <= 1_000, "{}", message.topic);
        }
        *heard.entry(profile.id().as_str()).or_default() += 1;
        values += decoded.values.len();
        good += decoded.values.iter().filter(|value| value.quality == Quality::Good).count();
    }
    let publishing: BTreeSet<&str> = models.values().map(String::as_str).collect();
    assert_eq!(heard.keys().copied().collect::<BTreeSet<_>>(), publishing);
    assert!(good * 100 > values * 97, "{good} of {values} values are good");
}

/// The same metrics with the same values; a register of 32 bits holds no more than seven digits.
fn assert_same(what: &str, meant: &serde_json::Value, seen: &serde_json::Value) {
    let (meant, seen) = (meant.as_object().unwrap(), seen.as_object().unwrap());
    assert_eq!(meant.keys().collect::<Vec<_>>(), seen.keys().collect::<Vec<_>>(), "{what}");
    for (name, value) in meant {
        let same = match (value.as_f64(), seen[name].as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-6,
            _ => *value == seen[name],
        };
        assert!(same, "{what}: {name} means {value} and is read as {}", seen[name]);
    }
}

/// What a poll brings of the registers that a profile reads.
fn polled(profile: &Profile, registers: &Registers) -> Vec<u8> {
    let mut body = begin();
    for Register { table, address, form, .. } in profile.registers() {
        let range = address..address + form.words();
        let words = |held: &BTreeMap<u16, u16>| range.clone().map(|at| held[&at]).collect::<Vec<_>>();
        let bits = |held: &BTreeMap<u16, bool>| range.clone().map(|at| held[&at]).collect::<Vec<_>>();
        match table {
            Table::Input => push_words(&mut body, table, address, &words(&registers.input)),
            Table::Holding => push_words(&mut body, table, address, &words(&registers.holding)),
            Table::Discrete => push_bits(&mut body, table, address, &bits(&registers.discrete)),
            Table::Coil => push_bits(&mut body, table, address, &bits(&registers.coils)),
        }
    }
    body
}

#[test]
fn registers_are_read_as_what_they_mean() {
    let profiles = profiles();
    let mut hospital = Hospital::new(&all(), MORNING).unwrap();
    let mut heard = BTreeSet::new();
    for at in (0..1_200).map(|second| MORNING + second * 1_000) {
        for Changed { name, registers, values } in hospital.registers(at) {
            let profile = &profiles[&*name.profile];
            let topic = format!("orderly/v1/main/{}/{}/up/{}", name.class, name.device, name.stream);
            let body = polled(profile, &registers);
            let input = Input {
                address: &topic,
                payload: &body,
                received_at: Timestamp(at),
                flags: Flags::default(),
            };
            let decoded = profile.decode(input).unwrap_or_else(|e| panic!("{topic}: {e}"));
            assert_same(&topic, &shown(&values), &seen(&decoded[0]));
            for value in &decoded[0].values {
                assert_eq!(value.quality, Quality::Good, "{topic}: {value:?}");
            }
            heard.insert(name.profile);
        }
    }
    assert_eq!(heard.len(), hospital.units().map(|name| &*name.profile).collect::<BTreeSet<_>>().len());
    assert_eq!(heard.len(), 11);
}

#[test]
fn without_a_broker_models_of_makers_speak_on_our_topics_and_within_seconds() {
    let options = Options { makers: true, incidents: true, scale: 0.1, ..Options::default() };
    let models = models(&options);
    let mut silent: BTreeSet<&str> = models.values().map(String::as_str).collect();
    assert!(!silent.contains("bthome-th"), "half of what it says would stand in the topic");
    assert_eq!(models.len(), Hospital::new(&options, MORNING).unwrap().sizes().0, "no name is given twice");
    let evening = MORNING + 15 * 3_600_000;
    let mut hospital = Hospital::new(&options, evening).unwrap();
    let heard = (0..600).flat_map(|tick| hospital.messages(evening + tick * 97)).collect::<Vec<_>>();
    for message in heard {
        assert!(message.topic.starts_with("orderly/v1/main/"), "{}", message.topic);
        silent.remove(models[&*message.device].as_str());
    }
    assert!(silent.is_empty(), "{silent:?} have said nothing for a minute");
}
