//! Groups of devices: counted as they change, against counting them all; restarts, moves and reloads.

use proptest::prelude::*;

use super::bench::{Bench, START};
use crate::alert::Condition;
use crate::record::{ConfigKind, Order};

const RULE: &str = r#"
[[rule]]
id = "half-warm"
class = "cold_store"
group_by = "zone"
when = "temp > 8"
members = ">= 50 %"
for = "10s"
severity = "P2"
team = "pharmacy"
source = "D"
text.zh = "{zone} {share} {count}/{members}"
text.en = "{zone} {share} {count}/{members}"
[[rule.test]]
devices = 2
given = [{ device = 2, at = "0s", values = { temp = 9 } }]
until = "1min"
expect = ["fired 10s"]
"#;

fn rules(name: &str) -> ConfigKind {
    ConfigKind::Rule(name.parse().unwrap())
}

fn put(bench: &mut Bench, device: &str, zone: &str) {
    let order = Order::RegisterDevice {
        device: device.parse().unwrap(),
        class: "cold_store".parse().unwrap(),
        profile: None,
        zone: Some(zone.parse().unwrap()),
        credential: None,
        commissioned_at: None,
        firmware: None,
    };
    bench.act(&format!("{device}-{zone}-{}", bench.now.steady_ms), order);
}

/// Two zones with two fridges each.
fn zones() -> Bench {
    let mut bench = Bench::fridge();
    bench.config(rules("fridges"), Some(RULE));
    for (device, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")] {
        put(&mut bench, device, zone);
    }
    assert_eq!(bench.quarantine_codes(), [""; 0]);
    bench
}

#[test]
fn one_alert_of_the_zone_however_many_devices() {
    for restored in [false, true] {
        let mut bench = zones();
        let again = |bench: &mut Bench| {
            if restored {
                bench.restore();
            }
        };
        bench.at(1_000).temp("a1", 1_000, 9.0);
        again(&mut bench);
        bench.run_to(8_000);
        bench.temp("a2", 8_000, 9.0);
        again(&mut bench);
        bench.run_to(20_000);
        assert_eq!(bench.steps(), ["fired half-warm@11000"]);
        let alert = bench.written.alerts.values().next().unwrap();
        assert_eq!((alert.device.as_str(), alert.zone.as_ref().unwrap().as_str()), ("cold_store:a", "a"));
        assert_eq!((&*alert.text.en, alert.began_at.0 - START), ("a 100 2/2", 1_000));
        again(&mut bench);
        bench.at(30_000).temp("a1", 30_000, 5.0);
        bench.temp("b1", 30_000, 9.0);
        again(&mut bench);
        bench.at(35_000).temp("a2", 35_000, 5.0);
        bench.run_to(60_000);
        assert_eq!(
            bench.steps(),
            ["fired half-warm@11000", "cleared half-warm@35000", "fired half-warm@40000"],
            "restored: {restored}"
        );
    }
}

#[test]
fn a_rule_that_goes_ends_the_alerts_of_its_groups() {
    let mut bench = zones();
    bench.at(1_000).temp("a1", 1_000, 9.0);
    bench.run_to(20_000);
    bench.config(rules("fridges"), None);
    assert_eq!(bench.steps(), ["fired half-warm@11000", "cleared half-warm@20000"]);
    bench.run_to(60_000);
    assert_eq!(bench.steps().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// What is counted step by step is what counting all of them gives, with restarts anywhere.
    #[test]
    fn counting_as_they_change_is_counting_them_all(
        said in prop::collection::vec((0..4_usize, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let names = ["a1", "a2", "b1", "b2"];
        let mut bench = zones();
        let mut warm = [false; 4];
        for (n, (device, is_warm, restored)) in (1_i64..).zip(said) {
            bench.run_to(n * 20_000);
            bench.temp(names[device], n * 20_000, if is_warm { 9.0 } else { 5.0 });
            warm[device] = is_warm;
            bench.run_to(n * 20_000 + 15_000);
            if restored {
                bench.restore();
            }
            bench.drain();
            for (zone, of) in [("a", &warm[..2]), ("b", &warm[2..])] {
                let subject = format!("cold_store:{zone}");
                let alerts = bench.written.alerts.values().filter(|alert| alert.device.as_str() == subject);
                let firing = alerts.filter(|alert| alert.condition == Condition::Firing).count();
                prop_assert_eq!(firing, usize::from(of.contains(&true)), "{} {:?}", zone, warm);
            }
        }
    }
}
