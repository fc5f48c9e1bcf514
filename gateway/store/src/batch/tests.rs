use super::*;
use orderly_core::ids::MetricId;
use orderly_core::reading::{Marks, Measured, Origin};
use orderly_core::time::Timestamp;
use orderly_core::value::{Missing, Quality, Reason, Value};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-4000_i32..4000, 0_i32..4).prop_map(|(m, k)| Value::Number(f64::from(m) / 10_f64.powi(k))),
        any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(Value::Number),
        Just(Value::Number(-0.0)),
        "[a-z]{1,6}".prop_map(|s| Value::State(s.into())),
        "\\PC{0,16}".prop_map(|s| Value::Text(s.into())),
        prop_oneof![
            Just(Missing::High),
            Just(Missing::Low),
            Just(Missing::NotANumber),
            Just(Missing::Absent),
            Just(Missing::SensorFault)
        ]
        .prop_map(Value::Missing),
    ]
}

fn measured() -> impl Strategy<Value = Measured> {
    let trust = prop_oneof![
        4 => Just((Quality::Good, None)),
        1 => Just((Quality::Uncertain, Some(Reason::DeviceFlag))),
        1 => Just((Quality::Bad, Some(Reason::OutOfRange))),
        1 => Just((Quality::Bad, Some(Reason::UnknownState))),
        1 => Just((Quality::Bad, Some(Reason::Implausible))),
        1 => Just((Quality::Bad, Some(Reason::Missing))),
    ];
    ("[a-e]", value(), "(|mm\\[Hg\\]|%)", trust, proptest::option::weighted(0.2, "\\PC{0,8}")).prop_map(
        |(metric, value, unit, (quality, reason), raw)| Measured {
            metric: MetricId::new(&metric).unwrap(),
            value,
            unit: unit.into(),
            quality,
            reason,
            raw: raw.map(Into::into),
        },
    )
}

/// Any reading that a decoder could make, of a handful of devices.
pub(crate) fn reading() -> impl Strategy<Value = Reading> {
    let time = prop_oneof![
        8 => 1_760_000_000_000_i64..1_760_010_000_000,
        1 => any::<i64>(),
    ];
    (
        (any::<u64>(), prop_oneof![3 => Just(0_u16), 1 => any::<u16>()]),
        ("[a-c]-[0-9]", "(bp_meter|drug_cabinet)", 0_u32..3, "(reading|alt)"),
        (proptest::option::of(time.clone()), any::<bool>(), time.clone(), time),
        (proptest::option::of(any::<u64>()), 0_u32..1_000_000, any::<u64>(), 0_u8..32),
        (proptest::option::of("z[0-9]"), proptest::option::of((any::<u64>(), any::<u16>()))),
        proptest::collection::vec(measured(), 0..7),
    )
        .prop_map(|(origin, who, times, more, (zone, replaces), values)| Reading {
            origin: Origin { seq: origin.0, index: origin.1 },
            device: DeviceId::new(&who.0).unwrap(),
            class: ClassId::new(&who.1).unwrap(),
            epoch: who.2,
            stream: StreamId::new(&who.3).unwrap(),
            device_time: if times.1 { Some(Timestamp(times.2)) } else { times.0.map(Timestamp) },
            taken_at: Timestamp(times.2),
            received_at: Timestamp(times.3),
            sequence: more.0,
            offset_ns: more.1,
            profile: more.2,
            marks: Marks(more.3),
            replaces: replaces.map(|(seq, index)| Origin { seq, index }),
            zone: zone.map(|z| ZoneId::new(&z).unwrap()),
            values: values.into_iter().collect(),
        })
}

/// Equality that tells `-0.0` from `0.0`.
pub(crate) fn same_bits(a: &[Reading], b: &[Reading]) -> bool {
    let bits = |r: &Reading| -> Vec<Option<u64>> {
        r.values.iter().map(|m| m.value.number().map(f64::to_bits)).collect()
    };
    a == b && a.iter().zip(b).all(|(a, b)| bits(a) == bits(b))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn comes_back_exactly(readings in proptest::collection::vec(reading(), 0..40)) {
        let blob = encode(&readings);
        prop_assert!(same_bits(&decode(&blob).unwrap(), &readings));
    }

    #[test]
    fn hostile_bytes_are_refused_without_panic(
        readings in proptest::collection::vec(reading(), 1..8),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut blob = encode(&readings);
        for (at, byte) in flips {
            let at = at.index(blob.len());
            blob[at] = byte;
        }
        // The flipped bytes may still be a batch; what counts is an answer.
        prop_assert!(decode(&blob).map_or(true, |back| back.len() <= blob.len()));
        let whole = encode(&readings);
        let at = cut.index(whole.len());
        prop_assert!(decode(&whole[..at]).is_err(), "a batch cut at {} was taken", at);
    }

    #[test]
    fn noise_is_refused_without_panic(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [PLAIN, PACKED] {
            let mut blob = vec![format];
            blob.extend_from_slice(&noise);
            prop_assert!(decode(&blob).map_or(true, |back| back.len() <= noise.len()));
        }
    }
}

#[test]
fn an_empty_batch_and_unknown_formats() {
    assert_eq!(decode(&encode(&[])), Ok(vec![]));
    assert_eq!(decode(&[]), Err(DecodeError::Short));
    assert_eq!(decode(&[9, 1, 2]), Err(DecodeError::Format(9)));
}

#[test]
fn a_count_that_the_bytes_cannot_hold_takes_no_memory() {
    let mut blob = vec![PLAIN];
    put_varint(&mut blob, u64::MAX >> 1);
    assert_eq!(decode(&blob), Err(DecodeError::Short));
}
