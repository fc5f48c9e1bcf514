//! The same records give the same output, wherever it is drained and however often it is restored.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::bench::{Bench, FRIDGE, START, Written};
use crate::alert::Condition;
use crate::reading::Marks;
use crate::record::{ConfigKind, Flags, Order, Work};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// A reading of a device, taken so long before now, of one of a few temperatures.
    Temp {
        device: u8,
        age_ms: i64,
        temp: u8,
    },
    /// A reading without time.
    Timeless {
        device: u8,
        temp: u8,
        flags: u8,
    },
    Garbage,
    Pass(i64),
    /// Time passes and the engine is asked what is due, as the shell does.
    Run(i64),
    Link(bool),
    Step(i64),
    Restart(i64),
    Acknowledge,
    Close,
    /// Somebody does something about the first open task, or opens the last one again.
    Work(u8),
    Epoch(u8),
    /// Rules change, or go, or come back.
    Rules(u8),
    /// A device is taken off the register, or put on it again.
    Revoke(u8),
    Register(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let age =
        prop_oneof![4 => 0..3_000_i64, 3 => 0..130_000_i64, 1 => -700_000..0_i64, 1 => Just(100_000_000)];
    prop_oneof![
        12 => (0..3_u8, age, 0..6_u8).prop_map(|(device, age_ms, temp)| Event::Temp { device, age_ms: age_ms / 500 * 500, temp }),
        2 => (0..3_u8, 0..3_u8, 0..4_u8).prop_map(|(device, temp, flags)| Event::Timeless { device, temp, flags }),
        1 => Just(Event::Garbage),
        4 => (0..4_000_i64).prop_map(|ms| Event::Pass(ms / 500 * 500)),
        3 => (0..200_000_i64).prop_map(|ms| Event::Run(ms / 500 * 500)),
        1 => any::<bool>().prop_map(Event::Link),
        1 => (-5_000..5_000_i64).prop_map(Event::Step),
        1 => (0..300_000_i64).prop_map(Event::Restart),
        1 => Just(Event::Acknowledge),
        1 => Just(Event::Close),
        3 => (0..6_u8).prop_map(Event::Work),
        1 => (0..3_u8).prop_map(Event::Epoch),
        1 => (0..4_u8).prop_map(Event::Rules),
        1 => (0..3_u8).prop_map(Event::Revoke),
        1 => (0..3_u8).prop_map(Event::Register),
    ]
}

const TEMPS: [f64; 6] = [4.0, 5.0, 9.0, 9.5, 13.0, 99.0];

/// The rules of the bench, each with a task.
fn rules() -> String {
    super::bench::RULES.replace("team = \"pharmacy\"", "team = \"pharmacy\"\ntask = \"repair\"")
}

fn happen(bench: &mut Bench, event: &Event, number: usize) {
    let source = |device: u8| if device == 0 { "mqtt:main" } else { "listener" };
    let topic = |device: u8| format!("orderly/v1/main/cold_store/f{device}/up/reading");
    match event {
        Event::Temp { device, age_ms, temp } => {
            let taken = bench.now.wall.0 - age_ms;
            let body = format!(r#"{{"temp":{},"t":{taken}}}"#, TEMPS[usize::from(*temp)]);
            bench.send_as(Flags::ANONYMOUS, source(*device), &topic(*device), &body);
        }
        Event::Timeless { device, temp, flags } => {
            let flags =
                [Flags::default(), Flags::DUP, Flags::AFTER_RECONNECT, Flags::RETAINED][usize::from(*flags)];
            let body = format!(r#"{{"temp":{}}}"#, TEMPS[usize::from(*temp)]);
            bench.send_as(flags.with(Flags::ANONYMOUS), source(*device), &topic(*device), &body);
        }
        Event::Garbage => bench.send_as(Flags::default(), "listener", &topic(1), "{"),
        Event::Pass(ms) => bench.pass(*ms),
        Event::Run(ms) => {
            let until = bench.now.wall.0 - START + ms;
            bench.run_to(until);
        }
        Event::Link(up) => bench.link("mqtt:main", *up),
        Event::Step(ms) => bench.now.wall = bench.now.wall.plus_ms(*ms),
        Event::Restart(down) => {
            bench.now.wall = bench.now.wall.plus_ms(*down);
            bench.now.steady_ms = 10;
            bench.now.boot += 1;
            bench.tick();
        }
        Event::Acknowledge | Event::Close => {
            // Alerts that are over leave the engine with the next drain; a person sees only the others.
            let mut open =
                bench.engine.alerts.values().filter(|alert| !crate::engine::alerts::is_over(alert));
            let id = open.next().map_or_else(|| "none".to_owned(), |alert| alert.id.to_string());
            let order = match event {
                Event::Close => Order::CloseAlert { alert: id, outcome: "repaired".to_owned() },
                _ => Order::AcknowledgeAlert { alert: id },
            };
            bench.act(&format!("k{}", number % 40), order);
        }
        Event::Work(what) => {
            let mut tasks = bench.engine.worklist.open_tasks();
            let id = tasks.next().map_or_else(|| "none".to_owned(), |task| task.id.to_string());
            let work = match what {
                0 => Work::Claim,
                1 => Work::Release { note: String::new() },
                2 => Work::HandOver { to: "bea".parse().unwrap(), note: String::new() },
                3 => Work::Attempt { note: "nobody there".into(), next_at: None },
                4 => Work::Finish { outcome: "repaired".into(), note: String::new(), second: None },
                _ => Work::Snooze { until: bench.now.wall.plus_ms(60_000), note: "a walk first".into() },
            };
            drop(tasks);
            let who = number.is_multiple_of(3).then(|| "bea".parse().unwrap());
            bench.act(&format!("w{}", number % 50), Order::WorkTask { task: id, who, work });
        }
        Event::Epoch(device) => {
            let device = format!("f{device}").parse().unwrap();
            bench.act(&format!("e{number}"), Order::NewEpoch { device });
        }
        Event::Revoke(device) => {
            let device = format!("f{device}").parse().unwrap();
            bench.act(&format!("r{number}"), Order::RevokeDevice { device });
        }
        Event::Register(device) => bench.register(&format!("f{device}"), "cold_store"),
        Event::Rules(which) => {
            let text = match which {
                0 => Some(rules()),
                1 => Some(rules().replace("temp > 12", "temp > 9")),
                2 => Some(rules().replace(
                    "when = \"temp > 8\"",
                    "when = \"temp > 8\"\nclear = \"temp < 5\"\nclear_after = \"5s\"",
                )),
                _ => None,
            };
            bench.config(ConfigKind::Rule("fridges".parse().unwrap()), text.as_deref());
        }
    }
}

fn begin() -> Bench {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(FRIDGE));
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(&rules()));
    bench
}

/// Runs the events; before each, `cut` says whether to go on (0), drain (1) or drain and restore (2).
fn run(events: &[Event], cut: impl Fn(usize) -> u8) -> Written {
    let mut bench = begin();
    for (number, event) in events.iter().enumerate() {
        match cut(number) {
            0 => {}
            1 => bench.drain(),
            _ => bench.restore(),
        }
        happen(&mut bench, event, number);
    }
    bench.drain();
    bench.written.standing = bench.engine.presence().collect();
    bench.written.standing.sort();
    bench.written
}

/// What is wrong with the steps of an alert: each has a name of its own, begins firing and counts from 1.
fn out_of_step(written: &Written) -> Option<String> {
    let mut last: BTreeMap<&str, (u32, Condition)> = BTreeMap::new();
    for step in &written.transitions {
        let before = last.insert(&step.alert, (step.number, step.condition));
        let right = match before {
            None => (step.number, step.condition) == (1, Condition::Firing),
            Some((number, condition)) => {
                step.number == number + 1
                    && (condition != Condition::Cleared || step.condition == Condition::Cleared)
            }
        };
        if !right {
            return Some(format!("{step:?} after {before:?}"));
        }
    }
    let wrong = written
        .alerts
        .iter()
        .find(|(id, alert)| last.get(&***id) != Some(&(alert.transition, alert.condition)));
    wrong.map(|(_, alert)| format!("{alert:?} is not as its last step left it"))
}

/// Sequences that the property met once; each has a story in its test.
#[track_caller]
fn in_step(events: &[Event]) {
    for cut in 0..3 {
        assert_eq!(out_of_step(&run(events, |_| cut)), None, "cut {cut}");
    }
}

const fn temp(age_ms: i64, temp: u8) -> Event {
    Event::Temp { device: 0, age_ms, temp }
}

#[test]
fn a_rule_that_comes_back_in_the_same_moment_raises_no_alert_twice() {
    let rules = [Event::Rules(0), Event::Rules(3), Event::Rules(0)];
    let silent = [Event::Rules(3), temp(0, 0), Event::Run(20_000), Event::Run(100_000)];
    in_step(&[&silent[..], &rules, &[temp(0, 0)]].concat());
}

#[test]
fn a_rule_that_comes_back_may_see_the_same_moment_again_in_a_reading_that_contradicts() {
    let events = [
        temp(0, 2),
        Event::Run(12_000),
        Event::Rules(3),
        Event::Rules(0),
        temp(12_000, 3),
        Event::Run(9_000),
    ];
    in_step(&events);
}

#[test]
fn a_device_that_comes_back_on_the_register_raises_no_alert_twice() {
    let again = [Event::Revoke(0), Event::Register(0)];
    let silent = [temp(0, 0), Event::Run(120_000), Event::Revoke(0), Event::Register(0), Event::Run(120_000)];
    in_step(&[&silent[..], &again, &again, &[Event::Run(120_000)]].concat());
    in_step(&[&[temp(0, 4)][..], &again, &[temp(0, 5), temp(0, 4), temp(0, 3), Event::Run(20_000)]].concat());
}

#[test]
fn a_straggler_before_two_readings_of_one_moment_raises_each_alert_once() {
    in_step(&[temp(1_500, 0), temp(1_500, 4), temp(2_000, 4)]);
}

#[test]
fn a_repeat_after_a_step_of_the_wall_clock_moves_the_timer_with_or_without_a_restart() {
    let timeless = |flags| Event::Timeless { device: 0, temp: 2, flags };
    let events = [timeless(0), Event::Pass(6_000), Event::Step(4_500), timeless(1), Event::Run(20_000)];
    assert_eq!(run(&events, |_| 0).transitions, run(&events, |_| 2).transitions);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn drains_and_restores_change_nothing(
        events in prop::collection::vec(event(), 1..120),
        cuts in prop::collection::vec(0..3_u8, 120),
    ) {
        let whole = run(&events, |_| 0);
        let each = run(&events, |_| 1);
        let cut = run(&events, |number| cuts[number]);
        let mut standing = BTreeMap::new();
        for until in whole.standing.iter().copied() {
            *standing.entry(until).or_default() += 1;
        }
        prop_assert_eq!(&standing, &whole.presence);
        for other in [each, cut] {
            prop_assert_eq!(&whole.readings, &other.readings);
            prop_assert_eq!(&whole.transitions, &other.transitions);
            prop_assert_eq!(&whole.answers, &other.answers);
            prop_assert_eq!(&whole, &other);
        }
    }

    #[test]
    fn every_alert_steps_one_by_one(events in prop::collection::vec(event(), 1..120)) {
        let written = run(&events, |_| 0);
        prop_assert_eq!(out_of_step(&written), None);
    }

    #[test]
    fn everything_sent_twice_is_kept_once(events in prop::collection::vec(event(), 1..60), cuts in prop::collection::vec(0..3_u8, 60)) {
        let timed: Vec<Event> = events.into_iter().filter(|event| matches!(event, Event::Temp { age_ms, .. } if *age_ms < 90_000_000)).collect();
        let once = run(&timed, |_| 0);
        let mut bench = begin();
        for round in 0..2 {
            for (number, event) in timed.iter().enumerate() {
                if round == 0 {
                    happen(&mut bench, event, number);
                } else if let Event::Temp { device, age_ms, temp } = event {
                    // The same device time again, from a minute later on.
                    let later = Event::Temp { device: *device, age_ms: age_ms + 60_000, temp: *temp };
                    happen(&mut bench, &later, number);
                }
                if cuts[number] > 0 {
                    bench.restore();
                }
            }
            bench.pass(60_000);
        }
        bench.drain();
        prop_assert_eq!(once.readings.len(), bench.written.readings.len());
    }

    #[test]
    fn the_order_of_arrival_changes_no_figure(
        temps in prop::collection::btree_map(0..100_i64, 0..6_usize, 1..40),
        seed in prop::collection::vec(any::<u32>(), 40),
    ) {
        // All arrive within the bound, in order and shuffled.
        let ordered: Vec<(i64, f64)> = temps.iter().map(|(at, temp)| (at * 1_000, TEMPS[*temp])).collect();
        let mut shuffled: Vec<_> = ordered.iter().zip(&seed).map(|(reading, key)| (*key, *reading)).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let figures = |readings: Vec<(i64, f64)>| {
            let mut bench = Bench::fridge();
            bench.at(100_000);
            for (at, temp) in readings {
                bench.temp("f1", at, temp);
            }
            let view = bench.view("f1");
            let latest = view.latest.first().map(|(_, latest)| (latest.taken_at, latest.values.clone()));
            let mut set: Vec<_> = bench.written.readings.iter()
                .map(|r| (r.taken_at, r.offset_ns, format!("{:?}", r.values)))
                .collect();
            set.sort();
            let suspect = bench.written.readings.iter().any(|r| r.marks.has(Marks::CLOCK_SUSPECT));
            // After the last reading all is settled; what is still so must be told the same way.
            bench.run_to(130_000);
            let firing: Vec<_> = bench.engine.alerts.values()
                .filter(|alert| alert.condition == Condition::Firing)
                .map(|alert| alert.rule.clone())
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect();
            (latest, set, suspect, firing)
        };
        let shuffled: Vec<(i64, f64)> = shuffled.into_iter().map(|(_, reading)| reading).collect();
        prop_assert_eq!(figures(ordered), figures(shuffled));
    }
}
