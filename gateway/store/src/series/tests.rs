mod faults;
mod rollup;
mod supersede;

use super::*;
use crate::batch::tests::same_bits;
use orderly_core::dedupe::{Lookup, matches};
use orderly_core::ids::DeviceId;
use orderly_core::reading::{Marks, Measured, Origin};
use orderly_core::value::{Quality, Value};
use proptest::prelude::*;

/// A moment at which every recent row is old.
const LATE: Timestamp = Timestamp(i64::MAX);

/// Applies the batches, one call each; seals after those whose bit is set.
fn applied(dir: &std::path::Path, batches: &[Vec<Reading>], seal_after: u8) -> SeriesStore {
    let mut store = SeriesStore::open(dir).unwrap();
    for (i, batch) in batches.iter().enumerate() {
        if let (Some(first), Some(last)) = (batch.first(), batch.last()) {
            store.apply(first.origin.seq, last.origin.seq, batch).unwrap();
        }
        if seal_after & (1 << (i % 8)) != 0 {
            while store.seal(LATE).unwrap().more {}
        }
    }
    store
}

/// Readings numbered from 1, cut into batches.
fn batches() -> impl Strategy<Value = Vec<Vec<Reading>>> {
    proptest::collection::vec(proptest::collection::vec(crate::batch::tests::reading(), 0..12), 1..6)
        .prop_map(|mut batches| {
            let mut seq = 0;
            for r in batches.iter_mut().flatten() {
                seq += 1;
                r.origin = Origin { seq, index: (seq % 3) as u16 };
                // Corrections have tests of their own.
                r.marks = Marks(r.marks.0 & !Marks::CORRECTION.0);
                r.replaces = None;
            }
            batches
        })
}

/// What a reader must find, worked out without a store.
fn expected(all: &[Reading], query: &Query) -> Vec<Reading> {
    let mut found: Vec<Reading> = all
        .iter()
        .filter(|r| r.device == query.device && query.stream.as_ref().is_none_or(|s| *s == r.stream))
        .filter(|r| r.taken_at >= query.from && r.taken_at < query.to)
        .cloned()
        .collect();
    found.sort_by_key(|r| (r.taken_at, r.origin));
    if query.newest_first {
        found.reverse();
    }
    if let Some(after) = query.after {
        found.retain(|r| {
            let key = (r.taken_at, r.origin);
            if query.newest_first { key < after } else { key > after }
        });
    }
    found.truncate(query.limit);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readings_come_back_as_they_were_applied(
        batches in batches(),
        twice in any::<bool>(),
        seal_after in any::<u8>(),
        limit in 1_usize..10,
        newest_first in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = applied(dir.path(), &batches, seal_after);
        if twice {
            drop(store);
            store = applied(dir.path(), &batches, !seal_after);
        }
        let all: Vec<Reading> = batches.into_iter().flatten().collect();
        prop_assert_eq!(store.applied(), all.len() as u64);
        let mut reader = SeriesReader::open(dir.path()).unwrap();
        for device in all.iter().map(|r| &r.device).collect::<std::collections::BTreeSet<_>>() {
            let mut query = Query::all(device.clone());
            query.to = Timestamp(i64::MAX);
            let whole = expected(&all, &query);
            prop_assert!(same_bits(&reader.readings(&query).unwrap(), &whole));
            // Page by page the same, in either order.
            query.limit = limit;
            query.newest_first = newest_first;
            let mut paged = Vec::new();
            loop {
                let page = reader.readings(&query).unwrap();
                prop_assert!(same_bits(&page, &expected(&all, &query)));
                let Some(last) = page.last() else { break };
                query.after = Some((last.taken_at, last.origin));
                paged.extend(page);
            }
            prop_assert_eq!(paged.len(), whole.len());
        }
        let (by_origin, through) = reader.range_by_origin(1, u64::MAX, usize::MAX).unwrap();
        prop_assert_eq!(through, u64::MAX);
        prop_assert!(same_bits(&by_origin, &all));
        let mut paged = Vec::new();
        let mut from = 1;
        while from <= all.len() as u64 {
            let (page, through) = reader.range_by_origin(from, all.len() as u64, limit).unwrap();
            prop_assert!(through >= from);
            paged.extend(page);
            from = through + 1;
        }
        prop_assert!(same_bits(&paged, &all));
    }

    #[test]
    fn the_latest_and_what_the_engine_looks_up_are_found(batches in batches(), seal_after in any::<u8>()) {
        let dir = tempfile::tempdir().unwrap();
        let store = applied(dir.path(), &batches, seal_after);
        drop(store);
        let all: Vec<Reading> = batches.into_iter().flatten().collect();
        let mut reader = SeriesReader::open(dir.path()).unwrap();
        let mut latest: std::collections::BTreeMap<_, &Reading> = std::collections::BTreeMap::new();
        for r in all.iter().filter(|r| !r.marks.has(orderly_core::reading::Marks::HISTORY)) {
            let slot = latest.entry((r.device.clone(), r.stream.clone())).or_insert(r);
            if (r.epoch, r.taken_at, r.origin) > (slot.epoch, slot.taken_at, slot.origin) {
                *slot = r;
            }
        }
        let ids = |of: &[Reading]| of.iter().map(|r| r.origin).collect::<Vec<_>>();
        prop_assert_eq!(ids(&reader.latest_all().unwrap()), latest.values().map(|r| r.origin).collect::<Vec<_>>());
        for r in &all {
            let end = Origin { seq: u64::MAX, index: 0 };
            for (before, place) in [(r.origin, None), (end, None), (end, Some(r.origin.index))] {
                let lookup = Lookup {
                    device: r.device.clone(),
                    epoch: r.epoch,
                    stream: r.stream.clone(),
                    device_time: r.device_time,
                    sequence: r.sequence,
                    joins: false,
                    place,
                    before,
                };
                // Without time and counter the engine asks nothing.
                let asked = r.device_time.is_some() || r.sequence.is_some();
                let mut wanted: Vec<Reading> =
                    all.iter().filter(|r| asked && matches(&lookup, r)).cloned().collect();
                if r.device_time.is_none() {
                    wanted.drain(..wanted.len().saturating_sub(1));
                }
                prop_assert_eq!(ids(&reader.seen(&lookup).unwrap()), ids(&wanted));
            }
        }
    }
}

#[test]
fn only_the_asked_metrics_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let all = crate::state::tests::readings(60, 1);
    drop(applied(dir.path(), std::slice::from_ref(&all), 0));
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let a = orderly_core::ids::MetricId::new("a").unwrap();
    let mut n = 0;
    for device in all.iter().map(|r| &r.device).collect::<std::collections::BTreeSet<&DeviceId>>() {
        let query = Query { metrics: vec![a.clone()], ..Query::all(device.clone()) };
        let found = reader.readings(&query).unwrap();
        assert!(found.iter().all(|r| !r.values.is_empty() && r.values.iter().all(|m| m.metric == a)));
        n += found.len();
    }
    assert_eq!(n, all.iter().filter(|r| r.values.iter().any(|m| m.metric == a)).count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_chunk_comes_back_exactly(batches in batches(), n in 1_usize..40) {
        let mut all: Vec<Reading> = batches.into_iter().flatten().collect();
        for r in &mut all {
            r.device = DeviceId::new("x").unwrap();
            r.class = orderly_core::ids::ClassId::new("bp_meter").unwrap();
            r.stream = orderly_core::ids::StreamId::new("s").unwrap();
            r.epoch = 0;
        }
        // Enough rows for every way in which a column can be packed.
        let mut all: Vec<Reading> = (0..n).flat_map(|_| all.clone()).collect();
        all.sort_by_key(|r| (r.taken_at, r.origin));
        let mut catalog = Catalog::default();
        let Some(first) = all.first() else { return Ok(()) };
        let id = catalog.stream_of(first);
        let blob = chunk::encode(&all.iter().collect::<Vec<_>>(), &mut catalog);
        let stream = catalog.stream(id).unwrap();
        let read = |blob: &[u8]| {
            let mut found = Vec::new();
            part::of_stream(blob, stream, &catalog, &part::Pick::ALL, &mut found).map(|()| found)
        };
        prop_assert!(same_bits(&read(&blob).unwrap(), &all));
        let mut good = Vec::new();
        let wanted = [orderly_core::ids::MetricId::new("a").unwrap(), orderly_core::ids::MetricId::new("b").unwrap()];
        chunk_reader::good_numbers(&blob[1..], stream, &catalog, &wanted, &mut |m, t, v| good.push((m.to_string(), t, v.to_bits()))).unwrap();
        let mut naive: Vec<_> = all
            .iter()
            .flat_map(|r| r.values.iter().map(move |m| (r.taken_at.0, m)))
            .filter(|(_, m)| wanted.contains(&m.metric) && m.quality == orderly_core::value::Quality::Good)
            .filter_map(|(t, m)| m.value.number().map(|v| (m.metric.to_string(), t, v.to_bits())))
            .collect();
        good.sort();
        naive.sort();
        prop_assert_eq!(good, naive);
        // A damaged chunk is refused or read otherwise, never a panic.
        for cut in (0..blob.len()).step_by(1 + blob.len() / 50) {
            prop_assert!(read(&blob[..cut]).is_err());
        }
    }
}

/// One device of a class that says one word a minute; the time of receipt is a little later, by chance.
fn each_minute(class: &str, count: u64) -> Vec<Reading> {
    let reading = |n: u64| {
        let taken_at = Timestamp(1_790_000_000_000 + n as i64 * 60_000);
        let token = if (n / 300).is_multiple_of(2) { "free" } else { "occupied" };
        Reading {
            origin: Origin { seq: n * 200 + n * n % 7, index: 0 },
            device: DeviceId::new("bay-1").unwrap(),
            class: class.parse().unwrap(),
            epoch: 0,
            stream: "reading".parse().unwrap(),
            device_time: Some(taken_at),
            taken_at,
            received_at: taken_at.plus_ms((n * 7_919 % 31) as i64),
            sequence: Some(n),
            offset_ns: 0,
            profile: 7,
            marks: Marks::default(),
            replaces: None,
            zone: None,
            values: smallvec::smallvec![Measured {
                metric: "occupied".parse().unwrap(),
                value: Value::State(token.into()),
                unit: "".into(),
                quality: Quality::Good,
                reason: None,
                raw: None,
            }],
        }
    };
    (1..=count).map(reading).collect()
}

#[test]
fn a_class_that_reports_all_day_keeps_the_time_of_receipt_to_the_second() {
    let sealed = |class: &str| {
        let all = each_minute(class, 1_000);
        let mut catalog = Catalog::default();
        let id = catalog.stream_of(&all[0]);
        let blob = chunk::encode(&all.iter().collect::<Vec<_>>(), &mut catalog);
        let mut found = Vec::new();
        let stream = catalog.stream(id).unwrap();
        part::of_stream(&blob, stream, &catalog, &part::Pick::ALL, &mut found).unwrap();
        (all, found, blob.len())
    };
    let (all, found, exact) = sealed("bp_meter");
    assert_eq!(found, all);
    let (all, found, short) = sealed("parking_sensor");
    assert!(exact > short + 500, "{exact} and {short} bytes for a thousand readings");
    for (found, mut r) in found.into_iter().zip(all) {
        assert!(found.received_at.since(r.received_at).abs() <= 500);
        r.received_at = found.received_at;
        assert_eq!(found, r, "all else is exact");
    }
}

#[test]
fn a_stream_that_says_little_is_gathered_into_large_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let all = each_minute("parking_sensor", 60 * 24 * 6);
    let mut store = SeriesStore::open(dir.path()).unwrap();
    for hour in all.chunks(60) {
        store.apply(hour[0].origin.seq, hour[59].origin.seq, hour).unwrap();
        while store.seal(LATE).unwrap().more {}
    }
    drop(store);
    let db = rusqlite::Connection::open(dir.path().join("series.db")).unwrap();
    let (chunks, largest): (i64, i64) =
        db.query_row("SELECT count(*), max(n) FROM chunk", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(chunks <= 6 && largest > 2_000, "{chunks} chunks, the largest has {largest}");
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let found = reader.readings(&Query::all(DeviceId::new("bay-1").unwrap())).unwrap();
    let origins = |of: &[Reading]| of.iter().map(|r| r.origin).collect::<Vec<_>>();
    assert_eq!(origins(&found), origins(&all));
}
