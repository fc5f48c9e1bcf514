use super::*;
use crate::batch::tests::same_bits;
use orderly_core::ids::DeviceId;
use proptest::prelude::*;

/// Applies the batches, one call each.
fn applied(dir: &std::path::Path, batches: &[Vec<Reading>]) -> SeriesStore {
    let mut store = SeriesStore::open(dir).unwrap();
    for batch in batches {
        if let (Some(first), Some(last)) = (batch.first(), batch.last()) {
            store.apply(first.origin.seq, last.origin.seq, batch).unwrap();
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
        limit in 1_usize..10,
        newest_first in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = applied(dir.path(), &batches);
        if twice {
            drop(store);
            store = applied(dir.path(), &batches);
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
    fn the_latest_and_the_same_time_are_found(batches in batches()) {
        let dir = tempfile::tempdir().unwrap();
        let store = applied(dir.path(), &batches);
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
            let at = r.device_time.unwrap_or(r.taken_at);
            for before in [r.origin, Origin { seq: u64::MAX, index: 0 }] {
                let found = reader.same_time(&r.device, r.epoch, &r.stream, at, before).unwrap();
                let wanted: Vec<Reading> =
                    same_time_in(&all, &r.device, r.epoch, &r.stream, at, before).cloned().collect();
                prop_assert_eq!(ids(&found), ids(&wanted));
            }
        }
    }
}

#[test]
fn only_the_asked_metrics_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let all = crate::state::tests::readings(60, 1);
    drop(applied(dir.path(), std::slice::from_ref(&all)));
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
