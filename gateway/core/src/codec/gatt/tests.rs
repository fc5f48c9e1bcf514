//! The vectors of the handbook, and every flag byte of every characteristic against an encoder of the tests.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::float::{Medical, long, short};
use super::{Characteristic, read};
use crate::codec::document::CodecError;
use crate::codec::wrap::from_hex;

fn decoded(characteristic: Characteristic, payload: &[u8]) -> Result<Value, CodecError> {
    let mut out = Vec::new();
    read(characteristic, payload, &mut out)?;
    Ok(serde_json::from_slice(&out).unwrap())
}

fn of_hex(name: &str, hex: &str) -> Value {
    decoded(Characteristic::named(name).unwrap(), &from_hex(hex.as_bytes()).unwrap()).unwrap()
}

#[test]
fn the_words_of_the_handbook() {
    let decimal = |mantissa, exponent| Medical::Decimal { mantissa, exponent };
    assert_eq!(short(0x0078), decimal(120, 0));
    assert_eq!(short(0xf2d0), decimal(720, -1));
    assert_eq!(short(0xc037), decimal(55, -4));
    assert_eq!(short(0xb063), decimal(99, -5));
    assert_eq!(long(0xff00_016c), decimal(364, -1));
    assert_eq!(short(0x0fff), decimal(-1, 0));
    assert_eq!(short(0x8001), decimal(1, -8));
    let special = [
        Medical::NotANumber,
        Medical::NotAtThisResolution,
        Medical::Above,
        Medical::Below,
        Medical::Reserved,
    ];
    assert_eq!([0x07ff, 0x0800, 0x07fe, 0x0802, 0x0801].map(short), special);
    assert_eq!([0x007f_ffff, 0x0080_0000, 0x007f_fffe, 0x0080_0002, 0x0080_0001].map(long), special);
}

#[test]
fn the_notifications_of_the_handbook() {
    assert_eq!(
        of_hex("0x2A35", "16 7E00 5000 5F00 EA070B15071E00 4800 0400"),
        json!({
            "unit": "mmHg", "systolic": 126, "diastolic": 80, "mean_arterial": 95,
            "time": "2026-11-21T07:30:00", "pulse": 72, "body_movement": false, "cuff_loose": false,
            "irregular_pulse": true, "wrong_position": false, "pulse_range": "within"
        })
    );
    assert_eq!(
        of_hex("00002a18-0000-1000-8000-00805f9b34fb", "17 0500 EA070B15062D00 0000 37C0 11"),
        json!({
            "sequence": 5, "base_time": "2026-11-21T06:45:00", "time_offset_min": 0, "unit": "mmol/L",
            "glucose": 5.5, "sample": "capillary_whole_blood", "location": "finger", "fault": "none",
            "beyond": "none", "context_follows": true
        })
    );
    assert_eq!(of_hex("2a9d", "00 1437"), json!({"unit": "kg", "weight": 70.5}));
    assert_eq!(of_hex("2a1c", "00 6C0100FF"), json!({"unit": "Cel", "temperature": 36.4}));
    assert_eq!(of_hex("2a36", "00 7800 FF07 FF07"), json!({"unit": "mmHg", "cuff": 120}));
    assert_eq!(of_hex("2a18", "02 0100 00000000000000 63B0 11")["glucose"], json!(99));
    assert_eq!(of_hex("2a9d", "00 FFFF")["weight"], json!("unsuccessful"));
    assert_eq!(Characteristic::named("2a00"), None);
}

/// Writes what a device would send, and beside it what must be read.
#[derive(Default)]
struct Sender {
    bytes: Vec<u8>,
    wanted: Map<String, Value>,
    draw: u64,
}

impl Sender {
    fn new(flags: u8, seed: u64) -> Self {
        Self { bytes: vec![flags], wanted: Map::new(), draw: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn any(&mut self) -> u64 {
        self.draw ^= self.draw << 13;
        self.draw ^= self.draw >> 7;
        self.draw ^= self.draw << 17;
        self.draw
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.any() % limit
    }

    fn want(&mut self, key: &str, value: Value) {
        assert!(self.wanted.insert(key.to_owned(), value).is_none(), "{key} twice");
    }

    /// A decimal as `mantissa`E`exponent`, read back by the parser of the language.
    fn decimal(mantissa: i64, exponent: i64) -> Value {
        let number: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
        json!(number)
    }

    fn sfloat(&mut self, key: &str, shift: i64) {
        let special =
            [(0x07ffu16, "NaN"), (0x0800, "NRes"), (0x07fe, "+INF"), (0x0802, "-INF"), (0x0801, "reserved")];
        if self.below(8) == 0 {
            let (word, name) = special[usize::try_from(self.below(5)).unwrap()];
            self.bytes.extend(word.to_le_bytes());
            return self.want(key, json!(name));
        }
        let mantissa = i64::try_from(self.below(4_090)).unwrap() - 2_045;
        let exponent = i64::try_from(self.below(16)).unwrap() - 8;
        let word = ((exponent & 0xf) << 12 | mantissa & 0xfff) & 0xffff;
        self.bytes.extend(u16::try_from(word).unwrap().to_le_bytes());
        self.want(key, Self::decimal(mantissa, exponent + shift));
    }

    fn time(&mut self, key: &str) {
        let (year, month, day) = (1_582 + self.below(8_418), 1 + self.below(12), 1 + self.below(28));
        let (hour, minute, second) = (self.below(24), self.below(60), self.below(60));
        let unknown = self.below(4) == 0;
        let year = if unknown { 0 } else { year };
        self.bytes.extend(u16::try_from(year).unwrap().to_le_bytes());
        self.bytes.extend([month, day, hour, minute, second].map(|n| u8::try_from(n).unwrap()));
        if !unknown {
            self.want(key, json!(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")));
        }
    }

    fn number(&mut self, key: &str, width: usize) -> u64 {
        let number = self.any() & ((1 << (8 * width)) - 1);
        self.bytes.extend(&number.to_le_bytes()[..width]);
        if !key.is_empty() {
            self.want(key, json!(number));
        }
        number
    }

    fn bits(&mut self, width: usize, names: &[(u32, &str)]) -> u64 {
        let word = self.number("", width);
        for (bit, name) in names {
            self.want(name, json!(word & 1 << bit != 0));
        }
        word
    }

    /// A number that stands for one of the words from `first` on, or for none.
    fn one_of(&mut self, key: &str, first: u64, words: &[&str], width: u64) -> u64 {
        let number = self.below(width);
        let place = number.checked_sub(first).and_then(|n| words.get(usize::try_from(n).unwrap()));
        self.want(key, place.map_or_else(|| json!(number), |word| json!(word)));
        number
    }
}

type Encoder = fn(u8, &mut Sender);

/// Every flag byte, with four draws of values each: the reader must see what the encoder meant.
fn all_flags(characteristic: Characteristic, encode: Encoder) {
    for flags in 0..=u8::MAX {
        for draw in 0..4 {
            let mut sender = Sender::new(flags, u64::from(flags) << 8 | draw);
            encode(flags, &mut sender);
            let found = decoded(characteristic, &sender.bytes)
                .unwrap_or_else(|error| panic!("flags {flags:#04x}: {error}"));
            same(&found, &sender.wanted, flags);
            let mut longer = sender.bytes.clone();
            longer.push(0);
            if characteristic != Characteristic::HeartRate {
                assert_eq!(decoded(characteristic, &longer).unwrap(), found, "longer is passed over");
                for cut in 0..sender.bytes.len() {
                    assert!(
                        decoded(characteristic, &sender.bytes[..cut]).is_err(),
                        "{flags:#04x} cut at {cut}"
                    );
                }
            }
        }
    }
}

fn same(found: &Value, wanted: &Map<String, Value>, flags: u8) {
    let found = found.as_object().unwrap();
    let keys = |map: &Map<String, Value>| map.keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(keys(found), keys(wanted), "flags {flags:#04x}");
    for (key, wanted) in wanted {
        let found = &found[key];
        match (found.as_f64(), wanted.as_f64()) {
            (Some(found), Some(wanted)) => {
                assert!(found.to_bits() == wanted.to_bits() || found == wanted, "{key}: {found} {wanted}")
            }
            _ => assert_eq!(found, wanted, "{key}"),
        }
    }
}

fn bit(flags: u8, bit: u8) -> bool {
    flags & 1 << bit != 0
}

#[test]
fn every_flag_byte_of_blood_pressure() {
    all_flags(Characteristic::BloodPressure, |flags, sender| {
        sender.want("unit", json!(if bit(flags, 0) { "kPa" } else { "mmHg" }));
        ["systolic", "diastolic", "mean_arterial"].iter().for_each(|key| sender.sfloat(key, 0));
        pressure_rest(flags, sender);
    });
    all_flags(Characteristic::CuffPressure, |flags, sender| {
        sender.want("unit", json!(if bit(flags, 0) { "kPa" } else { "mmHg" }));
        sender.sfloat("cuff", 0);
        sender.bytes.extend([0xff, 0x07, 0xff, 0x07]);
        pressure_rest(flags, sender);
    });
}

fn pressure_rest(flags: u8, sender: &mut Sender) {
    if bit(flags, 1) {
        sender.time("time");
    }
    if bit(flags, 2) {
        sender.sfloat("pulse", 0);
    }
    if bit(flags, 3) {
        sender.number("user_id", 1);
    }
    if bit(flags, 4) {
        let names = [(0, "body_movement"), (1, "cuff_loose"), (2, "irregular_pulse"), (5, "wrong_position")];
        let word = sender.bits(2, &names);
        let range = [json!("within"), json!("above"), json!("below"), json!(3)];
        sender.want("pulse_range", range[usize::try_from(word >> 3 & 3).unwrap()].clone());
    }
}

#[test]
fn every_flag_byte_of_glucose() {
    all_flags(Characteristic::Glucose, |flags, sender| {
        sender.number("sequence", 2);
        sender.time("base_time");
        if bit(flags, 0) {
            match sender.below(4) {
                0 => {
                    sender.bytes.extend([0xff, 0x7f]);
                    sender.want("time_offset_min", json!("overrun"));
                }
                1 => {
                    sender.bytes.extend([0x00, 0x80]);
                    sender.want("time_offset_min", json!("underrun"));
                }
                _ => {
                    let minutes = i16::try_from(sender.below(60_000)).map_or(-77, |n| n.min(32_000));
                    sender.bytes.extend(minutes.to_le_bytes());
                    sender.want("time_offset_min", json!(minutes));
                }
            }
        }
        if bit(flags, 1) {
            sender.want("unit", json!(if bit(flags, 2) { "mmol/L" } else { "mg/dL" }));
            sender.sfloat("glucose", if bit(flags, 2) { 3 } else { 5 });
            let samples = [
                "capillary_whole_blood",
                "capillary_plasma",
                "venous_whole_blood",
                "venous_plasma",
                "arterial_whole_blood",
                "arterial_plasma",
                "undetermined_whole_blood",
                "undetermined_plasma",
                "interstitial_fluid",
                "control_solution",
            ];
            let sample = sender.one_of("sample", 1, &samples, 16);
            let location = sender.one_of(
                "location",
                1,
                &["finger", "alternate_site", "earlobe", "control_solution"],
                15,
            );
            sender.bytes.push(u8::try_from(location << 4 | sample).unwrap());
        }
        if bit(flags, 3) {
            let names = [
                "battery_low",
                "sensor_fault",
                "sample_too_small",
                "strip_insertion_error",
                "wrong_strip",
                "above_range",
                "below_range",
                "too_hot",
                "too_cold",
                "strip_pulled",
                "general_fault",
                "time_fault",
            ];
            let word = sender.bits(2, &(0..).zip(names).collect::<Vec<_>>());
            let first =
                |among: &[usize]| among.iter().find(|bit| word >> **bit & 1 == 1).map(|bit| names[*bit]);
            sender.want("fault", json!(first(&[1, 2, 3, 4, 7, 8, 9, 10]).unwrap_or("none")));
            sender.want("beyond", json!(first(&[5, 6]).unwrap_or("none")));
        } else {
            sender.want("fault", json!("none"));
            sender.want("beyond", json!("none"));
        }
        sender.want("context_follows", json!(bit(flags, 4)));
    });
}

#[test]
fn every_flag_byte_of_the_glucose_context() {
    all_flags(Characteristic::GlucoseContext, |flags, sender| {
        sender.number("sequence", 2);
        if bit(flags, 7) {
            sender.number("", 1);
        }
        if bit(flags, 0) {
            let kinds = ["breakfast", "lunch", "dinner", "snack", "drink", "supper", "brunch"];
            let kind = sender.one_of("carbohydrate_kind", 1, &kinds, 12);
            sender.bytes.push(u8::try_from(kind).unwrap());
            sender.sfloat("carbohydrate_g", 3);
        }
        if bit(flags, 1) {
            let meals = ["before_meal", "after_meal", "fasting", "casual", "bedtime"];
            let meal = sender.one_of("meal", 1, &meals, 9);
            sender.bytes.push(u8::try_from(meal).unwrap());
        }
        if bit(flags, 2) {
            let tester = sender.one_of("tester", 1, &["self", "professional", "laboratory"], 15);
            let healths = ["minor_issue", "major_issue", "during_menses", "under_stress", "none"];
            let health = sender.one_of("health", 1, &healths, 15);
            sender.bytes.push(u8::try_from(health << 4 | tester).unwrap());
        }
        if bit(flags, 3) {
            let seconds = u16::try_from(sender.below(65_535)).unwrap();
            sender.bytes.extend(seconds.to_le_bytes());
            sender.want("exercise_s", json!(seconds));
            sender.number("exercise_intensity", 1);
        }
        if bit(flags, 4) {
            let kinds = ["rapid", "short", "intermediate", "long", "premixed"];
            let kind = sender.one_of("medication", 1, &kinds, 9);
            sender.bytes.push(u8::try_from(kind).unwrap());
            let (key, shift) = if bit(flags, 5) { ("medication_ml", 3) } else { ("medication_mg", 6) };
            sender.sfloat(key, shift);
        }
        if bit(flags, 6) {
            sender.sfloat("hba1c", 0);
        }
    });
}

#[test]
fn every_flag_byte_of_oximetry() {
    all_flags(Characteristic::SpotOximetry, |flags, sender| {
        ["spo2", "pulse"].iter().for_each(|key| sender.sfloat(key, 0));
        if bit(flags, 0) {
            sender.time("time");
        }
        oximeter_rest(flags >> 1, sender);
        sender.want("clock_not_set", json!(bit(flags, 4)));
    });
    all_flags(Characteristic::ContinuousOximetry, |flags, sender| {
        ["spo2", "pulse"].iter().for_each(|key| sender.sfloat(key, 0));
        if bit(flags, 0) {
            ["spo2_fast", "pulse_fast"].iter().for_each(|key| sender.sfloat(key, 0));
        }
        if bit(flags, 1) {
            ["spo2_slow", "pulse_slow"].iter().for_each(|key| sender.sfloat(key, 0));
        }
        oximeter_rest(flags >> 2, sender);
    });
}

fn oximeter_rest(flags: u8, sender: &mut Sender) {
    if bit(flags, 0) {
        let names = [
            "ongoing",
            "early_estimate",
            "validated",
            "fully_qualified",
            "from_storage",
            "demonstration",
            "testing",
            "calibrating",
            "unavailable",
            "questionable",
            "invalid",
        ];
        sender.bits(2, &(5..).zip(names).collect::<Vec<_>>());
    }
    if bit(flags, 1) {
        let names = [
            (1, "malfunction"),
            (3, "inadequate_signal"),
            (4, "poor_signal"),
            (5, "low_perfusion"),
            (6, "erratic_signal"),
            (8, "questionable_pulse"),
            (11, "not_on_user"),
            (13, "displaced"),
            (15, "disconnected"),
        ];
        sender.bits(3, &names);
    }
    if bit(flags, 2) {
        sender.sfloat("pulse_amplitude", 0);
    }
}

#[test]
fn every_flag_byte_of_weight_and_temperature() {
    all_flags(Characteristic::Weight, |flags, sender| {
        let imperial = bit(flags, 0);
        sender.want("unit", json!(if imperial { "lb" } else { "kg" }));
        let steps = sender.below(65_535);
        sender.bytes.extend(u16::try_from(steps).unwrap().to_le_bytes());
        let hundredths = i64::try_from(if imperial { steps * 10 } else { steps * 5 }).unwrap();
        sender.want("weight", Sender::decimal(hundredths, -3));
        if bit(flags, 1) {
            sender.time("time");
        }
        if bit(flags, 2) {
            sender.number("user_id", 1);
        }
        if bit(flags, 3) {
            let index = sender.number("", 2);
            sender.want("bmi", Sender::decimal(i64::try_from(index).unwrap(), -1));
            let height = i64::try_from(sender.number("", 2)).unwrap();
            let (key, exponent) = if imperial { ("height_in", -1) } else { ("height_m", -3) };
            sender.want(key, Sender::decimal(height, exponent));
        }
    });
    all_flags(Characteristic::Temperature, |flags, sender| {
        sender.want("unit", json!(if bit(flags, 0) { "[degF]" } else { "Cel" }));
        let mantissa = i64::try_from(sender.below(2_000_000)).unwrap() - 1_000_000;
        let exponent = i64::try_from(sender.below(9)).unwrap() - 6;
        let [low, mid, high, ..] = mantissa.to_le_bytes();
        sender.bytes.extend([low, mid, high, i8::try_from(exponent).unwrap().cast_unsigned()]);
        sender.want("temperature", Sender::decimal(mantissa, exponent));
        if bit(flags, 1) {
            sender.time("time");
        }
        if bit(flags, 2) {
            let sites =
                ["armpit", "body", "ear", "finger", "gastrointestinal", "mouth", "rectum", "toe", "tympanum"];
            let site = sender.one_of("site", 1, &sites, 14);
            sender.bytes.push(u8::try_from(site).unwrap());
        }
    });
}

#[test]
fn every_flag_byte_of_heart_rate() {
    all_flags(Characteristic::HeartRate, |flags, sender| {
        sender.number("heart_rate", if bit(flags, 0) { 2 } else { 1 });
        if bit(flags, 2) {
            sender.want("contact", json!(bit(flags, 1)));
        }
        if bit(flags, 3) {
            sender.number("energy_kj", 2);
        }
        if bit(flags, 4) {
            // Multiples of 1/1024 s that are whole in tenths of a microsecond.
            let steps: Vec<u64> = (0..sender.below(4)).map(|n| 256 * (n + 1)).collect();
            steps.iter().for_each(|step| sender.bytes.extend(u16::try_from(*step).unwrap().to_le_bytes()));
            sender.want("rr_ms", json!(steps.iter().map(|step| step * 1_000 / 1_024).collect::<Vec<_>>()));
        }
    });
}

proptest! {
    #[test]
    fn any_bytes_give_json_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
        for (_, characteristic) in Characteristic::NAMES {
            let mut out = Vec::new();
            if read(characteristic, &bytes, &mut out).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
            }
        }
    }
}
