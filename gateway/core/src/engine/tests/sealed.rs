//! Messages that may say who somebody is: read as any other, and kept aside only as they were sealed.

use super::bench::{Bench, START};
use crate::record::Flags;
use crate::refusal;
use crate::sealed::{Day, HEAD, Head, is_sealed};

const TOPIC: &str = "orderly/v1/main/cold_store/f1/up/reading";
const NAME: &str = "张三-110101199003072316";

/// Bytes as a door makes them, of any length.
fn closed(bytes: usize) -> Vec<u8> {
    let head = Head { day: Day(20_779), mark: [1; 4], nonce: [2; 12] };
    [&head.bytes()[..], &vec![0x5A; bytes]].concat()
}

fn body(temp: &str) -> String {
    format!(r#"{{"temp":{temp},"t":{START},"patient":"{NAME}"}}"#)
}

#[test]
fn what_it_says_is_decided_on_as_if_it_had_lain_open() {
    let mut bench = Bench::fridge();
    bench.sealed(Flags::default(), TOPIC, &closed(80), Ok(&body("5.5")));
    assert_eq!(bench.readings().len(), 1);
    assert!(bench.quarantine_codes().is_empty());
    let status = "orderly/v1/main/cold_store/f1/status";
    bench.sealed(Flags::default(), status, &closed(10), Ok("offline"));
    assert!(bench.quarantine_codes().is_empty());
    // The same again is a repeat.
    bench.sealed(Flags::default(), TOPIC, &closed(81), Ok(&body("5.5")));
    assert_eq!(bench.readings().len(), 1);
}

#[test]
fn quarantine_keeps_it_sealed_and_says_nothing_of_it() {
    let mut bench = Bench::fridge();
    let unreadable = [body("\"warm\""), body("99,"), NAME.to_owned(), format!("{{\"{NAME}\":1}}")];
    for (n, body) in unreadable.iter().enumerate() {
        bench.sealed(Flags::default(), TOPIC, &closed(80 + n), Ok(body));
    }
    bench.sealed(Flags::default(), "orderly/v1/main/cold_store/f9/up/x", &closed(90), Ok(&body("5")));
    bench.sealed(Flags::default(), TOPIC, &closed(9_000), Ok(&body("?")));
    let line = format!("fridges,patient={NAME} temp=5\n");
    bench.sealed(Flags::LINE_PROTOCOL, "/api/v2/write", &closed(50), Ok(&line));
    bench.drain();
    let rows = &bench.written.quarantined;
    assert_eq!(rows.len(), 7);
    assert!(!format!("{rows:?}").contains("张三"));
    for row in rows {
        assert!(is_sealed(&row.excerpt), "{row:?}");
        let said = refusal::read(&row.reason).unwrap_or_else(|| panic!("{}", row.reason));
        assert_eq!(said.code == "unknown_device", row.address.contains("/f9/"), "{row:?}");
    }
    assert_eq!(rows[0].excerpt, closed(80), "as it was sealed, so the end of its key is its end");
    assert_eq!(rows[5].excerpt.len(), HEAD, "a long one is not kept twice");
}

#[test]
fn without_its_key_it_is_put_aside_and_the_next_one_is_read() {
    let mut bench = Bench::fridge();
    let gone = "it was sealed with the key of 2026-11-22, which is gone: nobody can read it any more";
    bench.sealed(Flags::default(), TOPIC, &closed(80), Err(gone));
    bench.record(crate::record::Kind::Envelope, Flags::SEALED, "listener", TOPIC, &closed(81));
    bench.temp("f1", 1_000, 6.0);
    assert_eq!(bench.quarantine_codes(), ["sealed"; 2]);
    assert_eq!(bench.readings().len(), 1);
    let rows = &bench.written.quarantined;
    assert_eq!((rows[0].reason.as_str(), rows[0].excerpt.as_slice()), (gone, &closed(80)[..]));
    assert_eq!(refusal::read(gone).unwrap().code, "sealed_key_gone");
    assert_eq!(refusal::read(&rows[1].reason).unwrap().code, "sealed_unopened");
}
