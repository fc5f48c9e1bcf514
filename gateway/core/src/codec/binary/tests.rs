use proptest::prelude::*;

use super::{BitReader, Endian, Layout, read};
use crate::codec::document::CodecError;
use crate::codec::wrap::from_hex;
use crate::diagnostic;

fn layout(text: &str) -> Result<Layout, Vec<String>> {
    diagnostic::read("p.toml", text, |root| Layout::read(&root.need_section("codec")?))
        .map_err(|found| found.iter().map(ToString::to_string).collect())
}

fn decode(text: &str, hex: &str) -> Result<String, CodecError> {
    decode_on(text, hex, None)
}

fn decode_on(text: &str, hex: &str, port: Option<u8>) -> Result<String, CodecError> {
    let mut out = Vec::new();
    let layout = layout(text).unwrap();
    read(&layout, &from_hex(hex.as_bytes()).unwrap(), port, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn numbers_of_every_kind_in_both_orders() {
    let text = r#"
        [codec]
        [[codec.field]]
        name = "a"
        type = "u16"
        [[codec.field]]
        name = "b"
        type = "i16"
        endian = "little"
        [[codec.field]]
        name = "c"
        type = "f32"
        [[codec.field]]
        name = "d"
        type = "i24"
        endian = "little"
        [[codec.field]]
        name = "e"
        type = "f16"
        [[codec.field]]
        name = "f"
        type = "bcd"
        bytes = 2
    "#;
    let found = decode(text, "0102 feff 42126666 feffff 3e00 1234").unwrap();
    assert_eq!(found, r#"{"a":258,"b":-2,"c":36.6,"d":-2,"e":1.5,"f":1234}"#);
    let found = decode(text, "0102 feff 4ed23fda feffff 2e66 1234").unwrap();
    assert_eq!(found, r#"{"a":258,"b":-2,"c":1763699968,"d":-2,"e":0.1,"f":1234}"#);
    let error = decode(text, "0102 feff 4212").unwrap_err();
    assert_eq!(error.to_string(), "byte 4: field \"c\": 4 bytes are needed, 2 bytes are left");
    assert!(decode(text, "0102 feff 42126666 feffff 3e00 12fa").unwrap_err().what.contains("decimal digits"));
}

#[test]
fn bits_share_bytes_from_the_high_or_the_low_end() {
    let fields = r#"
        [[codec.field]]
        name = "x"
        type = "bits"
        bits = 4
        [[codec.field]]
        name = "y"
        type = "bits"
        bits = 12
        signed = true
        [[codec.field]]
        name = "z"
        type = "u8"
    "#;
    let big = format!("[codec]\nendian = \"big\"\n{fields}");
    assert_eq!(decode(&big, "1ffe 07").unwrap(), r#"{"x":1,"y":-2,"z":7}"#);
    let little = format!("[codec]\nendian = \"little\"\n{fields}");
    assert_eq!(decode(&little, "e1ff 07").unwrap(), r#"{"x":1,"y":-2,"z":7}"#);
}

#[test]
fn a_flag_or_a_value_or_a_port_says_whether_a_field_is_there() {
    let text = r#"
        [codec]
        [[codec.field]]
        name = "flags"
        type = "u8"
        hidden = true
        [[codec.field]]
        name = "temp"
        type = "i16"
        when = { field = "flags", bit = 0 }
        [[codec.field]]
        name = "rh"
        type = "u8"
        when = { field = "flags", is = [2, 3] }
        [[codec.field]]
        name = "battery"
        type = "u8"
        when = { port = [5] }
        [[codec.field]]
        name = "extra"
        type = "u8"
        optional = true
    "#;
    assert_eq!(decode(text, "01 ffce").unwrap(), r#"{"temp":-50}"#);
    assert_eq!(decode(text, "03 0010 32 09").unwrap(), r#"{"temp":16,"rh":50,"extra":9}"#);
    assert_eq!(decode_on(text, "00 64", Some(5)).unwrap(), r#"{"battery":100}"#);
    assert_eq!(decode_on(text, "00", Some(6)).unwrap(), "{}");
}

#[test]
fn groups_repeat_by_number_by_field_and_to_the_end() {
    let group = |repeat: &str| {
        format!(
            r#"
            [codec]
            [[codec.field]]
            name = "n"
            type = "u8"
            [[codec.field]]
            name = "s"
            repeat = {repeat}
            fields = [{{ name = "t", type = "u8" }}, {{ name = "v", type = "i8" }}]
        "#
        )
    };
    let two = r#"{"n":2,"s":[{"t":1,"v":-1},{"t":2,"v":3}]}"#;
    assert_eq!(decode(&group("2"), "02 01ff 0203").unwrap(), two);
    assert_eq!(decode(&group("\"n\""), "02 01ff 0203").unwrap(), two);
    assert_eq!(decode(&group("\"rest\""), "02 01ff 0203").unwrap(), two);
    assert_eq!(decode(&group("\"rest\""), "02").unwrap(), r#"{"n":2,"s":[]}"#);
    assert!(decode(&group("\"n\""), "03 01ff 0203").is_err());
}

#[test]
fn tags_announce_what_follows() {
    let text = r#"
        [codec]
        endian = "little"
        [[codec.field]]
        tagged = "u16"
        unknown = "stop"
        [[codec.field.case]]
        is = [0x7501]
        fields = [{ name = "battery", type = "u8" }]
        [[codec.field.case]]
        is = [0x6703, 0x6704]
        fields = [{ name = "temp", type = "i16" }]
    "#;
    assert_eq!(decode(text, "0175 5c 0367 3401").unwrap(), r#"{"battery":92,"temp":308}"#);
    assert_eq!(decode(text, "0175 5c aabb 00").unwrap(), r#"{"battery":92}"#);
    let strict = text.replace("unknown = \"stop\"", "");
    let error = decode(&strict, "0175 5c aabb 00").unwrap_err();
    assert_eq!(error.to_string(), "byte 3: no case is given for the tag 0xbbaa");
}

#[test]
fn texts_bytes_places_and_what_nobody_wants() {
    let text = r#"
        [codec]
        [[codec.field]]
        type = "skip"
        bytes = 1
        [[codec.field]]
        name = "len"
        type = "u8"
        hidden = true
        [[codec.field]]
        name = "tag"
        type = "text"
        bytes = "len"
        [[codec.field]]
        name = "raw"
        type = "bytes"
        bytes = "rest"
        [[codec.field]]
        name = "first"
        type = "u8"
        at = 0
    "#;
    assert_eq!(decode(text, "aa 03 614200 0102").unwrap(), r#"{"tag":"aB","raw":"0102","first":170}"#);
    assert!(decode(text, "aa 01 ff").unwrap_err().what.contains("UTF-8"));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let found = layout(
        r#"
        [codec]
        [[codec.field]]
        name = "flags"
        type = "u9"
        [[codec.field]]
        name = "n"
        type = "u8"
        [[codec.field]]
        name = "x"
        type = "u8"
        when = { field = "m", bit = 1 }
        [[codec.field]]
        type = "u8"
        [[codec.field]]
        name = "g"
        fields = [{ name = "a", type = "u8" }]
        [[codec.field]]
        name = "b"
        type = "bits"
        bits = 65
    "#,
    )
    .unwrap_err();
    let all = found.join("\n");
    for wanted in [
        "codec.field[0].type: \"u9\" is not one of",
        "codec.field[2].when.field: \"m\" is no field with a whole number before this one (did you mean \"n\"?)",
        "codec.field[3].name: the key \"name\" is missing",
        "codec.field[4].repeat: a group needs repeat",
        "codec.field[5].bits: type = \"bits\" needs the key \"bits\", from 1 to 64",
    ] {
        assert!(all.contains(wanted), "{wanted}\nnot in\n{all}");
    }
}

#[test]
fn a_group_without_an_end_is_refused() {
    let text = r#"
        [codec]
        [[codec.field]]
        name = "n"
        type = "u16"
        [[codec.field]]
        name = "g"
        repeat = "n"
        fields = [{ name = "o", type = "u8", at = 0 }]
    "#;
    assert!(decode(text, "ffff").unwrap_err().what.contains("20000 parts"));
}

proptest! {
    /// What a bit writer of the tests puts together is read again, whatever the widths.
    #[test]
    fn bits_of_any_width_are_read_again(
        fields in proptest::collection::vec((1_u32..=64, any::<u64>()), 1..12),
        little in any::<bool>(),
    ) {
        let mut bits: Vec<bool> = Vec::new();
        for (width, value) in &fields {
            let places = 0..*width;
            let bit = |place: u32| value >> place & 1 == 1;
            if little { bits.extend(places.map(bit)) } else { bits.extend(places.rev().map(bit)) }
        }
        let bytes: Vec<u8> = bits
            .chunks(8)
            .map(|chunk| {
                let at = |(n, bit): (usize, &bool)| u8::from(*bit) << if little { n } else { 7 - n };
                chunk.iter().enumerate().map(at).sum()
            })
            .collect();
        let mut reader = BitReader::new(&bytes);
        let endian = if little { Endian::Little } else { Endian::Big };
        for (width, value) in &fields {
            let mask = if *width == 64 { u64::MAX } else { (1 << width) - 1 };
            prop_assert_eq!(reader.bits(*width, endian).unwrap(), value & mask);
        }
    }

    #[test]
    fn any_bytes_give_json_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40), port in any::<u8>()) {
        let text = r#"
            [codec]
            [[codec.field]]
            name = "n"
            type = "u8"
            [[codec.field]]
            name = "g"
            repeat = "n"
            fields = [{ name = "a", type = "bits", bits = 3 }, { name = "t", type = "text", bytes = 2 }]
            [[codec.field]]
            tagged = "u8"
            [[codec.field.case]]
            is = [1, 2, 3]
            fields = [{ name = "f", type = "f64" }]
        "#;
        let mut out = Vec::new();
        if read(&layout(text).unwrap(), &bytes, Some(port), &mut out).is_ok() {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        }
    }
}
