//! Rules with a calendar in the engine: timers at opening times, restarts, and a calendar that changes.

use super::bench::{Bench, START};
use crate::record::ConfigKind;

/// 2026-11-21 08:00 in Shanghai, a Saturday.
const HOUR: i64 = 3_600_000;

const CALENDAR: &str = "[[calendar]]\nid = \"evening\"\nopen = [{ times = [\"20:00-06:00\"] }]\n";

const WARM: &str = r#"
[[rule]]
id = "a-warm-evening"
class = "cold_store"
when = "temp > 8"
calendar = "evening"
severity = "P2"
team = "pharmacy"
source = "D"
text.zh = "{device} {temp}"
text.en = "{device} {temp}"
[[rule.test]]
start = "2026-11-20T20:30"
given = [{ at = "0s", values = { temp = 9 } }]
expect = ["fired 0s"]

[[rule]]
id = "silent-evening"
class = "cold_store"
no_data = "device"
for = "10min"
calendar = "evening"
severity = "P2"
team = "pharmacy"
source = "D"
text.zh = "{device}"
text.en = "{device}"
[[rule.test]]
start = "2026-11-20T20:30"
given = [{ at = "0s" }]
until = "10min"
expect = ["fired 10min"]
"#;

fn rules(name: &str) -> ConfigKind {
    ConfigKind::Rule(name.parse().unwrap())
}

/// The fridge under rules of the evening; the calendar is named before it is there.
fn evening() -> Bench {
    let mut bench = Bench::fridge();
    bench.config(rules("fridges"), None);
    bench.reload(&[(rules("a"), Some(WARM)), (rules("calendar"), Some(CALENDAR))]);
    assert_eq!(bench.quarantine_codes(), [""; 0]);
    bench.at(0).temp("f1", 0, 9.0);
    bench
}

const DAY: [&str; 4] = [
    "fired a-warm-evening@43200000",
    "fired silent-evening@43800000",
    "cleared a-warm-evening@79200000",
    "cleared silent-evening@79200000",
];

#[test]
fn what_is_still_so_when_the_calendar_opens_fires_then() {
    let mut bench = evening();
    bench.run_to(24 * HOUR);
    assert_eq!(bench.steps(), DAY);
    let began = bench.written.alerts.values().map(|alert| alert.began_at.0 - START).max();
    assert_eq!(began, Some(12 * HOUR), "nothing is counted from before it opened");
}

#[test]
fn restarts_in_between_change_nothing() {
    for at in [1, 11 * HOUR, 12 * HOUR, 12 * HOUR + 1, 12 * HOUR + 300_000, 22 * HOUR] {
        let mut bench = evening();
        bench.run_to(at);
        bench.restore();
        bench.run_to(24 * HOUR);
        assert_eq!(bench.steps(), DAY, "{at}");
    }
    // Away while it opened: told after the return, when nothing has spoken against it.
    let mut bench = evening();
    bench.run_to(11 * HOUR);
    bench.reboot(2 * HOUR);
    bench.tick();
    bench.run_to(13 * HOUR + 60_000);
    assert_eq!(bench.steps(), ["fired a-warm-evening@43200000"]);
    assert_eq!(bench.written.transitions[0].decided_at.0 - START, 13 * HOUR + 2_000);
}

#[test]
fn a_calendar_that_changes_moves_its_rules_and_no_others() {
    let mut bench = evening();
    bench.run_to(9 * HOUR);
    bench.config(rules("calendar"), Some(&CALENDAR.replace("20:00", "16:00")));
    bench.run_to(10 * HOUR);
    assert_eq!(bench.steps(), ["fired a-warm-evening@32400000", "fired silent-evening@33000000"]);
    bench.config(rules("calendar"), Some(&CALENDAR.replace("20:00", "19:00")));
    bench.run_to(10 * HOUR + 1_000);
    assert_eq!(bench.steps()[2..], ["cleared a-warm-evening@36000000", "cleared silent-evening@36000000"]);
    assert_eq!(bench.quarantine_codes(), [""; 0]);
    // Without its calendar a rule decides nothing, and that is told.
    bench.config(rules("calendar"), None);
    assert_eq!(bench.quarantine_codes(), ["bad_config", "bad_config"]);
    bench.run_to(24 * HOUR);
    assert_eq!(bench.steps().len(), 4);
}
