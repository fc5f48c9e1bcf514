//! Functions over several readings in the engine: timers when readings leave, and restarts in between.

use super::bench::Bench;
use crate::record::ConfigKind;

const RULE: &str = r#"
[[rule]]
id = "flaps"
class = "cold_store"
when = "changes(temp, 10min) > 3 and mean(temp, 5) > 6"
severity = "P2"
team = "pharmacy"
source = "D"
text.zh = "{device} {temp}"
text.en = "{device} {temp}"
[[rule.test]]
given = [{ at = "0s", values = { temp = 9 } }]
expect = []
"#;

/// A fridge that swings, up to so many readings, then on from where it was put back.
fn swing(restored: impl Fn(i64) -> bool) -> Vec<String> {
    let mut bench = Bench::fridge();
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(RULE));
    assert_eq!(bench.quarantine_codes(), [""; 0]);
    for n in 0..9 {
        bench.run_to(n * 60_000);
        bench.temp("f1", n * 60_000, if n % 2 == 0 { 9.0 } else { 5.0 });
        if restored(n) {
            bench.restore();
        }
    }
    bench.run_to(1_200_000);
    bench.steps()
}

#[test]
fn restarts_in_between_change_nothing() {
    // The fifth reading is the fourth change; the last comes at 480 s, and at 900 s only three changes are left.
    let steps = swing(|_| false);
    assert_eq!(steps, ["fired flaps@240000", "cleared flaps@900000"]);
    for at in 0..9 {
        assert_eq!(swing(|n| n == at), steps, "{at}");
    }
    assert_eq!(swing(|_| true), steps);
}

#[test]
fn a_rule_that_stays_keeps_what_it_remembers_when_others_come() {
    let mut bench = Bench::fridge();
    let rules = |name: &str| ConfigKind::Rule(name.parse().unwrap());
    bench.config(rules("fridges"), Some(RULE));
    for n in 0..4 {
        bench.run_to(n * 60_000);
        bench.temp("f1", n * 60_000, if n % 2 == 0 { 9.0 } else { 5.0 });
    }
    bench.config(
        rules("more"),
        Some(
            &RULE
                .replace("\"flaps\"", "\"a-max\"")
                .replace("changes(temp, 10min) > 3", "max(temp, 5min) > 99"),
        ),
    );
    bench.run_to(240_000);
    bench.temp("f1", 240_000, 9.0);
    assert_eq!(bench.steps(), ["fired flaps@240000"]);
}
