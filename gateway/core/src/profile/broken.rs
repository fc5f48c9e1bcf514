//! Ten broken profiles: what a person reads about each.

use super::Profile;

/// A profile that is right, as the start for one that is not.
const RIGHT: &str = r#"[profile]
id = "m-1"
class = "scale"
vendor = "V"
model = "M"
version = "1"
schema = 1

[source]
document = "sheet"

[codec]
kind = "json"

[[metric]]
name = "weight"
path = "$.w"
unit = "kg"
range = [0, 300]

[[test]]
input = '{"w":70.5}'
from = "sheet"
[test.expect]
weight = 70.5
"#;

fn diagnostics(from: &str, to: &str) -> String {
    assert!(RIGHT.contains(from), "{from}");
    let text = RIGHT.replace(from, to);
    match Profile::parse(&text, "m-1.toml") {
        Ok(_) => "nothing wrong".to_owned(),
        Err(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn the_start_is_right() {
    assert_eq!(diagnostics("sheet", "sheet"), "nothing wrong");
}

#[test]
fn unknown_keys_and_wrong_types() {
    insta::assert_snapshot!(diagnostics("unit = \"kg\"\nrange = [0, 300]", "unti = \"kg\"\nrange = 300"), @r#"
    m-1.toml:15:1: metric[0]: a metric needs a unit, a list of states, or text = true (unit = "1" is a bare number)
    m-1.toml:18:1: metric[0].unti: unknown key "unti" (did you mean "unit"?)
    m-1.toml:19:9: metric[0].range: expected a list in [ ], found a whole number
    "#);
}

#[test]
fn a_unit_that_is_no_ucum_code() {
    insta::assert_snapshot!(diagnostics("\"kg\"", "\"KG\"\ncanonical = \"Cel\""), @r#"
    m-1.toml:18:8: metric[0].unit: "KG" is not a unit known here; the UCUM code is "kg"
    "#);
}

#[test]
fn units_that_measure_different_things() {
    insta::assert_snapshot!(diagnostics("\"kg\"", "\"kg\"\ncanonical = \"Cel\""), @r#"
    m-1.toml:19:13: metric[0].canonical: kg cannot become Cel: they measure different things
    "#);
}

#[test]
fn no_tests() {
    insta::assert_snapshot!(diagnostics("[[test]]\ninput = '{\"w\":70.5}'\nfrom = \"sheet\"\n[test.expect]\nweight = 70.5\n", ""), @r#"
    m-1.toml:1:1: there is no [[test]]: a profile without tests is refused
    "#);
}

#[test]
fn a_test_that_does_not_hold() {
    insta::assert_snapshot!(diagnostics("weight = 70.5", "weight = 71\nwieght = 3\ntime = \"2026-01-01T00:00:00Z\""), @r#"
    m-1.toml:25:10: test[0].expect.weight: decoded 70.5 kg
    m-1.toml:26:10: test[0].expect.wieght: it was not decoded (did you mean "weight"?)
    m-1.toml:27:8: test[0].expect.time: decoded nothing
    "#);
}

#[test]
fn missing_heads_and_a_name_that_is_none() {
    insta::assert_snapshot!(diagnostics("id = \"m-1\"\nclass = \"scale\"\nvendor = \"V\"\n", "id = \"m 1\"\n"), @r#"
    m-1.toml:1:1: profile.class: the key "class" is missing
    m-1.toml:1:1: profile.vendor: the key "vendor" is missing
    m-1.toml:2:6: profile.id: "m 1" is not a name: only A-Z a-z 0-9 . _ : - may stand in it
    "#);
}

#[test]
fn a_codec_and_a_path_that_do_not_exist() {
    insta::assert_snapshot!(diagnostics("path = \"$.w\"", "path = \"w\""), @r#"
    m-1.toml:17:8: metric[0].path: "w" is not a JSON path: it must begin with "$", for instance "$.w"
    "#);
    insta::assert_snapshot!(diagnostics("\"json\"", "\"jason\""), @r#"
    m-1.toml:13:8: codec.kind: "jason" is not one of line, registers, json, cbor, msgpack, senml, senml_cbor, csv, text, binary, gatt, ble_advertisement, javascript (did you mean "json"?)
    "#);
}

#[test]
fn a_wildcard_that_the_topic_does_not_have() {
    insta::assert_snapshot!(diagnostics("path = \"$.w\"\nunit = \"kg\"\nrange = [0, 300]", "topic = \"reader\"\ntext = true"), @r#"
    m-1.toml:1:1: the topic of [match] has no wildcard {reader}
    "#);
}

#[test]
fn checks_and_privacy_that_name_no_metric() {
    let more = "[source]\ndocument = \"x\"\n[privacy]\nfields = [\"wait\"]\n[[check]]\nmetric = \"weihgt\"\nop = \"=>\"\nthan = 3\n";
    insta::assert_snapshot!(diagnostics("[source]\ndocument = \"sheet\"\n", more), @r#"
    m-1.toml:12:10: privacy.fields: "wait" is not a JSON path: it must begin with "$", for instance "$.wait" (a place of the payload, as "$.patient.name"; metrics stand under metrics = [..])
    m-1.toml:14:10: check[0].metric: "weihgt" is no metric here (did you mean "weight"?)
    m-1.toml:15:6: check[0].op: "=>" is not one of <, <=, >, >=, ==, != (did you mean "=="?)
    "#);
}

#[test]
fn times_ranges_and_repeats_that_cannot_be() {
    let more = "[codec]\nkind = \"json\"\n[time]\npath = \"$.t\"\nformat = \"epoch\"\nmax_past = \"1y\"\n[dedupe]\nby = \"seq\"\n";
    let text = diagnostics("[codec]\nkind = \"json\"\n", more)
        + "\n"
        + &diagnostics("[0, 300]", "[300, 0]\nsuspect = [-1, 9]");
    insta::assert_snapshot!(text, @r#"
    m-1.toml:16:10: time.format: "epoch" is not one of rfc3339, epoch_s, epoch_ms, local, "local %Y-%m-%d %H:%M:%S" (did you mean "epoch_s"?)
    m-1.toml:17:12: time.max_past: "1y" is not a duration; write for instance "30s", "5min", "1h" or "3d"
    m-1.toml:19:6: dedupe.by: "seq" needs a [sequence]
    m-1.toml:19:9: metric[0].range: expected [lowest, highest] in the canonical unit, the lower one first
    "#);
}

#[test]
fn no_toml_at_all() {
    insta::assert_snapshot!(diagnostics("range = [0, 300]", "range = [0, 300"), @r#"
    m-1.toml:21:1: missing comma between array elements, expected `,`
    "#);
}

#[test]
fn topics_and_schema() {
    let more = "[match]\ntopic = \"foo/+/x{y}\"\n[codec]\n";
    let text = diagnostics("[codec]\n", more) + "\n" + &diagnostics("schema = 1", "schema = 2");
    insta::assert_snapshot!(text, @r#"
    m-1.toml:13:9: match.topic: "x{y}": a wildcard must be a whole level
    m-1.toml:7:10: profile.schema: schema 2 is not known; this version reads 1
    "#);
}
