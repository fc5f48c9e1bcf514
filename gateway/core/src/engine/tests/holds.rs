//! Holds, flushes, stragglers and clears, as DESIGN section 3 ("Time.") tells them.

use super::bench::Bench;

const SECOND: i64 = 1_000;

/// Only the steps of the rule with a hold of 10 s.
fn held(bench: &mut Bench) -> Vec<String> {
    let steps = bench.steps();
    steps.iter().filter(|step| step.contains("warm-hold")).map(|step| step.replace("warm-hold", "")).collect()
}

#[test]
fn without_a_hold_it_fires_at_once() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", 900, 13.0);
    assert_eq!(bench.steps(), ["fired warm-now@900"]);
    bench.at(2_000).temp("f1", 1_900, 5.0);
    assert_eq!(bench.steps()[1..], ["cleared warm-now@1900"]);
}

#[test]
fn a_reading_older_than_the_bound_starts_nothing() {
    let mut bench = Bench::fridge();
    bench.at(200 * SECOND).temp("f1", 70 * SECOND, 13.0);
    bench.run_to(400 * SECOND);
    assert!(bench.steps().iter().all(|step| !step.contains("warm")), "older than 2 min is history for rules");
    assert_eq!(bench.view("f1").latest.len(), 1, "but it is still the latest value");
}

/// What a hold does: readings as (received, taken, temperature) in seconds, the end of the watch, the steps.
type Row = (&'static str, &'static [(i64, i64, f64)], i64, &'static [&'static str]);

const LIVE: &[Row] = &[
    ("a timer fires it without a further reading", &[(1, 1, 9.0)], 11, &["fired @11000"]),
    ("not a moment early", &[(1, 1, 9.0)], 10, &[]),
    ("a reading that breaks it cancels", &[(1, 1, 9.0), (6, 6, 5.0)], 60, &[]),
    ("a reading that keeps it does not delay it", &[(1, 1, 9.0), (6, 6, 9.0)], 11, &["fired @11000"]),
    ("a reading at the due time proves it", &[(1, 1, 9.0), (11, 11, 9.0)], 11, &["fired @11000"]),
    (
        "it ends with the first cool reading",
        &[(1, 1, 9.0), (12, 12, 9.0), (20, 20, 5.0)],
        60,
        &["fired @11000", "cleared @20000"],
    ),
    ("what comes late but before it is due runs to its due time", &[(5, 1, 9.0)], 11, &["fired @11000"]),
];

const FLUSHED: &[Row] = &[
    ("one old reading alone does not fire it", &[(60, 40, 9.0)], 61, &[]),
    ("but silence of the stream does, after 2 s", &[(60, 40, 9.0)], 62, &["fired @50000"]),
    ("the next reading before the due time waits on", &[(60, 40, 9.0), (61, 45, 9.0)], 62, &[]),
    ("a reading at or after the due time proves it", &[(60, 40, 9.0), (60, 50, 9.0)], 60, &["fired @50000"]),
    ("later readings of the same flush disprove it", &[(60, 40, 9.0), (60, 44, 9.0), (60, 48, 5.0)], 99, &[]),
    ("a break at the due time disproves it too", &[(60, 40, 9.0), (60, 50, 5.0)], 99, &[]),
    (
        "true and already over fires once and clears",
        &[(60, 30, 9.0), (60, 41, 9.0), (60, 55, 5.0)],
        60,
        &["fired @40000", "cleared @55000"],
    ),
];

const STRAGGLERS: &[Row] = &[
    ("a straggler may cancel what is pending", &[(10, 10, 9.0), (15, 15, 9.0), (16, 12, 5.0)], 24, &[]),
    (
        "and the hold then counts from after it",
        &[(10, 10, 9.0), (15, 15, 9.0), (16, 12, 5.0)],
        25,
        &["fired @25000"],
    ),
    ("a straggler may start it earlier", &[(15, 15, 9.0), (16, 10, 9.0)], 20, &["fired @20000"]),
    (
        "a straggler may prove it",
        &[(30, 30, 5.0), (31, 10, 9.0), (31, 21, 9.0)],
        31,
        &["fired @20000", "cleared @30000"],
    ),
    (
        "a straggler that is broken before the due time fires nothing",
        &[(30, 30, 5.0), (31, 25, 9.0)],
        99,
        &[],
    ),
    (
        "what was raised is only cleared",
        &[(10, 10, 9.0), (21, 21, 9.0), (22, 15, 5.0)],
        30,
        &["fired @20000", "cleared @15000"],
    ),
    (
        "and what follows the straggler is an alert of its own",
        &[(10, 10, 9.0), (21, 21, 9.0), (22, 15, 5.0)],
        31,
        &["fired @20000", "cleared @15000", "fired @31000"],
    ),
    (
        "a straggler that fits changes nothing",
        &[(10, 10, 9.0), (21, 21, 9.0), (22, 15, 9.0), (30, 30, 5.0)],
        99,
        &["fired @20000", "cleared @30000"],
    ),
];

fn check(rows: &[Row]) {
    for (name, readings, until, expected) in rows {
        for restores in [false, true] {
            let mut bench = Bench::fridge();
            for (received, taken, temp) in *readings {
                bench.run_to(received * SECOND);
                bench.temp("f1", taken * SECOND, *temp);
                if restores {
                    bench.restore();
                }
            }
            bench.run_to(until * SECOND);
            assert_eq!(held(&mut bench), *expected, "{name}, restored: {restores}");
        }
    }
}

#[test]
fn the_truth_table_of_live_holds() {
    check(LIVE);
}

#[test]
fn the_truth_table_of_flushed_buffers() {
    check(FLUSHED);
}

#[test]
fn the_truth_table_of_stragglers() {
    check(STRAGGLERS);
}

#[test]
fn an_alert_that_a_straggler_ends_says_so() {
    let mut bench = Bench::fridge();
    for (received, taken, temp) in [(10, 10, 9.0), (21, 21, 9.0), (22, 15, 5.0)] {
        bench.run_to(received * SECOND);
        bench.temp("f1", taken * SECOND, temp);
    }
    bench.drain();
    let alert = bench.written.alerts.values().find(|alert| alert.rule.as_str() == "warm-hold").unwrap();
    assert_eq!(alert.cleared_reason.as_deref(), Some("late_reading"));
    assert_eq!(alert.transition, 2);
}

#[test]
fn a_hold_survives_a_restart_and_waits_for_what_was_kept_back() {
    // Still so: nothing comes for two seconds after the restart.
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 9.0);
    bench.reboot(30 * SECOND);
    bench.tick();
    assert_eq!(held(&mut bench), Vec::<String>::new());
    bench.run_to(33 * SECOND);
    assert_eq!(held(&mut bench), ["fired @11000"]);
    // Disproved by what the device kept back.
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 9.0);
    bench.reboot(30 * SECOND);
    bench.temp("f1", 4 * SECOND, 9.0);
    bench.temp("f1", 8 * SECOND, 5.0);
    bench.run_to(60 * SECOND);
    assert_eq!(held(&mut bench), Vec::<String>::new());
}

#[test]
fn a_step_of_the_wall_clock_moves_no_timer() {
    for step in [-3_600_000, 3_600_000] {
        let mut bench = Bench::fridge();
        bench.at(SECOND).temp("f1", SECOND, 9.0);
        bench.pass(4 * SECOND);
        bench.tick();
        bench.now.wall = bench.now.wall.plus_ms(step);
        bench.tick();
        bench.pass(5 * SECOND);
        bench.tick();
        assert_eq!(held(&mut bench), Vec::<String>::new(), "step {step}");
        bench.restore();
        bench.pass(SECOND);
        bench.tick();
        assert_eq!(held(&mut bench), ["fired @11000"], "step {step}");
    }
}

#[test]
fn a_replayed_episode_is_not_taken_for_its_neighbour() {
    // Fired by its timer at 10 s; a straggler then shows an earlier episode that ended where this one began.
    let mut bench = Bench::fridge();
    bench.at(0).temp("f1", 0, 5.0);
    bench.temp("f1", 0, 9.0);
    bench.temp("f1", -500, 9.0);
    bench.run_to(10 * SECOND);
    bench.temp("f1", -10_500, 9.0);
    assert_eq!(held(&mut bench), ["fired @10000", "fired @-500", "cleared @0"]);
    assert_eq!(bench.written.alerts.len(), 2);
}

#[test]
fn an_alert_is_known_as_long_as_a_replay_can_reach_it() {
    // Readings ahead of the gateway's clock: the alert is over before the window has passed its beginning.
    let mut bench = Bench::fridge();
    bench.at(0);
    for (taken, temp) in [(60, 5.0), (90, 5.0), (1, 9.0), (12, 9.0)] {
        bench.temp("f1", taken * SECOND, temp);
    }
    bench.at(185 * SECOND).temp("f1", 89 * SECOND, 5.0);
    assert_eq!(held(&mut bench), ["fired @11000", "cleared @60000"]);
}

#[test]
fn what_a_broker_kept_decides_nothing() {
    let mut bench = Bench::fridge();
    let topic = "orderly/v1/main/cold_store/f1/up/reading";
    bench.send_as(crate::record::Flags::RETAINED, "mqtt:main", topic, r#"{"temp":13.0}"#);
    assert_eq!(bench.steps(), Vec::<String>::new());
    assert_eq!(bench.readings().len(), 1);
}

#[test]
fn the_same_moment_may_fire_twice_under_two_names() {
    let mut bench = Bench::fridge();
    bench.at(SECOND).temp("f1", SECOND, 13.0);
    bench.temp("f1", SECOND, 5.0);
    bench.temp("f1", SECOND, 14.0);
    bench.drain();
    let names: Vec<_> = bench.written.alerts.values().map(|alert| alert.began_at.0).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
    assert_eq!(bench.steps().len(), 3);
}

#[test]
fn a_straggler_before_all_that_is_kept_is_counted() {
    let mut bench = Bench::fridge();
    for second in 10..60 {
        bench.at(second * SECOND).temp("f1", second * SECOND, 5.0);
    }
    let counts = |bench: &mut Bench| {
        let out = bench.engine.drain();
        let counts = out.counts;
        bench.written.take(out);
        counts
    };
    assert_eq!(counts(&mut bench).unreplayed, 0);
    bench.temp("f1", 50_500, 6.0);
    let near = counts(&mut bench);
    assert_eq!((near.late, near.unreplayed), (1, 0), "it is replayed");
    bench.temp("f1", 12_500, 13.0);
    let far = counts(&mut bench);
    assert_eq!((far.readings, far.late, far.unreplayed), (1, 1, 1), "kept, but no rule can say anything");
    assert_eq!(bench.steps(), Vec::<String>::new());
}
