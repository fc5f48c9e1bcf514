//! What a site lays over a profile.

use super::*;
use crate::overlay::lay_over;

fn laid(overlay: &str) -> Result<Profile, Vec<String>> {
    let text = lay_over(BP, "site.toml", overlay);
    Profile::parse(&text, "bp.toml").map_err(|found| found.iter().map(ToString::to_string).collect())
}

const HEAD: &str = "profile = \"t-bp\"\n";

#[test]
fn parameters_change_and_the_shipped_tests_are_run_on_what_was_shipped() {
    // With another scale the shipped vector would not hold any more.
    let overlay = format!(
        "{HEAD}[expect]\nevery = \"3d\"\n[time]\nmax_past = \"30d\"\n[[metric]]\nname = \"dia\"\nscale = 0.1\n\
         [[metric]]\nname = \"sys\"\nrange = [60, 250]\nrequired = false\nlabel = {{ zh = \"高压\", en = \"Upper\" }}\n\
         [[test]]\ninput = '{{\"sys\":255,\"dia\":128,\"t\":\"2026-11-21T07:30:00+08:00\"}}'\nfrom = \"constructed\"\n\
         [test.expect]\nsys = {{ value = 255, quality = \"bad\", reason = \"out_of_range\", raw = \"255\" }}\n\
         dia = {{ value = 96.008, unit = \"mm[Hg]\", raw = \"128\" }}\n"
    );
    let profile = laid(&overlay).unwrap();
    assert_eq!(profile.every_ms(), Some(3 * 86_400_000));
    assert_eq!(profile.time().max_past_ms, 30 * 86_400_000);
    let sys = profile.metric(&"sys".parse().unwrap()).unwrap();
    assert_eq!(sys.label.as_ref().unwrap().en, "Upper");
    let MetricKind::Number(number) = &sys.kind else { panic!("it is a number") };
    assert_eq!((number.range, number.suspect), (Some((60.0, 250.0)), Some((70.0, 250.0))));
    assert_ne!(profile.hash(), bp().hash());
    assert!(profile.text().contains("#:overlay site.toml\nprofile = \"t-bp\""));
    let plain = Profile::parse(BP, "bp.toml").unwrap();
    assert_eq!(plain.hash(), bp().hash());
}

#[test]
fn every_mistake_is_told_at_its_place_in_the_overlay() {
    let wrong = format!(
        "{HEAD}[expect]\nevry = \"3d\"\n[[metric]]\nname = \"syss\"\nrange = [1, 2]\n[[metric]]\nname = \"dia\"\n\
         range = [200, 20]\npath = \"$.other\"\n"
    );
    assert_eq!(
        laid(&wrong).unwrap_err(),
        [
            "site.toml:3:1: expect.evry: unknown key \"evry\" (did you mean \"every\"?)",
            "site.toml:5:8: metric[0].name: \"syss\" is no metric of \"t-bp\" (did you mean \"sys\"?)",
            "site.toml:9:9: metric[1].range: expected [lowest, highest] in the canonical unit, the lower one first",
            "site.toml:10:1: metric[1].path: unknown key \"path\" (known here: label, name, offset, range, report, required, scale, suspect)",
        ]
    );
    let test = format!(
        "{HEAD}[[test]]\ninput = '{{\"sys\":1,\"dia\":2,\"t\":\"2026-11-21T07:30:00Z\"}}'\nfrom = \"x\"\n[test.expect]\nsys = 2\n"
    );
    let told = laid(&test).unwrap_err();
    assert!(
        told.iter().any(|told| told.starts_with("site.toml:6:7: test[0].expect.sys: decoded 1 mm[Hg]")),
        "{told:?}"
    );
    assert_eq!(
        laid("profile = \"other\"\n").unwrap_err(),
        ["site.toml:1:11: profile: it was laid over \"t-bp\""]
    );
}

#[test]
fn overlays_follow_one_another() {
    let one = lay_over(
        BP,
        "a.toml",
        "profile = \"t-bp\"\nexpect.every = \"1d\"\n[[metric]]\nname = \"sys\"\nrange = [60, 200]\n",
    );
    let two = lay_over(&one, "b.toml", "profile = \"t-bp\"\nexpect.every = \"2d\"\n");
    let profile = Profile::parse(&two, "bp.toml").unwrap();
    assert_eq!(profile.every_ms(), Some(2 * 86_400_000));
    let MetricKind::Number(number) = &profile.metrics()[0].kind else { panic!("it is a number") };
    assert_eq!(number.range, Some((60.0, 200.0)));
}
