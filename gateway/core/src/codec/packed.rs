//! CBOR (RFC 8949) and MessagePack: binary forms of the same kinds of value as JSON, written as JSON.
//!
//! Keys that are whole numbers become their digits (`$['1']`), byte strings become hexadecimal digits, a CBOR
//! decimal fraction (tag 4) keeps its digits; other tags are passed over.

mod widths;

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::document::{CodecError, Document, MOST_DEPTH};
use super::float::single;

/// Writes a CBOR payload as JSON.
///
/// # Errors
/// When it is no CBOR, too deep or too large, or bytes follow its end.
pub fn cbor(payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut rest = payload;
    let read = ciborium::de::from_reader_with_recursion_limit::<Tree, _>(&mut rest, usize::from(MOST_DEPTH));
    let end = payload.len() - rest.len();
    let mut tree = read.map_err(|error| CodecError::at(end, describe(&error)))?;
    // The reader has widened all floats: 36.6 that came in 32 bits is 36.599998474121094 by now.
    tree.put_floats(&mut widths::floats(&payload[..end]).unwrap_or_default().into_iter());
    finish(&tree, payload.len() - end, out)
}

/// Writes a MessagePack payload as JSON.
///
/// # Errors
/// When it is no MessagePack, too deep or too large, or bytes follow its end.
pub fn msgpack(payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut reader = rmp_serde::Deserializer::new(payload);
    reader.set_max_depth(usize::from(MOST_DEPTH));
    let read = Tree::deserialize(&mut reader);
    let rest = reader.get_ref().len();
    let tree = read
        .map_err(|error| CodecError::at(payload.len() - rest, format!("this is no MessagePack: {error}")))?;
    finish(&tree, rest, out)
}

fn finish(tree: &Tree, rest: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    if rest > 0 {
        return Err(CodecError::whole(format!("{rest} bytes follow the end of the value")));
    }
    let mut document = Document::new(out);
    tree.write(&mut document);
    document.check()
}

fn describe(error: &ciborium::de::Error<std::io::Error>) -> String {
    match error {
        ciborium::de::Error::Io(_) => "the payload ends within a value".to_owned(),
        ciborium::de::Error::Syntax(_) => "this is no CBOR".to_owned(),
        ciborium::de::Error::Semantic(_, why) => format!("this is no CBOR: {why}"),
        ciborium::de::Error::RecursionLimitExceeded => {
            format!("more than {MOST_DEPTH} objects and lists within one another")
        }
    }
}

/// A value as it was packed.
#[derive(Debug)]
enum Tree {
    Null,
    Flag(bool),
    Whole(i128),
    Float(f64),
    Decimal(i64, i8),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Puts the floats of the tree in place of those in it, in order.
    fn put_floats(&mut self, floats: &mut impl Iterator<Item = f64>) {
        match self {
            Self::Float(number) => *number = floats.next().unwrap_or(*number),
            Self::List(items) => items.iter_mut().for_each(|item| item.put_floats(floats)),
            Self::Map(members) => members.iter_mut().for_each(|(_, value)| value.put_floats(floats)),
            _ => {}
        }
    }

    fn write(&self, document: &mut Document<'_>) {
        match self {
            Self::Null => document.null(),
            Self::Flag(flag) => document.flag(*flag),
            Self::Whole(number) => document.whole(*number),
            Self::Float(number) => document.float(*number),
            Self::Decimal(mantissa, exponent) => document.decimal(*mantissa, *exponent),
            Self::Text(text) => document.text(text),
            Self::Bytes(bytes) => document.bytes(bytes),
            Self::List(items) => {
                document.begin_list();
                items.iter().for_each(|item| item.write(document));
                document.end_list();
            }
            Self::Map(members) => {
                document.begin_object();
                for (key, value) in members {
                    document.key(key);
                    value.write(document);
                }
                document.end_object();
            }
        }
    }

    fn into_key<E: de::Error>(self) -> Result<String, E> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Whole(number) => Ok(number.to_string()),
            Self::Flag(flag) => Ok(flag.to_string()),
            _ => Err(E::custom("a key must be a text or a whole number")),
        }
    }

    /// A tag's value: a decimal fraction is put together, any other tag says nothing about the value's form.
    fn tagged(tag: u64, value: Self) -> Self {
        const DECIMAL_FRACTION: u64 = 4;
        match (tag, &value) {
            (DECIMAL_FRACTION, Self::List(parts)) => match parts.as_slice() {
                [Self::Whole(exponent), Self::Whole(mantissa)] => {
                    match (i64::try_from(*mantissa), i8::try_from(*exponent)) {
                        (Ok(mantissa), Ok(exponent)) if exponent.unsigned_abs() <= 30 => {
                            Self::Decimal(mantissa, exponent)
                        }
                        _ => value,
                    }
                }
                _ => value,
            },
            _ => value,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Whole(number.into()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Tree, E> {
        Ok(Tree::Whole(number))
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Tree, E> {
        i128::try_from(number).map(Tree::Whole).map_err(|_| E::custom("the whole number is too large"))
    }

    fn visit_f32<E>(self, number: f32) -> Result<Tree, E> {
        Ok(Tree::Float(single(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Tree, E> {
        Ok(Tree::Bytes(bytes))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        Tree::deserialize(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        Tree::deserialize(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut map: Vec<(String, Tree)> = Vec::new();
        while let Some((key, value)) = members.next_entry::<Tree, Tree>()? {
            map.push((key.into_key()?, value));
        }
        Ok(Tree::Map(map))
    }

    /// The CBOR reader shows a tag as an enum of one variant: (tag, value).
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Tree, A::Error> {
        let (_, pair) = tagged.variant::<de::IgnoredAny>()?;
        pair.tuple_variant(2, TagAndValue)
    }
}

struct TagAndValue;

impl<'de> Visitor<'de> for TagAndValue {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tag and its value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Tree, A::Error> {
        let tag = pair.next_element()?.ok_or_else(|| de::Error::custom("a tag is missing"))?;
        let value = pair.next_element()?.ok_or_else(|| de::Error::custom("a tag has no value"))?;
        Ok(Tree::tagged(tag, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::wrap::from_hex;

    fn read(
        codec: impl Fn(&[u8], &mut Vec<u8>) -> Result<(), CodecError>,
        hex: &str,
    ) -> Result<String, CodecError> {
        let mut out = Vec::new();
        codec(&from_hex(hex.as_bytes()).unwrap(), &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn cbor_of_the_standards_appendix() {
        // RFC 8949, appendix A.
        let cases = [
            ("1903e8", "1000"),
            ("1bffffffffffffffff", "18446744073709551615"),
            ("3903e7", "-1000"),
            ("f90000", "0"),
            ("f93e00", "1.5"),
            ("fa47c35000", "100000"),
            ("fb3ff199999999999a", "1.1"),
            ("f97e00", "\"NaN\""),
            ("f6", "null"),
            ("f5", "true"),
            ("4401020304", "\"01020304\""),
            ("62c3bc", "\"ü\""),
            ("83010203", "[1,2,3]"),
            ("a201020304", "{\"1\":2,\"3\":4}"),
            ("a26161016162820203", "{\"a\":1,\"b\":[2,3]}"),
            ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
            ("bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}"),
            ("c11a514b67b0", "1363896240"),
        ];
        for (hex, wanted) in cases {
            assert_eq!(read(cbor, hex).as_deref(), Ok(wanted), "{hex}");
        }
        // Section 3.4.4: 273.15 as a decimal fraction.
        assert_eq!(read(cbor, "c48221196ab3").as_deref(), Ok("273.15"));
    }

    #[test]
    fn a_float_of_32_bits_keeps_its_own_digits() {
        assert_eq!(read(cbor, "fa42126666").as_deref(), Ok("36.6"));
        assert_eq!(read(msgpack, "ca42126666").as_deref(), Ok("36.6"));
    }

    #[test]
    fn a_float_of_64_bits_is_what_was_sent() {
        // 1763699968, and the number that 32 bits make of 36.6: both would fit in 32.
        for (bits, wanted) in [("41da47fb40000000", "1763699968"), ("40424cccc0000000", "36.599998474121094")]
        {
            assert_eq!(read(cbor, &format!("fb{bits}")).as_deref(), Ok(wanted));
            assert_eq!(read(msgpack, &format!("cb{bits}")).as_deref(), Ok(wanted));
        }
        for (codec, hex) in [(cbor as fn(&_, &mut _) -> _, "fa4ed23fda"), (msgpack, "ca4ed23fda")] {
            assert_eq!(read(codec, hex).as_deref(), Ok("1763699968"), "whole in 32 bits");
        }
    }

    #[test]
    fn each_float_of_cbor_keeps_its_own_width() {
        // A tagged time, 0.1 in 16 bits, bytes that look like a float, a text in pieces, 36.6 in 32 and in 64 bits.
        let hex =
            "87 c1fb41da47fb40000000 f92e66 45fa42126666 7f6161ff fa42126666 a16162fb40424ccccccccccd 20";
        let wanted = r#"[1763699968,0.1,"fa42126666","a",36.6,{"b":36.6},-1]"#;
        assert_eq!(read(cbor, hex).as_deref(), Ok(wanted));
    }

    #[test]
    fn messagepack_of_each_kind() {
        let cases = [
            ("82a7636f6d70616374c3a6736368656d6100", "{\"compact\":true,\"schema\":0}"),
            ("93cd03e8d1fc18c0", "[1000,-1000,null]"),
            ("c403010203", "\"010203\""),
            ("8101a161", "{\"1\":\"a\"}"),
            ("cb3ff199999999999a", "1.1"),
        ];
        for (hex, wanted) in cases {
            assert_eq!(read(msgpack, hex).as_deref(), Ok(wanted), "{hex}");
        }
    }

    #[test]
    fn what_is_cut_or_followed_by_more_is_refused() {
        for hex in ["83", "6261", "1903", "0000", "ff", "", "a1"] {
            assert!(read(cbor, hex).is_err(), "{hex}");
        }
        for hex in ["93", "a361", "cd03", "0000", "", "c1"] {
            assert!(read(msgpack, hex).is_err(), "{hex}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "81".repeat(200_000) + "00";
        assert!(read(cbor, &deep).is_err());
        let deep = "91".repeat(200_000) + "00";
        assert!(read(msgpack, &deep).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_give_json_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for codec in [cbor, msgpack] {
                let mut out = Vec::new();
                if codec(&bytes, &mut out).is_ok() {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
                }
            }
        }
    }
}
