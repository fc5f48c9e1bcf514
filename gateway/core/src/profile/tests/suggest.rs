//! Which profiles read what a stranger sent.

use super::*;
use crate::profile::suggest::suggest;

#[test]
fn the_profile_whose_address_fits_comes_first_then_whoever_finds_most() {
    let other = BP.replace("t-bp", "t-other").replace("\"bp_meter\"", "\"kiosk\"");
    let less =
        other.replace("t-other", "t-less").replace("path = \"$.sys\"", "path = \"$.s\"\nrequired = false");
    let less = less.replace("\"sys\":152", "\"s\":152");
    let profiles: Vec<_> = [less, other, BP.to_owned()]
        .iter()
        .map(|text| Arc::new(Profile::parse(text, "x").unwrap()))
        .collect();
    let found = |address: &str, payload: &str| {
        let found = suggest(&profiles, address, payload.as_bytes(), Timestamp::EARLIEST_PLAUSIBLE);
        found.into_iter().map(|s| format!("{} {} {}", s.profile, s.fits, s.metrics.len())).collect::<Vec<_>>()
    };
    let good = r#"{"sys":152,"dia":12.8,"t":"2019-12-31T07:30:00+08:00"}"#;
    assert_eq!(
        found("orderly/v1/main/bp_meter/x/up/reading", good),
        ["t-bp true 2", "t-other false 2", "t-less false 1"]
    );
    assert_eq!(found("vendor/x", good), ["t-bp false 2", "t-other false 2", "t-less false 1"]);
    assert_eq!(found("vendor/x", r#"{"sys":900,"dia":900}"#), [""; 0], "values that cannot be are no sign");
    assert_eq!(found("vendor/x", "hello"), [""; 0]);
}
