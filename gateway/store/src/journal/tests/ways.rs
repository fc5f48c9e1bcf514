//! Appending, reading back, failing and going on.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::disk::RealDisk;

fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

#[test]
fn what_is_appended_comes_back_from_memory_and_from_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, found) = open(options(dir.path()), &real()).unwrap();
    assert_eq!(found, Recovered { first: 1, ..Recovered::default() });
    let mut hot = journal.tail(0);
    let big = body(3, 1 << 20);
    let bodies = [body(1, 10), Vec::new(), big, body(4, 200)];
    let entries: Vec<_> =
        bodies.iter().map(|b| entry("orderly/v1/main/bp_meter/bp-0001/up/reading", b)).collect();
    let appended = journal.append(&entries[..3]).unwrap();
    assert_eq!((appended.first, appended.last), (1, 3));
    journal.append(&entries[3..]).unwrap();
    journal.wait_durable(4).unwrap();
    assert_eq!(journal.durable(), Durable { seq: 4, generation: 0 });
    assert_eq!(journal.unsynced_bytes(), 0);
    let expected: Vec<_> = (1..).zip(bodies.iter().cloned()).collect();
    assert_eq!(drain(&mut hot).unwrap(), expected);
    assert_eq!(hot.position(), 4);
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), expected, "from the file");
    assert_eq!(drain(&mut journal.tail(3)).unwrap(), expected[3..]);
    journal.close();

    let (journal, found) = open(options(dir.path()), &real()).unwrap();
    let expect = Recovered { first: 1, last: 4, records: 4, segments: 1, ..Recovered::default() };
    assert_eq!(found, expect);
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), expected);
    let group = journal.tail(3).next(Duration::ZERO).unwrap().unwrap();
    let record = group.iter().next().unwrap();
    assert_eq!(record.entry, entries[3]);
    assert_eq!((record.seq, record.now.boot), (4, 7));
    assert_eq!(journal.append(&entries[..1]).unwrap().first, 5);
}

#[test]
fn a_tail_waits_for_what_is_not_durable_yet_and_ends_with_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(options(dir.path()), &real()).unwrap();
    let mut tail = journal.tail(0);
    assert!(tail.next(Duration::ZERO).unwrap().is_none());
    let reader = thread::spawn(move || {
        let first = tail.next(Duration::from_secs(60)).unwrap().unwrap().last();
        (first, tail.next(Duration::from_secs(60)).err().map(|e| e.to_string()))
    });
    journal.append(&[entry("a", b"1")]).unwrap();
    journal.wait_durable(1).unwrap();
    journal.clone().close();
    assert_eq!(reader.join().unwrap(), (1, Some("the journal is closed".to_owned())));
    assert!(matches!(journal.append(&[entry("a", b"2")]), Err(JournalError::Closed)));
    assert!(matches!(journal.wait_durable(2), Err(JournalError::Closed)));
}

#[test]
fn segments_roll_and_four_threads_keep_order() {
    const EACH: u64 = 500;
    let dir = tempfile::tempdir().unwrap();
    let mut small = options(dir.path());
    small.segment_bytes = 20_000;
    small.hot_bytes = 8_000;
    let (journal, _) = open(small, &real()).unwrap();
    let mut one = journal.tail(0);
    let threads: Vec<_> = (0..4_u64)
        .map(|t| {
            let journal = journal.clone();
            thread::spawn(move || {
                let topic = format!("thread/{t}");
                for n in 0..EACH / 5 {
                    let bodies: Vec<_> = (0..5).map(|i| body(n * 5 + i, 60)).collect();
                    let entries: Vec<_> = bodies.iter().map(|b| entry(&topic, b)).collect();
                    let appended = journal.append(&entries).unwrap();
                    assert_eq!(appended.last - appended.first, 4);
                    if n % 10 == 9 {
                        journal.wait_durable(appended.last).unwrap();
                    }
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    while (seen.len() as u64) < 4 * EACH {
        let group = one.next(Duration::from_secs(60)).unwrap().expect("records arrive");
        seen.extend(group.iter().map(|r| (r.seq, r.entry.address.to_owned(), r.entry.body.to_vec(), r.now)));
    }
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert!(seen.iter().map(|s| s.0).eq(1..=4 * EACH), "contiguous");
    assert!(seen.is_sorted_by_key(|s| s.3.steady_ms));
    for t in 0..4 {
        let topic = format!("thread/{t}");
        let own = seen.iter().filter(|s| s.1 == topic).map(|s| s.2.clone());
        assert!(own.eq((0..EACH).map(|n| body(n, 60))), "each thread's own order");
    }
    let two: Vec<_> = drain(&mut journal.tail(0)).unwrap();
    assert!(two.iter().map(|r| (r.0, &r.1)).eq(seen.iter().map(|s| (s.0, &s.2))), "two tails see the same");
    journal.close();
    let (journal, found) = open(options(dir.path()), &real()).unwrap();
    assert_eq!((found.records, found.last, found.damaged.len()), (4 * EACH, 4 * EACH, 0));
    assert!(found.segments > 5, "{}", found.segments);
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), two);
}

#[test]
fn entries_that_do_not_fit_are_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(options(dir.path()), &real()).unwrap();
    let long = "x".repeat(256);
    let refused = journal.append(&[entry("a", b"1"), Entry { source: &long, ..entry("a", b"2") }]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the source name has 256 bytes, the journal takes at most 255"
    );
    assert_eq!(journal.append(&[entry("a", b"3")]).unwrap().first, 1);
    journal.wait_durable(1).unwrap();
    assert_eq!(drain(&mut journal.tail(0)).unwrap(), [(1, b"3".to_vec())]);
}
