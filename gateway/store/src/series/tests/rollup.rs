//! Sealing, roll-ups and retention on streams that look like a ward's.

use super::super::*;
use orderly_core::ids::{DeviceId, MetricId, StreamId};
use orderly_core::reading::{Marks, Measured, Origin};
use orderly_core::value::{Quality, Reason, Value};
use smallvec::smallvec;

const T0: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000;

fn metric(name: &str) -> MetricId {
    MetricId::new(name).unwrap()
}

/// A monitor that reports each second; every tenth pulse is an artefact.
fn vitals(device: &str, seq: u64, second: i64) -> Reading {
    let measured = |name: &str, v: f64, bad: bool| Measured {
        metric: metric(name),
        value: Value::Number(v),
        unit: "/min".into(),
        quality: if bad { Quality::Bad } else { Quality::Good },
        reason: bad.then_some(Reason::OutOfRange),
        raw: None,
    };
    let taken_at = Timestamp(T0 + second * 1000);
    Reading {
        origin: Origin { seq, index: 0 },
        device: DeviceId::new(device).unwrap(),
        class: ClassId::new("bedside_monitor").unwrap(),
        epoch: 0,
        stream: StreamId::new("vitals").unwrap(),
        device_time: Some(taken_at),
        taken_at,
        received_at: taken_at.plus_ms(1_000 * (seq % 7) as i64),
        sequence: Some(seq),
        offset_ns: (seq * 7919 % 1_000_000) as u32,
        profile: 42,
        marks: Marks::default(),
        replaces: None,
        zone: None,
        values: smallvec![
            measured(
                "pulse",
                if second % 10 == 3 { 999.0 } else { 60.0 + (second % 31) as f64 },
                second % 10 == 3
            ),
            measured("temp", 36.0 + (second % 17) as f64 / 10.0, false),
        ],
    }
}

/// Mean and so on of the good numbers, worked out from the readings themselves.
fn naive(all: &[Reading], query: &Query, every: i64) -> Vec<Bucket> {
    let mut found: std::collections::BTreeMap<(i64, MetricId), Vec<(i64, f64)>> = Default::default();
    let fits = |r: &&Reading| r.device == query.device && r.taken_at >= query.from && r.taken_at < query.to;
    for r in all.iter().filter(fits) {
        for m in r.values.iter().filter(|m| m.quality == Quality::Good && query.wants(&m.metric)) {
            let span = (r.taken_at.0 - query.from.0).div_euclid(every) * every + query.from.0;
            found
                .entry((span, m.metric.clone()))
                .or_default()
                .push((r.taken_at.0, m.value.number().unwrap()));
        }
    }
    let of = |(at, metric), mut v: Vec<(i64, f64)>| {
        v.sort_by_key(|v| v.0);
        let numbers = || v.iter().map(|v| v.1);
        Bucket {
            at: Timestamp(at),
            metric,
            count: v.len() as u64,
            mean: numbers().sum::<f64>() / v.len() as f64,
            min: numbers().fold(f64::INFINITY, f64::min),
            max: numbers().fold(f64::NEG_INFINITY, f64::max),
            last: v.last().unwrap().1,
        }
    };
    found.into_iter().map(|(k, v)| of(k, v)).collect()
}

fn assert_same(found: &[Bucket], wanted: &[Bucket], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (f, w) in found.iter().zip(wanted) {
        assert!((f.mean - w.mean).abs() <= 1e-7 * w.mean.abs(), "{what}: {f:?} is not {w:?}");
        assert_eq!(&Bucket { mean: w.mean, ..f.clone() }, w, "{what}");
    }
}

/// Three hours of two monitors in batches of 50 seconds, the second part out of order; sealed on the way.
fn ward(dir: &std::path::Path) -> (SeriesStore, Vec<Reading>) {
    let mut store = SeriesStore::open(dir).unwrap();
    store.set_seal_from(600);
    let mut all = Vec::new();
    let mut seq = 0;
    for batch in 0..216 {
        // Every ninth batch comes one hour late.
        let start = if batch % 9 == 8 { batch - 72 } else { batch } * 50;
        let mut readings = Vec::new();
        for second in start.max(0)..start.max(0) + 50 {
            for device in ["mon-1", "mon-2"] {
                seq += 1;
                readings.push(vitals(device, seq, second));
            }
        }
        store.apply(readings[0].origin.seq, seq, &readings).unwrap();
        while store.seal(readings[0].received_at).unwrap().more {}
        all.extend(readings);
    }
    (store, all)
}

#[test]
fn figures_from_roll_ups_equal_those_from_the_readings() {
    let dir = tempfile::tempdir().unwrap();
    let (store, all) = ward(dir.path());
    let rolled: i64 =
        store.db.query_row("SELECT count(*) FROM chunk WHERE rolled = 3", [], |r| r.get(0)).unwrap();
    let waiting: i64 = store.db.query_row("SELECT count(*) FROM recent", [], |r| r.get(0)).unwrap();
    assert!(rolled >= 6 && waiting > 0, "chunks {rolled}, recent rows {waiting}: the test must see both");
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let hour = 3_600_000;
    for (from, to) in
        [(0, 3 * hour), (hour, 2 * hour), (60_000, 100 * 60_000 + 1234), (777, 2 * hour), (0, 500)]
    {
        for every in [hour, 300_000, 60_000, 90_000, 10_000] {
            for metrics in [vec![], vec![metric("pulse")]] {
                let query = Query {
                    from: Timestamp(T0 + from),
                    to: Timestamp(T0 + to),
                    metrics,
                    ..Query::all(DeviceId::new("mon-1").unwrap())
                };
                let what = format!("{from}..{to} every {every}");
                assert_same(&reader.gather(&query, every).unwrap(), &naive(&all, &query, every), &what);
            }
        }
    }
}

#[test]
fn a_time_that_no_roll_up_knows_joins_no_chunk_that_is_in_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SeriesStore::open(dir.path()).unwrap();
    store.set_seal_from(1);
    let mut all: Vec<Reading> = Vec::new();
    // Rolled up; not rolled up, because of one clock before 1970; and then enough to take both of them up.
    for (n, before_1970) in [(600, false), (700, true), (650, false)] {
        let first = all.len() as u64 + 1;
        let mut readings: Vec<Reading> = (first..first + n).map(|s| vitals("mon-1", s, s as i64)).collect();
        if before_1970 {
            readings[0].taken_at = Timestamp(-5_000_000);
        }
        store.apply(first, first + n - 1, &readings).unwrap();
        while store.seal(Timestamp(i64::MAX)).unwrap().more {}
        all.extend(readings);
    }
    let rolled = |sql: &str| store.db.query_row::<i64, _, _>(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(rolled("SELECT sum(n) FROM chunk WHERE rolled = 3"), 1_250);
    assert_eq!(rolled("SELECT sum(n) FROM chunk WHERE rolled = 0"), 700);
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let hour = 3_600_000;
    let (from, to) = (Timestamp(-10 * hour), Timestamp(T0 + hour));
    let query = Query { from, to, ..Query::all(DeviceId::new("mon-1").unwrap()) };
    assert_same(&reader.gather(&query, 60_000).unwrap(), &naive(&all, &query, 60_000), "all of it");
}

#[test]
fn points_are_the_good_numbers_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, all) = ward(dir.path());
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let query = Query { metrics: vec![metric("pulse")], ..Query::all(DeviceId::new("mon-2").unwrap()) };
    let points = reader.points(&query).unwrap();
    let mut wanted: Vec<(Timestamp, f64)> = all
        .iter()
        .filter(|r| r.device == query.device && r.values[0].quality == Quality::Good)
        .map(|r| (r.taken_at, r.values[0].value.number().unwrap()))
        .collect();
    wanted.sort_by_key(|p| p.0);
    assert_eq!(points, wanted);
}

#[test]
fn sealing_goes_on_where_it_stopped_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, all) = ward(dir.path());
    let waiting: Vec<u32> = store.waiting.iter().map(|w| w.readings).collect();
    drop(store);
    let mut store = SeriesStore::open(dir.path()).unwrap();
    assert_eq!(store.waiting.iter().map(|w| w.readings).collect::<Vec<_>>(), waiting);
    let now = all.last().unwrap().received_at;
    assert_eq!(store.seal(now).unwrap(), Sealed::default(), "nothing is old yet");
    let sealed = store.seal(now.plus_ms(3_600_000)).unwrap();
    assert_eq!((sealed.streams, sealed.readings as u32), (2, waiting.iter().sum()));
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let found = reader.readings(&Query::all(DeviceId::new("mon-1").unwrap())).unwrap();
    assert_eq!(found.len(), all.len() / 2);
}

#[test]
fn old_chunks_are_dropped_by_class_and_the_latest_value_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, all) = ward(dir.path());
    while store.seal(Timestamp(i64::MAX)).unwrap().more {}
    assert_eq!(store.drop_before(&|_| None).unwrap(), Dropped::default());
    let cut = Timestamp(T0 + 3_600_000);
    let dropped = store.drop_before(&|class| (class.as_str() == "bedside_monitor").then_some(cut)).unwrap();
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let left = reader.readings(&Query::all(DeviceId::new("mon-1").unwrap())).unwrap().len()
        + reader.readings(&Query::all(DeviceId::new("mon-2").unwrap())).unwrap().len();
    assert_eq!(left as u64 + dropped.readings, all.len() as u64);
    assert!(dropped.chunks > 0);
    let kept = all.iter().filter(|r| r.taken_at >= cut).count();
    assert!(left >= kept, "nothing newer than the cut may go");
    let dropped = store.drop_before(&|_| Some(Timestamp(i64::MAX))).unwrap();
    assert_eq!(dropped.readings, left as u64);
    assert_eq!(reader.latest_all().unwrap().len(), 2);
}

#[test]
fn the_latest_is_found_whether_it_is_written_yet_or_not_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SeriesStore::open(dir.path()).unwrap();
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let (mut written, mut unwritten) = (0, 0);
    for seq in 1..=150_u64 {
        // Every fifth one is older than the one before, and is not the latest.
        let second = if seq % 5 == 0 { seq - 3 } else { seq } as i64;
        store.apply(seq, seq, &[vitals("mon-1", seq, second)]).unwrap();
        let latest = if seq % 5 == 0 { seq - 1 } else { seq };
        let device = DeviceId::new("mon-1").unwrap();
        for found in [reader.latest(&device).unwrap(), reader.latest_all().unwrap()] {
            assert_eq!(found.iter().map(|r| r.origin.seq).collect::<Vec<_>>(), [latest], "after {seq}");
        }
        let through = latest::through(&store.db).unwrap();
        if through == seq {
            written += 1
        } else {
            unwritten += 1
        }
        if seq % 70 == 0 {
            drop(store);
            store = SeriesStore::open(dir.path()).unwrap();
        }
        if seq == 100 {
            while store.seal(Timestamp(i64::MAX)).unwrap().more {}
        }
    }
    assert!(written > 0 && unwritten > 100, "{written} calls wrote it, {unwritten} did not");
}

#[test]
fn a_hole_is_read_in_pieces_of_about_the_size_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, all) = ward(dir.path());
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let (from, to) = (1001, 15_000);
    let mut found = Vec::new();
    let mut next = from;
    while next <= to {
        let (piece, through) = reader.range_by_origin(next, to, 1000).unwrap();
        assert!(through >= next && piece.len() <= 1500, "{} readings at once", piece.len());
        found.extend(piece);
        next = through + 1;
    }
    let wanted: Vec<Reading> = all.iter().filter(|r| (from..=to).contains(&r.origin.seq)).cloned().collect();
    assert!(crate::batch::tests::same_bits(&found, &wanted));
}
