use orderly_core::ids::{ClassId, DeviceId, MetricId, StreamId, ZoneId};
use orderly_core::reading::{Marks, Measured, Origin};
use orderly_core::time::Timestamp;
use orderly_core::value::{Missing, Reason};
use smallvec::smallvec;

use super::*;

/// A plain good reading of one metric.
pub fn reading(device: &str, ms: i64, value: f64) -> Reading {
    Reading {
        origin: Origin { seq: u64::try_from(ms).unwrap_or(0), index: 0 },
        device: DeviceId::new(device).unwrap(),
        class: ClassId::new("bp_meter").unwrap(),
        epoch: 0,
        stream: StreamId::new("reading").unwrap(),
        device_time: None,
        taken_at: Timestamp(ms),
        received_at: Timestamp(ms),
        sequence: None,
        offset_ns: 77,
        profile: 0,
        marks: Marks::default(),
        zone: Some(ZoneId::new("w3").unwrap()),
        values: smallvec![measured("sys", Value::Number(value))],
    }
}

fn measured(metric: &str, value: Value) -> Measured {
    let unit = "".into();
    let metric = MetricId::new(metric).unwrap();
    Measured { metric, value, unit, quality: Quality::Good, reason: None, raw: None }
}

fn line(reading: &Reading) -> Result<String, Unwritable> {
    let mut out = Vec::new();
    write(&mut out, &SiteId::new("main").unwrap(), reading, false)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn follows_the_schema() {
    let mut r = reading("bp-1", 1_700_000_000_123, 152.0);
    r.values.push(measured("dia", Value::Number(96.5)));
    r.values.push(measured("state", Value::State("a \"b\" \\".into())));
    assert_eq!(
        line(&r).unwrap(),
        "bp_meter,device=bp-1,site=main,stream=reading,zone=w3 \
         sys=152,dia=96.5,state=\"a \\\"b\\\" \\\\\" 1700000000123000077\n"
    );
    r.zone = None;
    assert!(!line(&r).unwrap().contains("zone"));
}

#[test]
fn missing_values_are_left_out_but_the_reading_is_not() {
    let mut r = reading("g-1", 1, 0.0);
    r.values = smallvec![measured("glucose", Value::Missing(Missing::High))];
    (r.values[0].quality, r.values[0].reason) = (Quality::Uncertain, Some(Reason::Missing));
    assert!(line(&r).unwrap().contains(" quality=\"uncertain\" "));
    r.values.push(measured("meal", Value::State("before".into())));
    assert!(line(&r).unwrap().contains(" meal=\"before\",quality=\"uncertain\" "));
}

#[test]
fn refuses_what_could_end_a_line_and_leaves_nothing_behind() {
    for text in ["a\nb", "a\rb", "a\0", "a\u{85}b", "x\\\",sys=1i 5\nbp,dev=victim sys=300i 6\nq a=\\\""] {
        let mut r = reading("d", 1, 1.0);
        r.values.push(measured("note", Value::Text(text.into())));
        let mut out = b"before\n".to_vec();
        let refused = write(&mut out, &SiteId::new("main").unwrap(), &r, false);
        assert_eq!(refused, Err(Unwritable::Control { metric: "note".to_owned() }));
        assert_eq!(out, b"before\n");
    }
    for n in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(line(&reading("d", 1, n)), Err(Unwritable::NotFinite { .. })));
    }
    let mut r = reading("d", 1, 1.0);
    r.values.clear();
    assert_eq!(line(&r), Err(Unwritable::Empty));
}

#[test]
fn numbers_read_back_as_they_were() {
    for n in [0.0, -0.0, 1.0, -1.0, 0.1, 1e-7, 1e300, 5e-324, f64::MAX, 9_007_199_254_740_993.0, -2.5, 36.6] {
        let text = line(&reading("d", 1, n)).unwrap();
        let value = text.split("sys=").nth(1).unwrap().split(' ').next().unwrap();
        assert_eq!(value.parse::<f64>().unwrap().to_bits(), n.to_bits(), "{value}");
    }
    for n in [0, 7, -7, i64::MAX, i64::MIN] {
        let mut out = Vec::new();
        integer(&mut out, n);
        assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
    }
}
