use proptest::prelude::*;

use super::*;
use crate::codec::Sent;

fn pick<'a>(paths: &[&str], payload: &'a [u8]) -> Result<Vec<Sent<'a>>, String> {
    let paths = Paths::new(paths.iter().copied(), Limits::default()).unwrap();
    paths.pick(payload).map(|picked| picked.into_vec()).map_err(|e| e.to_string())
}

fn digits(text: &str) -> Sent<'_> {
    Sent::Digits(text.into())
}

#[test]
fn picks_in_the_order_of_the_paths() {
    let payload = br#" {"b":{"x":[1,{"y":"\u8840\"\ud83d\ude00"}]},"a":-1.50e2,"c":null,"d":true,"a b":[]} "#;
    let got = pick(&["$.a", "$.b.x[1].y", "$.c", "$.d", "$.none", "$['a b']", "$.b.x[0]", "$.a"], payload);
    let want = vec![
        digits("-1.50e2"),
        Sent::Text("血\"😀".into()),
        Sent::Null,
        Sent::Flag(true),
        Sent::Absent,
        Sent::Structure("a list"),
        digits("1"),
        digits("-1.50e2"),
    ];
    assert_eq!(got, Ok(want));
}

#[test]
fn general_paths_keep_the_digits_too() {
    let payload = br#"{"list":[{"k":"sys","v":12345678901234567890.10},{"k":"dia","v":2}]}"#;
    let got = pick(&["$.list[?@.k=='sys'].v", "$.list[*].v", "$..k2", "$.list[-1].v"], payload);
    let want =
        vec![digits("12345678901234567890.10"), Sent::Structure("several values"), Sent::Absent, digits("2")];
    assert_eq!(got, Ok(want));
}

#[test]
fn malformed_payloads_are_refused_with_the_place() {
    let deep = "[".repeat(33) + &"]".repeat(33);
    let many = format!("[{}0]", "0,".repeat(5_000));
    let large = vec![b' '; 300_000];
    let long = format!("[{}]", "9".repeat(400));
    let table: Vec<(&[u8], &str)> = vec![
        (b"", "byte 0: the payload ends where a value is expected"),
        (b"  ", "byte 2: the payload ends where a value is expected"),
        (b"{", "byte 1: expected a key in quotes"),
        (b"{\"a\"", "byte 4: expected ':' after the key"),
        (b"{\"a\":1", "byte 6: the payload ends before '}'"),
        (b"{\"a\":1,}", "byte 7: expected a key in quotes"),
        (b"{\"a\":1}{", "byte 7: something follows after the end of the value"),
        (b"{\"a\":1 \"b\":2}", "byte 7: expected ',' or '}'"),
        (b"{\"a\":1,\"a\":2}", "byte 7: the key \"a\" comes twice in one object"),
        (b"{\"a\":1,\"\\u0061\":2}", "byte 7: the key \"a\" comes twice in one object"),
        (b"{\"x\":{\"a\":1,\"b\":2,\"b\":3}}", "byte 18: the key \"b\" comes twice in one object"),
        (b"[1,]", "byte 3: expected a value"),
        (b"[01]", "byte 2: expected ',' or ']'"),
        (b"[1.]", "byte 3: expected a digit after the point"),
        (b"[1e]", "byte 3: expected a digit in the exponent"),
        (b"[-]", "byte 2: expected a digit"),
        (b"[+1]", "byte 1: expected a value"),
        (b"[1e999]", "byte 1: the number is too large"),
        (long.as_bytes(), "byte 1: the number is too large"),
        (b"[NaN]", "byte 1: NaN and Infinity are not JSON"),
        (b"[-Infinity]", "byte 2: NaN and Infinity are not JSON"),
        (b"[tru]", "byte 1: expected a value"),
        (b"\"a", "byte 2: the payload ends within a string"),
        (b"\"a\nb\"", "byte 2: a control character in a string must be escaped"),
        (b"\"\\x\"", "byte 1: unknown escape in a string"),
        (b"\"\\u12g4\"", "byte 1: \\u must be followed by four hexadecimal digits"),
        (b"\"\\ud800x\"", "byte 7: half of a surrogate pair"),
        (b"\"\\udc00\"", "byte 7: half of a surrogate pair"),
        (b"\"\xff\"", "byte 1: the payload is not UTF-8"),
        (deep.as_bytes(), "byte 32: more than 32 objects and lists within one another"),
        (many.as_bytes(), "byte 8193: more than 4096 fields"),
        (&large, "byte 262144: the payload has 300000 bytes; at most 262144 are read"),
    ];
    for (payload, want) in table {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
        assert_eq!(pick(&["$.a"], payload), Err(want.to_owned()), "{shown}");
    }
}

#[test]
fn paths_that_are_none_are_refused() {
    let error = |path: &str| Paths::new([path], Limits::default()).unwrap_err().to_string();
    assert_eq!(error("sys"), "\"sys\" is not a JSON path: it must begin with \"$\", for instance \"$.sys\"");
    assert!(error("$.[").contains("is not a JSON path"));
}

/// JSON-like texts, most of them a little broken.
fn almost_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"a\":",
        "1",
        "-0",
        "1.5e3",
        "true",
        "null",
        " ",
        "\"\\n\"",
        "\"\\ud83d\\ude00\"",
        "\"血\"",
        "e",
        ".",
        "{\"a\":1,\"b\":[2,null]}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e300..1e300_f64).prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn refuses_whatever_serde_json_refuses(text in almost_json()) {
        let ours = pick(&["$.a", "$[0]"], text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match (&ours, &theirs) {
            (Err(why), Ok(_)) => prop_assert!(why.contains("comes twice"), "{text}: {why}"),
            (Ok(_), Err(why)) => prop_assert!(false, "{text}: {why}"),
            _ => {}
        }
    }

    #[test]
    fn takes_whatever_serde_json_writes(value in any_json()) {
        let text = value.to_string();
        prop_assert!(pick(&["$.a"], text.as_bytes()).is_ok(), "{text}");
        let text = serde_json::to_string_pretty(&value).unwrap();
        prop_assert!(pick(&["$..a"], text.as_bytes()).is_ok(), "{text}");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let ours = pick(&["$.a", "$..b"], &bytes);
        prop_assert_eq!(ours.is_ok(), serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
    }
}
