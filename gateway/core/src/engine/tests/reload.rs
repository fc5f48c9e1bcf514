//! Reloads: several texts in one record, what cannot be used beside what can, and devices that never notice.

use super::bench::{Bench, COUNTER, FRIDGE, RULES, START};
use crate::record::ConfigKind;

fn profile(name: &str) -> ConfigKind {
    ConfigKind::Profile(name.parse().unwrap())
}

fn rules(name: &str) -> ConfigKind {
    ConfigKind::Rule(name.parse().unwrap())
}

/// One rule of the test rules, as a file of its own.
fn only(id: &str) -> String {
    let begin = RULES.find(&format!("[[rule]]\nid = \"{id}\"")).unwrap();
    let end = RULES[begin + 1..].find("[[rule]]\n").map_or(RULES.len(), |at| begin + 1 + at);
    RULES[begin..end].to_owned()
}

/// A rule for the monitor's class.
const WARD: &str = r#"
[[rule]]
id = "fast"
class = "bedside_monitor"
when = "hr > 150"
for = "30s"
severity = "P2"
team = "ward"
source = "D"
text.zh = "{device} {hr}"
text.en = "{device} {hr}"
[[rule.test]]
given = [{ at = "0s", values = { hr = 160 } }]
until = "30s"
expect = ["fired 30s"]
"#;

/// A fridge with a pending hold, and a monitor with one.
fn ward() -> Bench {
    let mut bench = Bench::fridge();
    bench.reload(&[(rules("ward"), Some(WARD)), (profile("monitor"), Some(COUNTER))]);
    assert_eq!(
        bench.quarantine_codes(),
        [""; 0],
        "the profile stands before the rules that name its metrics"
    );
    bench.register("m1", "bedside_monitor");
    bench.at(1_000).temp("f1", 1_000, 9.0);
    let body = format!(r#"{{"hr":160,"seq":1,"t":{}}}"#, START + 1_000);
    bench.say("orderly/v1/main/bedside_monitor/m1/up/reading", &body);
    bench
}

/// Changes the monitor's profile and its rules.
fn change_monitor(bench: &mut Bench) {
    let (wider, longer) = (
        COUNTER.replace("[20, 300]", "[10, 350]"),
        WARD.replace("\"30s\"", "\"40s\"").replace("fired 30s", "fired 40s"),
    );
    bench.reload(&[(profile("monitor"), Some(&wider)), (rules("ward"), Some(&longer))]);
}

#[test]
fn devices_of_other_classes_never_notice_a_reload() {
    let (mut still, mut moved) = (ward(), ward());
    still.at(5_000);
    moved.at(5_000);
    still.drain();
    moved.drain();
    change_monitor(&mut moved);
    let out = moved.engine.drain();
    let touched: Vec<_> = out.twins.iter().map(|twin| twin.device.as_str()).collect();
    assert_eq!(touched, ["m1"], "only the devices whose rules changed are written");
    assert_eq!((out.texts.len(), out.devices.len(), out.transitions.len()), (2, 0, 0));
    moved.written.take(out);
    // The alert that was pending fires when it would have fired, and so does the silence after it.
    still.run_to(200_000);
    moved.run_to(200_000);
    let fridge = |bench: &mut Bench| {
        let steps = bench.steps();
        steps.into_iter().filter(|step| !step.contains("fast")).collect::<Vec<_>>()
    };
    let (still_steps, moved_steps) = (fridge(&mut still), fridge(&mut moved));
    assert_eq!(still_steps, moved_steps);
    assert_eq!(moved_steps, ["fired warm-hold@11000", "fired silent-device@121000"]);
    assert_eq!(
        still.written.twins["f1"].blob, moved.written.twins["f1"].blob,
        "the twin is the same, byte for byte"
    );
    assert!(
        moved.steps().contains(&"fired fast@41000".to_owned()),
        "the changed hold goes on from its begin"
    );
    assert!(still.steps().contains(&"fired fast@31000".to_owned()));
}

#[test]
fn a_restart_at_the_place_of_the_reload_decides_the_same() {
    let (mut one, mut two) = (ward(), ward());
    change_monitor(&mut one);
    two.restore();
    change_monitor(&mut two);
    two.restore();
    one.run_to(100_000);
    two.run_to(100_000);
    assert_eq!(one.steps(), two.steps());
    assert_eq!(one.written.twins, two.written.twins);
}

#[test]
fn what_cannot_be_used_is_put_aside_and_the_rest_applies() {
    let mut bench = ward();
    let broken = COUNTER.replace("[20, 300]", "[300, 20]");
    let warmer = FRIDGE.replace("[-40, 60]", "[-40, 50]");
    bench.reload(&[
        (profile("monitor"), Some(&broken)),
        (profile("fridge"), Some(&warmer)),
        (rules("ward"), Some("x = 1")),
    ]);
    assert_eq!(bench.quarantine_codes(), ["bad_config", "bad_config"]);
    assert_eq!(bench.written.texts[&profile("fridge")].text.as_deref(), Some(&*warmer));
    assert_eq!(bench.written.texts[&profile("monitor")].text.as_deref(), Some(COUNTER), "the old one stays");
    bench.run_to(40_000);
    assert_eq!(bench.steps(), ["fired warm-hold@11000", "fired fast@31000"]);
}

#[test]
fn a_rule_moves_to_another_file_and_keeps_its_hold() {
    let mut bench = ward();
    let (now, hold) = (only("warm-now"), only("warm-hold"));
    // The file that takes the rule up has the earlier name, so it is read while the rule is still in the other.
    bench.reload(&[(rules("a"), Some(&hold)), (rules("fridges"), Some(&now))]);
    assert_eq!(bench.quarantine_codes(), [""; 0]);
    bench.run_to(20_000);
    assert_eq!(bench.steps(), ["fired warm-hold@11000"]);
}

#[test]
fn a_device_that_must_report_more_often_from_now_on_is_missed_earlier() {
    let mut bench = ward();
    bench.at(5_000);
    let often = FRIDGE.replace("every = \"1min\"", "every = \"10s\"");
    bench.reload(&[(profile("fridge"), Some(&often))]);
    bench.run_to(100_000);
    assert!(bench.steps().contains(&"fired silent-device@21000".to_owned()), "{:?}", bench.steps());
}
