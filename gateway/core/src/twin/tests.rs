//! Watermarks, times that were not believed, and blobs that come back as they were.

use proptest::prelude::*;
use smallvec::smallvec;

use super::*;
use crate::reading::{Marks, Measured, Origin, Reading};
use crate::rule::{Base, Layout, NEVER, Phase, RuleState, Track};
use crate::value::{Quality, Value};

fn reading(n: i64, value: f64) -> Reading {
    Reading {
        origin: Origin { seq: n.unsigned_abs(), index: 0 },
        device: "d".parse().unwrap(),
        class: "c".parse().unwrap(),
        epoch: 0,
        stream: "s".parse().unwrap(),
        device_time: Some(Timestamp(n)),
        taken_at: Timestamp(n),
        received_at: Timestamp(n + 5),
        sequence: None,
        offset_ns: 7,
        profile: 9,
        marks: Marks::LATE,
        replaces: None,
        zone: None,
        values: smallvec![Measured {
            metric: "temp".parse().unwrap(),
            value: Value::Number(value),
            unit: "Cel".into(),
            quality: Quality::Good,
            reason: None,
            raw: None,
        }],
    }
}

#[test]
fn a_held_reading_comes_back() {
    let reading = reading(3, 4.5);
    let latest = Held::new(&reading).read().unwrap();
    assert_eq!(
        (latest.taken_at, latest.marks, latest.values),
        (reading.taken_at, reading.marks, reading.values)
    );
}

#[test]
fn only_times_at_or_behind_a_bound_may_have_been_seen() {
    let mut stream = StreamTwin::new("s".parse().unwrap(), 0);
    let seen = |stream: &StreamTwin, at: i64| stream.may_have_seen(Timestamp(at));
    assert!(!seen(&stream, 100));
    stream.note_time(Timestamp(100), None);
    assert!(seen(&stream, 100) && seen(&stream, 99) && !seen(&stream, 101));
    stream.note_time(Timestamp(500), Some(Disbelief::Ahead));
    stream.note_time(Timestamp(600), Some(Disbelief::Ahead));
    assert!(seen(&stream, 550) && !seen(&stream, 400) && !seen(&stream, 601));
    assert_eq!(stream.watermark, Some(Timestamp(100)));
    stream.note_time(Timestamp(700), None);
    assert!(stream.odd.as_ref().is_some_and(|odd| odd.ahead.is_none()), "the watermark has passed them");
    let mut stream = StreamTwin::new("s".parse().unwrap(), 0);
    stream.note_time(Timestamp(50), Some(Disbelief::Past));
    assert!(seen(&stream, 50) && !seen(&stream, 51));
    stream.restart(1);
    assert!(!seen(&stream, 50));
}

#[test]
fn remembers_a_bounded_number_of_payloads() {
    let mut stream = StreamTwin::new("s".parse().unwrap(), 0);
    for n in 0..1_000_u64 {
        stream.note_timeless(n << 32);
    }
    assert_eq!(stream.timeless.len(), 64);
    assert!(stream.is_timeless_repeat(999 << 32, true, false));
    assert!(stream.is_timeless_repeat(999 << 32, false, true));
    assert!(stream.is_timeless_repeat(990 << 32, true, false));
    assert!(!stream.is_timeless_repeat(990 << 32, false, true));
    assert!(!stream.is_timeless_repeat(1 << 32, true, true));
    assert!(!stream.is_timeless_repeat(999 << 32, false, false));
}

#[test]
fn says_what_is_wrong_with_a_blob() {
    let blob = encode(&Twin::default(), &Layout::default());
    assert_eq!(decode(&blob).unwrap().0, Twin::default());
    assert!(matches!(decode(&[]), Err(TwinError::Empty)));
    assert!(matches!(decode(&[1, 1]), Err(TwinError::Other(1))));
    assert!(matches!(decode(&blob[..blob.len() - 1]), Err(TwinError::Damaged(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_blob_comes_back(
        times in prop::collection::vec(0..1_000_000_i64, 0..5),
        boots in prop::collection::vec((any::<u64>(), 0..9_u32), 0..4),
        source in prop::option::of(0..300_u16),
        values in prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 5),
        tracks in prop::collection::vec((0..4_u8, 0..2_u8, -9..9_i64, 0..2_i64, 0..3_i64, 0..3_u32), 0..6),
    ) {
        let streams = times.iter().zip(&values).enumerate().map(|(n, (at, value))| {
            let mut stream = StreamTwin::new(format!("s{n}").parse().unwrap(), 1);
            stream.note_time(Timestamp(*at), if at % 3 == 0 { Some(Disbelief::Ahead) } else { None });
            stream.note_timeless(at.unsigned_abs() << 32);
            stream.latest = Some(Held::new(&reading(*at, *value)));
            stream
        }).collect();
        let tracks: Vec<Track> = tracks.into_iter().map(|(phase, stream, began, mark, due, life)| Track {
            phase: [Phase::Calm, Phase::Pending, Phase::Firing, Phase::Clearing][usize::from(phase)],
            stream,
            began: Timestamp(began),
            mark: Timestamp(mark),
            due: if due == 0 { NEVER } else { due },
            life,
            edge: if mark == 0 { NEVER } else { due - 9 },
            closed: due == 2,
        }).collect();
        let base = Base { values: values.clone(), tracks: tracks.clone(), windows: Vec::new(), at: Timestamp(3) };
        let rules = RuleState { values: values.clone(), base: Some(Box::new(base)), tracks, ..RuleState::default() };
        let twin = Twin { streams, boots, source, heard_at: Timestamp(7), heard_listening: 8, said_offline: true, too_large: 2, rules };
        let blob = encode(&twin, &Layout::new(&[], &[]));
        let (back, layout) = decode(&blob).unwrap();
        prop_assert_eq!(encode(&back, &layout), blob);
        prop_assert_eq!(back, twin);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut blob in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(first) = blob.first_mut() {
            *first = 2;
        }
        if let Ok((twin, layout)) = decode(&blob) {
            prop_assert!(!encode(&twin, &layout).is_empty());
        }
    }
}
