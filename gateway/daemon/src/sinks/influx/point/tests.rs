use orderly_core::codec::line::{Field, Precision, parse};
use orderly_core::ids::{ClassId, DeviceId, MetricId, StreamId, ZoneId};
use orderly_core::reading::{Marks, Measured, Origin};
use orderly_core::time::Timestamp;
use orderly_core::value::{Missing, Reason};
use proptest::prelude::*;
use smallvec::smallvec;

use super::{Fields, Quality, Reading, SiteId, Value, WriteError, write};

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
        replaces: None,
        zone: Some(ZoneId::new("w3").unwrap()),
        values: smallvec![measured("sys", Value::Number(value))],
    }
}

fn measured(metric: &str, value: Value) -> Measured {
    let unit = "".into();
    let metric = MetricId::new(metric).unwrap();
    Measured { metric, value, unit, quality: Quality::Good, reason: None, raw: None }
}

fn line(reading: &Reading) -> Result<String, WriteError> {
    line_for(reading, Fields::All)
}

fn line_for(reading: &Reading, fields: Fields) -> Result<String, WriteError> {
    let mut out = Vec::new();
    write(&mut out, &SiteId::new("main").unwrap(), reading, fields)?;
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
         sys=152.0,dia=96.5,state=\"a \\\"b\\\" \\\\\",quality=\"good\" 1700000000123000077\n"
    );
    r.zone = None;
    assert!(!line(&r).unwrap().contains("zone"));
    // The zone that heard a tag is a metric; the zone where the reader hangs is a tag.
    r.zone = Some(ZoneId::new("w3").unwrap());
    r.values = smallvec![measured("zone", Value::Text("hall".into()))];
    assert!(line(&r).unwrap().contains("zone=w3 measured_zone=\"hall\",quality=\"good\" "));
}

#[test]
fn missing_values_are_left_out_but_the_reading_is_not() {
    let mut r = reading("g-1", 1, 0.0);
    r.values = smallvec![measured("glucose", Value::Missing(Missing::High))];
    (r.values[0].quality, r.values[0].reason) = (Quality::Uncertain, Some(Reason::Missing));
    assert!(line(&r).unwrap().contains(" quality=\"uncertain\" "));
    r.values.push(measured("meal", Value::State("before".into())));
    assert!(
        line(&r).unwrap().contains(" meal=\"before\",quality=\"uncertain\",glucose_quality=\"uncertain\",")
    );
}

#[test]
fn each_value_has_its_quality_as_soon_as_one_is_not_good() {
    let mut r = reading("bp-1", 1, 152.0);
    r.values.push(measured("dia", Value::Number(300.0)));
    r.values[1].quality = Quality::Bad;
    let fields = " sys=152.0,dia=300.0,quality=\"bad\",sys_quality=\"good\",dia_quality=\"bad\" ";
    assert!(line(&r).unwrap().contains(fields), "{:?}", line(&r));
    let alone = reading("bp-1", 1, 1.0);
    assert!(line(&alone).unwrap().contains(" sys=1.0,quality=\"good\" "));
}

#[test]
fn a_store_of_numbers_gets_no_text_that_it_would_take_for_nought() {
    let mut r = reading("bay-1", 1, 1.0);
    r.values.push(measured("state", Value::State("occupied".into())));
    r.values[1].quality = Quality::Uncertain;
    let text = line_for(&r, Fields::Numbers).unwrap();
    assert!(text.contains(" sys=1.0,quality=1.0,sys_quality=0.0,state_quality=1.0 "), "{text}");
    r.values = smallvec![measured("state", Value::State("occupied".into()))];
    let text = line_for(&r, Fields::Numbers).unwrap();
    assert!(text.contains(" quality=0.0 "), "{text}");
}

#[test]
fn refuses_what_could_end_a_line_and_leaves_nothing_behind() {
    for text in ["a\nb", "a\rb", "a\0", "x\\\",sys=1i 5\nbp,dev=victim sys=300i 6\nq a=\\\""] {
        let mut r = reading("d", 1, 1.0);
        r.values.push(measured("note", Value::Text(text.into())));
        let mut out = b"before\n".to_vec();
        let refused = write(&mut out, &SiteId::new("main").unwrap(), &r, Fields::All);
        assert!(matches!(refused, Err(WriteError::Control { .. })), "{refused:?}");
        assert_eq!(out, b"before\n");
    }
    for n in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(line(&reading("d", 1, n)), Err(WriteError::NotFinite(_))));
    }
    let mut r = reading("d", 1, 1.0);
    r.values.clear();
    assert_eq!(line(&r), Err(WriteError::NoField));
}

#[test]
fn numbers_read_back_as_they_were() {
    for n in [0.0, -0.0, 1.0, -1.0, 0.1, 1e-7, 1e300, 5e-324, f64::MAX, 9_007_199_254_740_993.0, -2.5, 36.6] {
        let text = line(&reading("d", 1, n)).unwrap();
        let value = text.split("sys=").nth(1).unwrap().split([',', ' ']).next().unwrap();
        assert_eq!(value.parse::<f64>().unwrap().to_bits(), n.to_bits(), "{value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn what_is_written_reads_back_as_it_was(
        device in "[A-Za-z0-9][A-Za-z0-9._:-]{0,20}",
        zone in proptest::option::of("[a-z][a-z0-9-]{0,10}"),
        numbers in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::ZERO, 1..6),
        text in "\\PC{0,40}",
        ms in 0..4_000_000_000_000_i64,
        offset in 0..1_000_000_u32,
        quality in 0..3_u8,
    ) {
        let mut r = reading(&device, ms, 0.0);
        r.offset_ns = offset;
        r.zone = zone.as_deref().map(|z| ZoneId::new(z).unwrap());
        r.values = numbers.iter().enumerate().map(|(n, v)| measured(&format!("m{n}"), Value::Number(*v))).collect();
        r.values.push(measured("note", Value::Text(text.as_str().into())));
        r.values[0].quality = [Quality::Good, Quality::Uncertain, Quality::Bad][usize::from(quality)];
        let mut out = Vec::new();
        write(&mut out, &SiteId::new("main").unwrap(), &r, Fields::All).unwrap();
        let lines = parse(&out, Precision::Ns).unwrap();
        prop_assert_eq!(lines.len(), 1);
        let line = &lines[0];
        prop_assert_eq!(line.measurement.as_ref(), "bp_meter");
        prop_assert_eq!(line.tag("device"), Some(device.as_str()));
        prop_assert_eq!(line.tag("zone"), zone.as_deref());
        prop_assert_eq!(line.time_ns, Some(ms * 1_000_000 + i64::from(offset)));
        for (n, value) in numbers.iter().enumerate() {
            let Some(Field::Float(read)) = line.field(&format!("m{n}")) else { panic!("m{n} is missing") };
            prop_assert_eq!(read.to_bits(), value.to_bits());
        }
        prop_assert_eq!(line.field("note"), Some(&Field::Text(text.into())));
        let worst = ["good", "uncertain", "bad"][usize::from(quality)];
        prop_assert_eq!(line.field("quality"), Some(&Field::Text(worst.into())));
        prop_assert_eq!(line.field("note_quality").is_some(), quality > 0);
    }
}
