//! No data: of a device in listening time, of a metric in wall time, and never because of a gap of ours.

use super::bench::{Bench, START};
use crate::record::{ConfigKind, Flags, Order, TimerRun};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60_000;

fn of(bench: &mut Bench, rule: &str) -> Vec<String> {
    let steps = bench.steps();
    steps.iter().filter(|step| step.contains(rule)).map(|step| step.replace(rule, "")).collect()
}

fn device(bench: &mut Bench) -> Vec<String> {
    of(bench, "silent-device")
}

#[test]
fn a_silent_device_is_told_after_twice_what_it_promised() {
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 5.0);
    bench.run_to(2 * MINUTE);
    assert_eq!(device(&mut bench), Vec::<String>::new());
    bench.run_to(2 * MINUTE + SECOND);
    assert_eq!(device(&mut bench), [format!("fired @{}", 2 * MINUTE + SECOND)]);
    bench.at(5 * MINUTE).temp("f1", 5 * MINUTE, 5.0);
    assert_eq!(device(&mut bench)[1..], [format!("cleared @{}", 5 * MINUTE)]);
    bench.run_to(8 * MINUTE);
    assert_eq!(device(&mut bench).len(), 3, "and told again when it falls silent again");
}

#[test]
fn a_device_that_answered_is_not_missed_by_the_run_that_tells_so() {
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 5.0);
    // Under load a run comes late: the two minutes ran out before it, and the device answered before that.
    bench.at(2 * MINUTE + 3 * SECOND);
    bench.timer_run(&TimerRun { heard: vec!["f1".parse().unwrap()], ..TimerRun::default() });
    bench.run_to(4 * MINUTE);
    assert_eq!(device(&mut bench), Vec::<String>::new());
    bench.run_to(4 * MINUTE + 3 * SECOND);
    assert_eq!(device(&mut bench), [format!("fired @{}", 4 * MINUTE + 3 * SECOND)]);
}

#[test]
fn a_device_that_was_never_heard_counts_from_its_registration() {
    let mut bench = Bench::fridge();
    bench.run_to(2 * MINUTE);
    assert_eq!(device(&mut bench), [format!("fired @{}", 2 * MINUTE)]);
}

#[test]
fn a_restart_never_makes_a_device_silent() {
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 5.0);
    bench.run_to(MINUTE);
    bench.tick();
    bench.reboot(24 * 60 * MINUTE);
    let back = 24 * 60 * MINUTE + MINUTE;
    bench.tick();
    bench.run_to(back + 50 * SECOND);
    assert_eq!(device(&mut bench), Vec::<String>::new());
    // 59 s were heard out before the restart, 61 s after it: together the two minutes.
    bench.run_to(back + 61 * SECOND);
    assert_eq!(device(&mut bench).len(), 1);
}

#[test]
fn a_link_that_is_down_makes_no_device_silent() {
    let mut bench = Bench::fridge();
    bench.link("mqtt:main", true);
    let topic = "orderly/v1/main/cold_store/f1/up/reading";
    bench.at(SECOND);
    bench.send_as(Flags::default(), "mqtt:main", topic, r#"{"temp":5.0}"#);
    bench.at(MINUTE).link("mqtt:main", false);
    bench.run_to(60 * MINUTE);
    assert_eq!(device(&mut bench), Vec::<String>::new());
    bench.link("mqtt:main", true);
    bench.run_to(61 * MINUTE);
    assert_eq!(device(&mut bench), Vec::<String>::new());
    bench.run_to(61 * MINUTE + 2 * SECOND);
    assert_eq!(device(&mut bench).len(), 1);
}

#[test]
fn a_silent_poll_that_answered_is_a_sign_of_life() {
    let mut bench = Bench::fridge();
    for n in 1..10 {
        bench.run_to(n * MINUTE);
        bench.timer_run(&TimerRun { heard: vec!["f1".parse().unwrap()], ..TimerRun::default() });
    }
    assert_eq!(device(&mut bench), Vec::<String>::new());
}

#[test]
fn a_retained_message_is_no_sign_of_life_and_a_last_will_says_so() {
    let mut bench = Bench::fridge();
    let topic = "orderly/v1/main/cold_store/f1/up/reading";
    bench.at(SECOND);
    bench.send_as(Flags::RETAINED, "listener", topic, r#"{"temp":5.0}"#);
    assert_eq!(bench.view("f1").last_seen, None);
    bench.send_as(Flags::default(), "listener", topic, r#"{"temp":5.1}"#);
    assert!(!bench.view("f1").said_offline);
    bench.send_as(Flags::WILL, "listener", "orderly/v1/main/cold_store/f1/status", "online");
    assert!(bench.view("f1").said_offline);
    bench.send_as(Flags::default(), "listener", "orderly/v1/main/cold_store/f1/status", "online");
    assert!(!bench.view("f1").said_offline);
}

#[test]
fn links_that_flap_leave_no_entries_behind() {
    let mut bench = Bench::fridge();
    for n in 0..5_000 {
        bench.at(n * 10);
        bench.link("mqtt:main", n % 2 == 0);
        bench.temp("f1", n * 10, if n % 2 == 0 { 9.0 } else { 5.0 });
    }
    assert!(bench.engine.timers.len() < 3_000, "{} entries", bench.engine.timers.len());
    bench.run_to(60_000);
    bench.run_to(49_990 + 2 * MINUTE);
    assert_eq!(device(&mut bench).len(), 1);
}

#[test]
fn silence_of_a_metric_counts_from_the_last_good_value() {
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 5.0);
    for n in 1..20 {
        bench.run_to(n * MINUTE);
        bench.temp("f1", n * MINUTE, 99.0);
    }
    assert_eq!(of(&mut bench, "silent-temp"), [format!("fired @{}", 10 * MINUTE + SECOND)]);
    assert_eq!(device(&mut bench), Vec::<String>::new(), "the device itself is heard");
    bench.temp("f1", 19 * MINUTE, 6.0);
    assert_eq!(of(&mut bench, "silent-temp").len(), 2);
}

#[test]
fn an_old_value_does_not_end_a_silence_that_goes_on() {
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 5.0);
    bench.run_to(30 * MINUTE);
    bench.temp("f1", 5 * MINUTE, 5.0);
    assert_eq!(of(&mut bench, "silent-temp").len(), 1);
    bench.temp("f1", 29 * MINUTE, 5.0);
    assert_eq!(of(&mut bench, "silent-temp").len(), 2);
}

#[test]
fn after_a_gap_of_ours_a_metric_has_one_period_to_speak() {
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 5.0);
    bench.reboot(60 * MINUTE);
    let back = 60 * MINUTE + SECOND;
    bench.tick();
    bench.run_to(back + 59 * SECOND);
    assert_eq!(of(&mut bench, "silent-temp"), Vec::<String>::new());
    bench.temp("f1", back + 59 * SECOND, 5.0);
    bench.run_to(back + 9 * MINUTE);
    assert_eq!(of(&mut bench, "silent-temp"), Vec::<String>::new());
    // Nothing at all: told one period after we were back.
    bench.run_to(back + 59 * SECOND + 10 * MINUTE);
    assert_eq!(of(&mut bench, "silent-temp").len(), 1);
}

#[test]
fn presence_follows_what_the_profile_expects() {
    use crate::time::Timestamp;
    use crate::twin::Presence;
    let mut bench = Bench::fridge();
    assert_eq!(bench.view("f1").presence(Some(60_000), Timestamp(START)), Presence::NeverHeard);
    bench.at(SECOND).temp("f1", SECOND, 5.0);
    let view = bench.view("f1");
    for (after, presence) in
        [(90, Presence::Online), (91, Presence::Stale), (180, Presence::Stale), (181, Presence::Offline)]
    {
        let now = Timestamp(START + SECOND + after * SECOND);
        assert_eq!(view.presence(Some(60_000), now), presence, "{after} s");
    }
    assert_eq!(view.presence(None, Timestamp(i64::MAX)), Presence::Online);
}

#[test]
fn when_a_device_will_be_missed_is_told_as_it_changes() {
    let mut bench = Bench::fridge();
    let minute = 60_000;
    let there = |bench: &mut Bench| {
        bench.drain();
        let told: Vec<_> = bench.written.presence.iter().map(|(until, n)| (until.0 - START, *n)).collect();
        let mut known: Vec<_> = bench.engine.presence().map(|until| until.0 - START).collect();
        known.sort();
        assert_eq!(told.iter().map(|(until, _)| *until).collect::<Vec<_>>(), known);
        told
    };
    assert_eq!(there(&mut bench), [], "registered, but never heard");
    bench.at(1_000).temp("f1", 900, 5.0);
    assert_eq!(there(&mut bench), [(1_000 + 3 * minute, 1)]);
    bench.restore();
    bench.at(5_000).temp("f1", 4_900, 5.0);
    assert_eq!(there(&mut bench), [(5_000 + 3 * minute, 1)]);
    let slower = super::bench::FRIDGE.replace("1min", "2min");
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(&slower));
    assert_eq!(there(&mut bench), [(5_000 + 6 * minute, 1)]);
    bench.act("revoke", Order::RevokeDevice { device: "f1".parse().unwrap() });
    assert_eq!(there(&mut bench), []);
}
