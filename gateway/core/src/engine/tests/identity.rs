//! Repeats, conflicts, clocks, streams, epochs.

use super::bench::{Bench, COUNTER, START};
use crate::dedupe::{CountedOffset, replaces};
use crate::output::Counts;
use crate::reading::Marks;
use crate::record::{ConfigKind, Flags};
use crate::time::Timestamp;

const TOPIC: &str = "orderly/v1/main/cold_store/f1/up/reading";

fn marks(bench: &mut Bench) -> Vec<Marks> {
    bench.readings().iter().map(|reading| reading.marks).collect()
}

#[test]
fn a_repeat_is_dropped_wherever_the_first_one_is() {
    // Undrained, drained, and restored.
    for step in 0..3 {
        let mut bench = Bench::fridge();
        bench.at(1_000).temp("f1", 900, 5.0);
        bench.temp("f1", 950, 5.5);
        match step {
            0 => {}
            1 => bench.drain(),
            _ => bench.restore(),
        }
        bench.at(60_000).temp("f1", 900, 5.0);
        bench.temp("f1", 950, 5.5);
        assert_eq!(bench.readings().len(), 2, "step {step}");
        assert_eq!(bench.view("f1").last_seen, Some(Timestamp(START + 60_000)), "a repeat is a sign of life");
    }
}

#[test]
fn the_same_time_with_other_values_is_kept_and_marked() {
    for drained in [false, true] {
        let mut bench = Bench::fridge();
        bench.at(1_000).temp("f1", 900, 5.0);
        if drained {
            bench.drain();
        }
        bench.temp("f1", 900, 6.0);
        bench.temp("f1", 900, 6.0);
        assert_eq!(marks(&mut bench), [Marks::default(), Marks::CONFLICT]);
    }
}

#[test]
fn a_profile_may_ask_that_the_later_one_replaces() {
    let text = super::bench::FRIDGE
        .replace("[expect]", "[dedupe]\nby = \"time+value\"\ncorrect = \"replace\"\n[expect]");
    for drained in [false, true] {
        let mut bench = replacing(&text);
        for (received, temp) in [(1_000, 5.0), (2_000, 6.0), (3_000, 5.0), (4_000, 6.0), (5_000, 7.0)] {
            bench.at(received).temp("f1", 900, temp);
            if drained {
                bench.restore();
            }
        }
        // The old one and the correction, sent again, are repeats.
        assert_eq!(marks(&mut bench), [Marks::default(), Marks::CORRECTION, Marks::CORRECTION]);
        let readings = bench.readings();
        assert!(replaces(&readings[1], &readings[0]) && replaces(&readings[2], &readings[0]));
        assert!(replaces(&readings[2], &readings[1]) && !replaces(&readings[1], &readings[2]));
        let points: Vec<_> = readings.iter().map(crate::reading::Reading::export_ns).collect();
        assert!(points.iter().all(|point| *point == points[0]), "one point outside: {points:?}");
        let view = bench.view("f1");
        assert_eq!(view.latest[0].1.values[0].value, crate::value::Value::Number(7.0));
    }
}

fn replacing(profile: &str) -> Bench {
    let mut bench = Bench::fridge();
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(profile));
    bench
}

#[test]
fn a_clock_that_stands_still_replaces_nothing() {
    let mut bench = replacing(
        &super::bench::FRIDGE
            .replace("[expect]", "[dedupe]\nby = \"time+value\"\ncorrect = \"replace\"\n[expect]"),
    );
    for temp in [5.0, 6.0, 7.0] {
        bench.pass(1_000);
        bench.temp("f1", -START, temp);
    }
    let both = Marks::CLOCK_SUSPECT.with(Marks::CONFLICT);
    assert_eq!(marks(&mut bench), [Marks::CLOCK_SUSPECT, both, both]);
    let readings = bench.readings().to_vec();
    assert!(readings.iter().all(|one| readings.iter().all(|other| !replaces(one, other))));
}

#[test]
fn a_clock_ahead_or_never_set_is_suspect_and_moves_no_watermark() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", 3_600_000, 5.0);
    bench.temp("f1", -START + 5_000, 5.1);
    bench.temp("f1", 900, 5.2);
    bench.temp("f1", 800, 5.3);
    assert_eq!(
        marks(&mut bench),
        [Marks::CLOCK_SUSPECT, Marks::CLOCK_SUSPECT, Marks::default(), Marks::LATE]
    );
    let readings = bench.readings();
    assert_eq!(readings[0].taken_at, Timestamp(START + 1_000), "taken when it was received");
    assert_eq!(readings[0].device_time, Some(Timestamp(START + 3_600_000)), "but its own time is kept");
    // Sent again they are known, although the watermark never saw them.
    bench.temp("f1", 3_600_000, 5.0);
    bench.temp("f1", -START + 5_000, 5.1);
    assert_eq!(bench.readings().len(), 4);
    // An hour later the same time is plausible, and still a repeat.
    bench.at(3_600_000).temp("f1", 3_600_000, 5.0);
    assert_eq!(bench.readings().len(), 4);
}

#[test]
fn a_very_old_reading_is_history_and_touches_nothing() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", -90_000_000, 20.0);
    assert_eq!(marks(&mut bench), [Marks::HISTORY]);
    assert!(bench.view("f1").latest.is_empty());
    bench.temp("f1", -90_000_000, 20.0);
    assert_eq!(bench.readings().len(), 1, "and its repeat is known");
    assert_eq!(bench.steps(), Vec::<String>::new());
}

#[test]
fn without_time_only_what_may_have_been_sent_twice_is_a_repeat() {
    let mut bench = Bench::fridge();
    let send = |bench: &mut Bench, flags, body| bench.send_as(flags, "listener", TOPIC, body);
    let (warm, cold) = (r#"{"temp":9.0}"#, r#"{"temp":3.0}"#);
    send(&mut bench, Flags::default(), warm);
    send(&mut bench, Flags::default(), warm);
    assert_eq!(bench.readings().len(), 2, "an equal value is a new reading");
    send(&mut bench, Flags::default(), cold);
    send(&mut bench, Flags::DUP, warm);
    assert_eq!(bench.readings().len(), 3);
    send(&mut bench, Flags::AFTER_RECONNECT, cold);
    assert_eq!(bench.readings().len(), 3);
    send(&mut bench, Flags::AFTER_RECONNECT, warm);
    assert_eq!(bench.readings().len(), 4, "a state that came back must not be lost");
}

#[test]
fn a_sequence_tells_readings_of_one_time_apart() {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("monitor".parse().unwrap()), Some(COUNTER));
    bench.register("m1", "bedside_monitor");
    let topic = "orderly/v1/main/bedside_monitor/m1/up/vitals";
    for (body, kept) in [
        (format!(r#"{{"hr":80,"seq":1,"t":{START}}}"#), 1),
        (format!(r#"{{"hr":80,"seq":2,"t":{START}}}"#), 2),
        (format!(r#"{{"hr":80, "seq":2,"t":{START}}}"#), 2),
        (r#"{"hr":80,"seq":7}"#.to_owned(), 3),
        (r#"{"hr":80,"seq":7}"#.to_owned(), 3),
        (r#"{"hr":81,"seq":7}"#.to_owned(), 4),
        (r#"{"hr":81,"seq":6}"#.to_owned(), 5),
    ] {
        bench.send_as(Flags::default(), "listener", topic, &body);
        assert_eq!(bench.readings().len(), kept, "{body}");
    }
    assert!(marks(&mut bench).iter().all(|marks| *marks == Marks::default()), "no conflict with sequences");
    // Stores leave the exported nanoseconds out where they follow from time and sequence.
    for r in bench.readings() {
        let offset = CountedOffset::new(&r.device, r.epoch, &r.stream);
        assert_eq!(r.sequence.map(|s| offset.of(r.device_time, s)), Some(r.offset_ns));
    }
}

#[test]
fn a_boot_id_begins_an_epoch_and_old_ones_are_known_again() {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("monitor".parse().unwrap()), Some(COUNTER));
    bench.register("m1", "bedside_monitor");
    let topic = "orderly/v1/main/bedside_monitor/m1/up/vitals";
    let send = |bench: &mut Bench, boot: &str, seq: u64, t: i64| {
        let body = format!(r#"{{"hr":80,"boot":"{boot}","seq":{seq},"t":{}}}"#, START + t);
        bench.send_as(Flags::default(), "listener", topic, &body);
    };
    send(&mut bench, "a", 1, 0);
    send(&mut bench, "b", 1, 0);
    send(&mut bench, "a", 1, 0);
    send(&mut bench, "b", 1, 0);
    let epochs: Vec<u32> = bench.readings().iter().map(|reading| reading.epoch).collect();
    assert_eq!(epochs, [0, 1]);
    assert_eq!(bench.written.devices["m1"].epoch, 1);
    bench.restore();
    send(&mut bench, "a", 1, 0);
    assert_eq!(bench.readings().len(), 2);
}

#[test]
fn a_device_has_at_most_64_streams() {
    let mut bench = Bench::fridge();
    for n in 0..65 {
        let topic = format!("orderly/v1/main/cold_store/f1/up/s{n}");
        bench.send_as(Flags::default(), "listener", &topic, r#"{"temp":5.0}"#);
    }
    assert_eq!(bench.readings().len(), 64);
    assert_eq!(bench.quarantine_codes(), ["too_many_streams"]);
}

#[test]
fn counts_what_it_notices() {
    let mut bench = Bench::fridge();
    bench.drain();
    bench.at(1_000).temp("f1", 900, 5.0);
    bench.temp("f1", 900, 5.0);
    bench.temp("f1", 900, 6.0);
    bench.temp("f1", 800, 5.0);
    bench.temp("f1", 3_600_000, 5.0);
    bench.send_as(Flags::default(), "listener", TOPIC, "{");
    let counts = bench.engine.drain().counts;
    let expected = Counts {
        records: 6,
        readings: 4,
        repeats: 1,
        late: 1,
        unreplayed: 0,
        clock_suspect: 1,
        conflicts: 1,
        corrections: 0,
        quarantined: 1,
    };
    assert_eq!(counts, expected);
}

#[test]
fn a_counter_that_wrapped_is_compared_with_its_nearest_only() {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("monitor".parse().unwrap()), Some(COUNTER));
    bench.register("m1", "bedside_monitor");
    let say = |bench: &mut Bench, hr: u32| {
        let body = format!(r#"{{"hr":{hr},"seq":7}}"#);
        bench.say("orderly/v1/main/bedside_monitor/m1/up/reading", &body);
        bench.readings().len()
    };
    assert_eq!(say(&mut bench, 80), 1);
    assert_eq!(say(&mut bench, 80), 1, "sent again");
    assert_eq!(say(&mut bench, 90), 2, "the counter has come round");
    assert_eq!(say(&mut bench, 80), 3, "once more: nearer than its like is one that differs");
    assert_eq!(say(&mut bench, 80), 3);
}
