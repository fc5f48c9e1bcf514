use proptest::prelude::*;

use super::*;

fn errors(text: &str) -> Vec<String> {
    parse_text(text, Precision::Ns).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn reads_every_field_type_and_every_escape() {
    let text = "# a comment\n\nwe\\ ather\\,x,lo\\=c=us\\ mid\\,west,a=b temp=82.5,n=-3i,u=7u,ok=T,\
                s=\"say \\\"hi\\\", \\\\ = \\n\" 1465839830100400200\r\n  m f=1e3 \nlast f=false";
    let lines = parse_text(text, Precision::Ns).unwrap();
    assert_eq!(lines.len(), 3);
    let line = &lines[0];
    assert_eq!((line.measurement.as_ref(), line.number), ("we ather,x", 3));
    assert_eq!((line.tag("lo=c"), line.tag("a"), line.tag("z")), (Some("us mid,west"), Some("b"), None));
    assert_eq!(line.field("temp"), Some(&Field::Float(82.5)));
    assert_eq!(line.field("n"), Some(&Field::Integer(-3)));
    assert_eq!(line.field("u"), Some(&Field::Unsigned(7)));
    assert_eq!(line.field("ok"), Some(&Field::Flag(true)));
    assert_eq!(line.field("s"), Some(&Field::Text("say \"hi\", \\ = \\n".into())));
    assert_eq!(line.time_ns, Some(1_465_839_830_100_400_200));
    assert_eq!((lines[1].field("f"), lines[1].time_ns), (Some(&Field::Float(1000.0)), None));
    assert_eq!((lines[2].raw, lines[2].number), ("last f=false", 5));
}

#[test]
fn a_text_may_hold_line_ends_and_lines_are_still_counted() {
    let lines = parse_text("m s=\"a\nb\"\nm f=1\n", Precision::Ns).unwrap();
    assert_eq!(lines[0].field("s"), Some(&Field::Text("a\nb".into())));
    assert_eq!(lines[1].number, 3);
}

#[test]
fn precision_scales_the_time() {
    for (name, ns) in [("ns", 5), ("us", 5_000), ("ms", 5_000_000), ("s", 5_000_000_000)] {
        let precision = Precision::parse(name).unwrap();
        assert_eq!(parse_text("m f=1 5", precision).unwrap()[0].time_ns, Some(ns));
        assert_eq!(Precision::of_address(&format!("api/v2/write?bucket=a&precision={name}")), precision);
    }
    assert!(Precision::parse("h").is_err());
    assert_eq!(Precision::of_address("orderly/v1/x"), Precision::Ns);
}

#[test]
fn says_by_line_what_is_wrong() {
    let text = "ok f=1\nm\nm,t f=1\nm,t= f=1\nm f=\nm f=abc\nm f=1 x\nm f=\"open\nm f=1,f=2\nm,a=1,a=2 f=1\n\
                m f=1i2\nm f=NaN\nm f=inf\nm f=99999999999999999999i\nm f=\"a\"b 1\n,a=b f=1\nm f=1 9999999999999999999\nok f=1";
    assert_eq!(
        errors(text),
        [
            "line 2: there is no field; expected measurement,tag=value field=1.5 time",
            "line 3: tag \"t\" has no value; expected t=...",
            "line 4: the value of tag \"t\" is empty",
            "line 5: field \"f\": the value is empty",
            "line 6: field \"f\": \"abc\" is no value; expected 1.5, 15i, 15u, true, false or a text in double quotes",
            "line 7: \"x\" is no time; expected a whole number since 1970",
            "line 8: \"a\\\"b 1\" follows directly after a value",
            "line 9: field \"f\" comes twice",
            "line 10: tag \"a\" comes twice",
            "line 11: field \"f\": \"1i2\" is no value; expected 1.5, 15i, 15u, true, false or a text in double quotes",
            "line 12: field \"f\": \"NaN\" is no value; expected 1.5, 15i, 15u, true, false or a text in double quotes",
            "line 13: field \"f\": \"inf\" is no value; expected 1.5, 15i, 15u, true, false or a text in double quotes",
            "line 14: field \"f\": \"99999999999999999999i\" is no value; expected 1.5, 15i, 15u, true, false or a text in double quotes",
            "line 15: \"b 1\" follows directly after a value",
            "line 16: the measurement is empty",
            "line 17: \"9999999999999999999\" is no time; expected a whole number since 1970",
        ]
    );
}

#[test]
fn errors_are_capped_and_bytes_checked() {
    assert_eq!(errors(&"m\n".repeat(100)).len(), 20);
    let error = parse(b"m f=1\nm s=\"\xff\"", Precision::Ns).unwrap_err();
    assert_eq!(error[0].to_string(), "line 2: the text is not UTF-8");
    let time = parse_text("m f=1 9223372036854775807", Precision::S).unwrap_err();
    assert_eq!(time[0].what, "the time 9223372036854775807 is too large for the precision of the request");
}

#[test]
fn the_two_forging_strings_forge_nothing() {
    let forged = "x\\\",sys=1i 5\nbp,dev=victim sys=300i 6\nq a=\\\"";
    let without_line_ends = "x\\\",sys=1i 5 bp,dev=victim sys=300i 6 q a=\\\"\\";
    let mut out = b"keep\n".to_vec();
    let mut line = LineWriter::new(&mut out, "bp");
    line.tag("dev", "mine").text("note", forged);
    assert!(matches!(line.finish(Some(1)), Err(WriteError::Control { .. })));
    assert_eq!(out, b"keep\n", "a refused line leaves nothing behind");

    for (tag, text) in [("mine", without_line_ends), (without_line_ends, "x")] {
        let mut out = Vec::new();
        let mut line = LineWriter::new(&mut out, "bp");
        line.tag("dev", tag).text("note", text);
        line.finish(Some(1)).unwrap();
        let lines = parse(&out, Precision::Ns).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].tag("dev"), lines[0].fields.len()), (Some(tag), 1));
        assert_eq!(lines[0].field("note"), Some(&Field::Text(text.into())));
    }
}

#[test]
fn refuses_what_cannot_be_written() {
    let write = |measurement: &str, key: &str, value: f64| {
        let mut out = Vec::new();
        let mut line = LineWriter::new(&mut out, measurement);
        line.float(key, value);
        line.finish(None).map_err(|e| e.to_string())
    };
    assert_eq!(write("m", "f", f64::NAN), Err("field \"f\" is not a finite number".to_owned()));
    assert_eq!(write("m", "f", f64::INFINITY), Err("field \"f\" is not a finite number".to_owned()));
    assert_eq!(
        write("#m", "f", 1.0),
        Err("measurement \"#m\" begins with #, which makes the line a comment".to_owned())
    );
    assert_eq!(write("", "f", 1.0), Err("the measurement is empty".to_owned()));
    assert_eq!(write("m", "", 1.0), Err("a field key is empty".to_owned()));
    let mut out = Vec::new();
    assert_eq!(LineWriter::new(&mut out, "m").finish(None), Err(WriteError::NoField));
    LineWriter::new(&mut out, "m").tag("a", "b").float("f", 1.0);
    assert!(out.is_empty(), "an unfinished line leaves nothing behind");
}

fn any_field() -> impl Strategy<Value = Field<'static>> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Field::Float),
        any::<i64>().prop_map(Field::Integer),
        any::<u64>().prop_map(Field::Unsigned),
        any::<bool>().prop_map(Field::Flag),
        any_text().prop_map(|text| Field::Text(text.into())),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ ,=\\\\\"#a\n\r\t]{0,12}", "\\PC{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn what_is_written_is_read_again(
        measurement in any_text(),
        tags in prop::collection::btree_map(any_text(), any_text(), 0..4),
        fields in prop::collection::btree_map(any_text(), any_field(), 1..5),
        time in any::<Option<i64>>(),
    ) {
        let mut out = Vec::new();
        let mut line = LineWriter::new(&mut out, &measurement);
        for (key, value) in &tags {
            line.tag(key, value);
        }
        for (key, value) in &fields {
            line.field(key, value);
        }
        if line.finish(time).is_err() {
            prop_assert!(out.is_empty());
            return Ok(());
        }
        let lines = parse(&out, Precision::Ns).map_err(|e| TestCaseError::fail(format!("{e:?}: {out:?}")))?;
        prop_assert_eq!(lines.len(), 1);
        let line = &lines[0];
        prop_assert_eq!(line.measurement.as_ref(), measurement.as_str());
        let want: Vec<_> = tags.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let got: Vec<_> = line.tags.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        prop_assert_eq!(got, want);
        let got: Vec<_> = line.fields.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
        prop_assert_eq!(got, fields.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(line.time_ns, time);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), text in "[m,=a1 \"\\\\\nit.-]{0,60}") {
        let one = parse(&bytes, Precision::S);
        let two = parse(text.as_bytes(), Precision::Ms);
        prop_assert!(one.is_ok_and(|lines| lines.len() <= bytes.len()) || two.map_or_else(|e| !e.is_empty(), |_| true));
    }
}

proptest::proptest! {
    #[test]
    fn short_numbers_are_written_as_the_general_way_writes_them(
        value in proptest::prop_oneof![
            proptest::prelude::any::<f64>().prop_filter("finite", |v| v.is_finite()),
            (-1_000_000_i64..1_000_000, 0..4_i32).prop_map(|(m, k)| m as f64 / 10_f64.powi(k)),
        ],
    ) {
        let mut out = Vec::new();
        let mut line = LineWriter::new(&mut out, "m");
        line.float("v", value);
        line.finish(None).unwrap();
        let general = format!("m v={}\n", zmij::Buffer::new().format_finite(value));
        proptest::prop_assert_eq!(String::from_utf8(out).unwrap(), general);
    }
}
