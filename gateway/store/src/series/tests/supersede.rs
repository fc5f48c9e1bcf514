//! Corrections: what they replace is in no figure and no list, but still found when it is asked for.

use super::super::*;
use orderly_core::dedupe::{Lookup, replaces};
use orderly_core::ids::{DeviceId, MetricId, StreamId};
use orderly_core::reading::{Marks, Measured, Origin};
use orderly_core::value::{Quality, Value};
use proptest::prelude::*;
use smallvec::smallvec;

const T0: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000;
const DAY: i64 = 86_400_000;

fn device() -> DeviceId {
    DeviceId::new("bp-1").unwrap()
}

/// A value of one moment; `marks` says whether it corrects.
fn reading(seq: u64, second: i64, value: f64, marks: Marks) -> Reading {
    let taken_at = Timestamp(T0 + second * 1000);
    Reading {
        origin: Origin { seq, index: 0 },
        device: device(),
        class: ClassId::new("bp_meter").unwrap(),
        epoch: 0,
        stream: StreamId::new("reading").unwrap(),
        device_time: Some(taken_at),
        taken_at,
        received_at: taken_at.plus_ms(50),
        sequence: None,
        offset_ns: 7,
        profile: 42,
        marks,
        replaces: None,
        zone: None,
        values: smallvec![Measured {
            metric: MetricId::new("sys").unwrap(),
            value: Value::Number(value),
            unit: "mm[Hg]".into(),
            quality: Quality::Good,
            reason: None,
            raw: None,
        }],
    }
}

fn correction(seq: u64, second: i64, value: f64) -> Reading {
    reading(seq, second, value, Marks::CORRECTION)
}

fn plain(seq: u64, second: i64, value: f64) -> Reading {
    reading(seq, second, value, Marks::default())
}

/// Applies each reading by itself, and seals behind those records.
fn store(dir: &Path, readings: &[Reading], sealed_after: &[u64]) -> SeriesStore {
    let mut store = SeriesStore::open(dir).unwrap();
    for r in readings {
        let seq = r.origin.seq;
        store.apply(seq, seq, [r]).unwrap();
        if sealed_after.contains(&seq) {
            while store.seal(Timestamp(i64::MAX)).unwrap().more {}
        }
    }
    store
}

fn seqs(readings: &[Reading]) -> Vec<u64> {
    readings.iter().map(|r| r.origin.seq).collect()
}

fn all(superseded: bool) -> Query {
    Query { superseded, ..Query::all(device()) }
}

fn day() -> Query {
    Query { from: Timestamp(T0), to: Timestamp(T0 + DAY), ..Query::all(device()) }
}

#[test]
fn a_correction_replaces_wherever_the_old_one_lies() {
    let readings = [plain(1, 5, 120.0), plain(2, 6, 130.0), correction(3, 5, 125.0), correction(4, 5, 126.0)];
    for sealed_after in [&[][..], &[2], &[3], &[2, 3], &[4], &[1, 2, 3, 4]] {
        for together in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let mut kept = match together {
                true => SeriesStore::open(dir.path()).unwrap(),
                false => store(dir.path(), &readings, sealed_after),
            };
            // A batch may come again after a crash.
            kept.apply(1, 4, &readings).unwrap();
            let mut reader = SeriesReader::open(dir.path()).unwrap();
            assert_eq!(seqs(&reader.readings(&all(false)).unwrap()), [4, 2], "{sealed_after:?} {together}");
            let with = reader.readings(&all(true)).unwrap();
            assert_eq!(seqs(&with), [1, 3, 4, 2]);
            let marked: Vec<bool> = with.iter().map(|r| r.marks.has(Marks::SUPERSEDED)).collect();
            assert_eq!(marked, [true, true, false, false]);
            assert_eq!(seqs(&reader.latest(&device()).unwrap()), [2]);
            assert_eq!(
                seqs(&reader.range_by_origin(1, 4, 100).unwrap().0),
                [2, 4],
                "what a sink is filled with"
            );
            let buckets = reader.gather(&day(), DAY).unwrap();
            assert_eq!((buckets[0].count, buckets[0].min, buckets[0].max), (2, 126.0, 130.0));
        }
    }
}

#[test]
fn what_was_replaced_still_answers_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), &[plain(1, 5, 120.0), correction(2, 5, 125.0)], &[2]);
    let lookup = Lookup {
        device: device(),
        epoch: 0,
        stream: StreamId::new("reading").unwrap(),
        device_time: Some(Timestamp(T0 + 5_000)),
        sequence: None,
        joins: false,
        place: None,
        before: Origin { seq: 9, index: 0 },
    };
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    assert_eq!(seqs(&reader.seen(&lookup).unwrap()), [1, 2]);
}

/// One that names what it replaces.
fn naming(seq: u64, second: i64, value: f64, replaced: u64) -> Reading {
    let replaces = Some(Origin { seq: replaced, index: 0 });
    Reading { replaces, ..reading(seq, second, value, Marks::COMPLETED) }
}

#[test]
fn a_reading_that_names_what_it_replaces_takes_that_one_and_no_other() {
    // Two of one moment, and one of another moment that a later reading takes up.
    let readings = [
        plain(1, 5, 120.0),
        plain(2, 5, 130.0),
        plain(3, 9, 99.0),
        naming(4, 5, 120.5, 1),
        naming(5, 6, 98.0, 3),
    ];
    for sealed_after in [&[][..], &[3], &[1, 2, 3], &[4], &[1, 2, 3, 4, 5]] {
        let dir = tempfile::tempdir().unwrap();
        drop(store(dir.path(), &readings, sealed_after));
        let mut reader = SeriesReader::open(dir.path()).unwrap();
        assert_eq!(seqs(&reader.readings(&all(false)).unwrap()), [2, 4, 5], "{sealed_after:?}");
        assert_eq!(seqs(&reader.readings(&all(true)).unwrap()), [1, 2, 4, 5, 3]);
        let buckets = reader.gather(&day(), DAY).unwrap();
        assert_eq!((buckets[0].count, buckets[0].min, buckets[0].max), (3, 98.0, 130.0));
    }
}

#[test]
fn a_half_is_looked_up_by_its_sequence_whatever_its_time() {
    let counted = |seq, second, sequence| Reading { sequence: Some(sequence), ..plain(seq, second, 1.0) };
    let timeless = |r: Reading| Reading { device_time: None, ..r };
    let readings =
        [counted(1, 5, 7), counted(2, 6, 8), timeless(counted(3, 7, 9)), counted(4, 8, 7), counted(5, 9, 6)];
    let ask = |reader: &mut SeriesReader, device_time: Option<i64>, sequence, joins| {
        let lookup = Lookup {
            device: device(),
            epoch: 0,
            stream: StreamId::new("reading").unwrap(),
            device_time: device_time.map(|second| Timestamp(T0 + second * 1_000)),
            sequence: Some(sequence),
            joins,
            place: None,
            before: Origin { seq: 9, index: 0 },
        };
        seqs(&reader.seen(&lookup).unwrap())
    };
    for sealed_after in [&[][..], &[2], &[1, 2, 3, 4, 5]] {
        let dir = tempfile::tempdir().unwrap();
        drop(store(dir.path(), &readings, sealed_after));
        let mut reader = SeriesReader::open(dir.path()).unwrap();
        assert_eq!(ask(&mut reader, None, 7, true), [4], "the last one is enough");
        assert_eq!(ask(&mut reader, Some(5), 7, true), [1, 4]);
        assert_eq!(ask(&mut reader, Some(6), 9, true), [2, 3]);
        assert_eq!(ask(&mut reader, None, 9, true), [3]);
        assert_eq!(ask(&mut reader, None, 5, true), Vec::<u64>::new());
        assert_eq!(ask(&mut reader, None, 7, false), Vec::<u64>::new());
        assert_eq!(ask(&mut reader, Some(6), 9, false), [2]);
    }
}

#[test]
fn the_latest_value_is_the_corrected_one_after_a_crash_too() {
    let dir = tempfile::tempdir().unwrap();
    drop(store(dir.path(), &[plain(1, 5, 120.0), correction(2, 5, 125.0)], &[1]));
    drop(SeriesStore::open(dir.path()).unwrap());
    let latest = SeriesReader::open(dir.path()).unwrap().latest(&device()).unwrap();
    assert_eq!(seqs(&latest), [2]);
}

#[test]
fn a_file_of_an_earlier_build_gets_the_table_that_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let opened = SeriesStore::open(dir.path()).unwrap();
    let old = "DROP TABLE superseded; CREATE TABLE superseded(stream INTEGER NOT NULL, seq INTEGER NOT NULL,
               idx INTEGER NOT NULL, blob BLOB NOT NULL, PRIMARY KEY(stream, seq, idx)) STRICT, WITHOUT ROWID;
               PRAGMA user_version = 1";
    opened.db.execute_batch(old).unwrap();
    drop(opened);
    store(dir.path(), &[plain(1, 5, 120.0), correction(2, 5, 125.0)], &[]);
    let found = SeriesReader::open(dir.path()).unwrap().readings(&all(true)).unwrap();
    assert_eq!(seqs(&found), [1, 2]);
}

#[test]
fn retention_lets_go_of_what_was_replaced_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept =
        store(dir.path(), &[plain(1, 5, 120.0), correction(2, 5, 125.0), plain(3, 90, 130.0)], &[2, 3]);
    kept.drop_before(&|_| Some(Timestamp(T0 + 60_000))).unwrap();
    let found = SeriesReader::open(dir.path()).unwrap().readings(&all(true)).unwrap();
    assert!(found.iter().all(|r| !r.marks.has(Marks::SUPERSEDED)), "{:?}", seqs(&found));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Dense streams are rolled up; corrections that come before, between and after the sealing leave in every
    /// figure exactly what a list of the readings that hold would give.
    #[test]
    fn figures_are_those_of_the_readings_that_hold(
        corrected in prop::collection::vec((0..1_500_i64, 0..40_i32, any::<bool>()), 1..12),
        early in 0..1_500_u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut readings: Vec<Reading> = (0..1_500).map(|s| plain(s as u64 + 1, s, 60.0 + (s % 31) as f64)).collect();
        let mut kept = SeriesStore::open(dir.path()).unwrap();
        kept.apply(1, early + 1, &readings[..=early as usize]).unwrap();
        while kept.seal(Timestamp(i64::MAX)).unwrap().more {}
        if early + 1 < 1_500 {
            kept.apply(early + 2, 1_500, &readings[early as usize + 1..]).unwrap();
        }
        let mut seq = 1_500;
        for (second, value, seal) in corrected {
            seq += 1;
            let one = correction(seq, second, f64::from(value));
            kept.apply(seq, seq, [&one]).unwrap();
            readings.push(one);
            if seal {
                while kept.seal(Timestamp(i64::MAX)).unwrap().more {}
            }
        }
        let holds: Vec<&Reading> =
            readings.iter().filter(|r| !readings.iter().any(|other| replaces(other, r))).collect();
        let mut reader = SeriesReader::open(dir.path()).unwrap();
        for every in [60_000, 3_600_000] {
            let found = reader.gather(&day(), every).unwrap();
            let mut expected: std::collections::BTreeMap<i64, Vec<f64>> = Default::default();
            for r in &holds {
                let span = (r.taken_at.0 - T0).div_euclid(every);
                expected.entry(T0 + span * every).or_default().extend(r.values[0].value.number());
            }
            prop_assert_eq!(found.len(), expected.len());
            for (bucket, (at, values)) in found.iter().zip(expected) {
                prop_assert_eq!((bucket.at.0, bucket.count), (at, values.len() as u64));
                let sum: f64 = values.iter().sum();
                prop_assert!((bucket.mean * values.len() as f64 - sum).abs() < 1e-6);
                prop_assert_eq!(bucket.min, values.iter().copied().fold(f64::INFINITY, f64::min));
                prop_assert_eq!(bucket.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            }
        }
        prop_assert_eq!(reader.readings(&all(true)).unwrap().len(), readings.len());
    }
}
