use std::collections::BTreeMap;

use super::super::frame::{Sheet, shipped};
use super::super::random::Random;
use super::super::value::{find, is, number_of};
use super::super::world::World;
use super::*;

const MORNING: i64 = 1_795_219_200_000; // 2026-11-21T08:00:00+08:00

fn sheets() -> BTreeMap<String, Arc<Sheet>> {
    shipped().unwrap()
}

fn script(profile: &str) -> Arc<Script> {
    let scripts = all().unwrap();
    let mut found = scripts.into_iter().filter(|script| script.profile.as_deref() == Some(profile));
    found.next().unwrap()
}

/// Where one device stands.
struct Place(Random, World);

impl Place {
    fn new() -> Self {
        Self(Random::new(1, "one"), World::default())
    }

    fn at(&mut self, now: i64) -> Moment<'_> {
        Moment { now, device_now: now, random: &mut self.0, world: &mut self.1, pace: 1.0 }
    }
}

/// What a device says within some minutes, and what it answers to one command after the first of them.
fn minutes(profile: &str, minutes: i64, command: Option<&str>) -> Vec<(i64, Values)> {
    let mut place = Place::new();
    let mut scene = Scene::new(&script(profile), "state", &mut place.at(MORNING));
    let mut heard = Vec::new();
    let mut due = MORNING;
    for now in (0..minutes * 60).map(|second| MORNING + second * 1_000) {
        if now == MORNING + 60_000
            && let Some(command) = command
        {
            assert_eq!(scene.told(command, "", &mut place.at(now)), Ok(()));
            due = now;
        }
        if now >= due {
            let mut said = Vec::new();
            due = scene.step(&mut place.at(now), &mut said);
            heard.extend(said.into_iter().map(|said| ((now - MORNING) / 1_000, said.values)));
        }
    }
    heard
}

#[test]
fn every_word_of_the_scripts_is_known() {
    let sheets = sheets();
    for script in all().unwrap() {
        let models: Vec<_> = script.profile.iter().chain(&script.makers).map(|id| &sheets[id]).collect();
        assert!(models.iter().all(|sheet| sheet.class == script.class), "{}", script.prefix);
        for phase in &script.phase {
            for name in script.always.keys().chain(phase.set.keys()) {
                let known = models.iter().any(|sheet| sheet.metric(name).is_some());
                assert!(known, "{}: nobody measures {name:?}", script.prefix);
            }
            for next in &phase.next {
                assert!(script.phase_named(next).is_some(), "{}: no phase {next:?}", script.prefix);
            }
        }
        for phase in script.command.values() {
            assert!(script.phase_named(phase).is_some(), "{}: no phase {phase:?}", script.prefix);
        }
        for sheet in models {
            let needed = sheet.metrics.iter().map(|metric| metric.name.as_str());
            let said = |name: &&str| {
                script.always.contains_key(*name)
                    || script.phase.iter().any(|phase| phase.set.contains_key(*name))
            };
            let silent: Vec<_> = needed.filter(|name| !said(name)).collect();
            // The electricity that a house gives back, a leak under a fridge: not everything happens.
            assert!(silent.len() <= 2, "{}: nothing is said of {silent:?}", sheet.id);
        }
    }
}

#[test]
fn a_gate_opens_and_shuts_when_it_is_told() {
    let heard = minutes("orderly-ga-1", 2, Some("open"));
    let first = |state: &str, from: i64| {
        heard.iter().find(|(at, v)| *at >= from && is(v, "barrier", state)).unwrap().0
    };
    let opening = first("opening", 60);
    let open = first("open", opening);
    assert_eq!(opening, 60);
    assert!((61..=63).contains(&open), "{open}");
    assert!(first("closed", open) <= 80, "a car passes, and it shuts again");
}

#[test]
fn an_escort_bed_is_unlocked_and_taken_away() {
    let heard = minutes("orderly-eb-1", 20, Some("unlock"));
    let unlocked = heard.iter().find(|(_, v)| is(v, "lock", "open")).unwrap();
    assert!(unlocked.0 == 60 && is(&unlocked.1, "dock", "in"), "{unlocked:?}");
    let (at, gone) = heard.iter().find(|(_, v)| is(v, "dock", "out")).unwrap();
    assert!((64..=67).contains(at) && is(gone, "state", "in_use"), "{at} {gone:?}");
    let (_, last) = heard.last().unwrap();
    assert!(number_of(last, "hours_out") > 0.0, "{last:?}");
}

#[test]
fn what_is_counted_never_goes_back_and_adds_up() {
    let heard = minutes("orderly-zc-1", 30, None);
    assert!(heard.len() > 80, "{}", heard.len());
    for pair in heard.windows(2) {
        assert!(number_of(&pair[1].1, "in") >= number_of(&pair[0].1, "in"));
    }
    for (_, values) in &heard {
        let (inside, outside, net) =
            (number_of(values, "in"), number_of(values, "out"), number_of(values, "net"));
        assert!(outside == (inside - net).max(0.0), "{values:?}");
        assert!(find(values, "occupancy").is_some());
    }
}

#[test]
fn a_valve_follows_its_coil() {
    let mut place = Place::new();
    let mut scene = Scene::new(&script("orderly-wa-1"), "reading", &mut place.at(MORNING));
    assert!(is(&scene.pass(&mut place.at(MORNING), 500.0), "valve", "open"));
    scene.written("coil 0", 0, &mut place.at(MORNING + 600));
    let shut = scene.pass(&mut place.at(MORNING + 900), 500.0);
    assert!(is(&shut, "valve", "closed") && number_of(&shut, "flow") == 0.0, "{shut:?}");
    scene.written("coil 7", 0, &mut place.at(MORNING + 950));
    scene.written("coil 0", 1, &mut place.at(MORNING + 1_000));
    assert!(is(&scene.pass(&mut place.at(MORNING + 1_500), 500.0), "valve", "open"));
}
