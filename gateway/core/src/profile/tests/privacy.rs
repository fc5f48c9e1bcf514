//! Identity fields: nothing is read from them, and nothing that is decoded knows them.

use super::*;

/// A profile that reads this; `vector`: a payload that it reads.
fn profile(privacy: &str, more: &str, vector: &str) -> Result<Profile, String> {
    let text = format!(
        "[profile]\nid = \"t-1\"\nclass = \"scale\"\nvendor = \"T\"\nmodel = \"1\"\nversion = \"1\"\nschema = 1\n\
         [source]\ndocument = \"x\"\n{more}\n[privacy]\n{privacy}\n\
         [[test]]\ninput = '''{vector}'''\nfrom = \"constructed\"\n[test.expect]\nmass = 70\n"
    );
    Profile::parse(&text, "t-1.toml").map_err(|found| found.iter().map(|one| format!("{one}\n")).collect())
}

const JSON: &str =
    "[codec]\nkind = \"json\"\n[[metric]]\nname = \"mass\"\npath = \"$.mass\"\nunit = \"kg\"\n";

fn decoded(profile: &Profile, payload: &str) -> Vec<Decoded> {
    let address = "orderly/v1/main/scale/s-1/up/reading";
    let payload = payload.as_bytes();
    profile.decode(Input { address, payload, received_at: Timestamp(0), flags: Flags::default() }).unwrap()
}

#[test]
fn nothing_can_be_read_from_where_it_is_said_who_somebody_is() {
    let vector = r#"{"mass":70,"who":{"name":"A"}}"#;
    let reads = |place: &str| {
        let metric = format!("{JSON}[[metric]]\nname = \"note\"\n{place}\ntext = true\nrequired = false\n");
        profile("fields = [\"$.who\"]", &metric, vector)
    };
    for place in ["path = \"$.who.name\"", "path = \"$['who']\""] {
        let why = reads(place).unwrap_err();
        assert!(why.contains("privacy.fields") && why.contains("says who somebody is"), "{why}");
    }
    // A path that no check can follow finds nothing there.
    let sly = reads("path = \"$..name\"").unwrap();
    assert!(sly.holds_identity());
    let values = &decoded(&sly, vector)[0].values;
    assert!(!format!("{values:?}").contains("\"A\""), "{values:?}");

    for (privacy, part) in [
        ("fields = [\"$\"]", "a part of the document"),
        ("fields = [\"who\"]", "it must begin with \"$\""),
        ("fields = [\"@.who\"]", "this one is not"),
        ("outer = [\"$.who\"]", "there is no [envelope]"),
        ("metrics = [\"maas\"]", "did you mean \"mass\"?"),
        ("field = [\"$.who\"]", "unknown key"),
    ] {
        let why = profile(privacy, JSON, vector).unwrap_err();
        assert!(why.contains(part), "{privacy}: {why}");
    }
}

#[test]
fn repeats_are_told_without_knowing_who_it_was() {
    let profile = profile("fields = [\"$.who\"]", JSON, r#"{"mass":70}"#).unwrap();
    let hash = |payload: &str| decoded(&profile, payload)[0].payload_hash;
    assert_eq!(hash(r#"{"mass":70,"who":"A"}"#), hash(r#"{"mass":70,"who":{"name":"B"}}"#));
    assert_ne!(hash(r#"{"mass":70,"who":"A"}"#), hash(r#"{"mass":71,"who":"A"}"#));
}

#[test]
fn items_envelopes_and_lines_have_their_own() {
    let items = "[codec]\nkind = \"json\"\neach = \"$.all[*]\"\n[[metric]]\nname = \"mass\"\npath = \"@.mass\"\nunit = \"kg\"\n\
                 [[metric]]\nname = \"note\"\npath = \"@['who']\"\ntext = true\nrequired = false\n";
    let vector = r#"{"all":[{"mass":70}]}"#;
    let split = profile("fields = [\"@.who\"]", items, vector).unwrap();
    let read = decoded(&split, r#"{"all":[{"mass":70,"who":"A"},{"who":"A","mass":71}]}"#);
    assert!(read.len() == 2 && !format!("{read:?}").contains("\"A\""), "blanked in each item");
    assert!(profile("fields = [\"@['who']\"]", items, vector).unwrap_err().contains("says who somebody is"));

    let around = "[envelope]\ndata = \"$.data\"\njson = true\n".to_owned() + JSON;
    let vector = r#"{"data":{"mass":70},"name":"A"}"#;
    let enveloped = profile("outer = [\"$.name\"]", &around, vector).unwrap();
    assert!(enveloped.holds_identity() && decoded(&enveloped, vector).len() == 1);
    let outer = around + "[[metric]]\nname = \"note\"\nouter = \"$.name\"\ntext = true\nrequired = false\n";
    assert!(profile("outer = [\"$.name\"]", &outer, vector).unwrap_err().contains("privacy.outer"));

    let line = "[match]\nmeasurement = \"m\"\n[codec]\nkind = \"line\"\n[[metric]]\nname = \"mass\"\nfield = \"mass\"\nunit = \"kg\"\n";
    let lines = profile("fields = [\"patient\"]", line, "m mass=70,patient=\"A\"").unwrap();
    let hash =
        |payload: &str| decoded(&lines, payload).iter().map(|one| one.payload_hash).collect::<Vec<_>>();
    assert_eq!(hash("m mass=70,patient=\"A\""), hash("m mass=70,patient=\"B\""));
    assert_eq!(hash("m mass=70,patient=\"A\"\nm mass=71"), hash("m mass=70\nm mass=71"));
    let both = profile("fields = [\"mass\"]", line, "m mass=70").unwrap_err();
    assert!(both.contains("write metrics = [\"mass\"]"), "{both}");
    let apart = line.replace("field = \"mass\"", "field = \"kg\"");
    assert!(profile("fields = [\"mass\"]", &apart, "m kg=70").is_ok_and(|old| !old.holds_identity()));
}

#[test]
fn nothing_reaches_into_the_payload_from_around_it() {
    let around = "[envelope]\ndata = \"$.data\"\njson = true\n".to_owned() + JSON;
    let vector = r#"{"n":1,"data":{"mass":70,"patient":{"name":"A"}}}"#;
    let reads = |privacy: &str, place: &str| {
        let metric = format!(
            "{around}[[metric]]\nname = \"note\"\nouter = \"{place}\"\ntext = true\nrequired = false\n"
        );
        profile(privacy, &metric, vector)
    };
    let fields = "fields = [\"$.patient.name\"]";
    for place in ["$.data.patient.name", "$.data", "$['data']['patient']"] {
        let why = reads(fields, place).unwrap_err();
        assert!(why.contains("privacy.outer") && why.contains("says who somebody is"), "{why}");
    }
    for place in ["$..name", "$.*.patient.name"] {
        let sly = reads(fields, place).unwrap();
        assert!(!format!("{:?}", decoded(&sly, vector)).contains("\"A\""), "{place}");
    }
    assert!(reads("", "$..name").unwrap_err().contains("was decoded as \"A\""), "so it is found there");

    let enveloped = profile(fields, &around, vector).unwrap();
    let hash = |payload: &str| decoded(&enveloped, payload)[0].payload_hash;
    assert_eq!(hash(vector), hash(&vector.replace("\"A\"", "\"B\"")), "whoever it was");
    assert_ne!(
        hash(vector),
        hash(&vector.replace("\"n\":1", "\"n\":2")),
        "another message with an equal payload"
    );
    assert_ne!(hash(vector), hash(&vector.replace("70", "71")));
}

#[test]
fn metrics_named_as_earlier_versions_did_are_still_taken() {
    let old = profile("fields = [\"mass\"]", JSON, r#"{"mass":70}"#).unwrap();
    assert_eq!((old.private(), old.holds_identity()), (&["mass".to_owned()][..], false));
    let new = profile("metrics = [\"mass\"]", JSON, r#"{"mass":70}"#).unwrap();
    assert_eq!((new.private(), new.holds_identity()), (&["mass".to_owned()][..], false));
    let text =
        format!("{JSON}[[metric]]\nname = \"nurse\"\npath = \"$.nurse\"\ntext = true\nrequired = false\n");
    assert!(profile("fields = [\"nurse\"]", &text, r#"{"mass":70}"#).is_err(), "a text would reach readings");
}
