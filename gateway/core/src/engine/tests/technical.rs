//! Technical alerts: three closes in a row for packets too large to take.

use super::bench::{Bench, RULES};
use crate::alert::{Condition, Handling};
use crate::record::{ConfigKind, Order, TimerRun};

fn closed(bench: &mut Bench, device: &str, times: u32) {
    bench.pass(1_000);
    let too_large = vec![(device.parse().unwrap(), times)];
    bench.timer_run(&TimerRun { too_large, ..TimerRun::default() });
}

fn steps(bench: &mut Bench) -> Vec<String> {
    bench.steps().into_iter().filter(|step| step.contains("technical")).collect()
}

#[test]
fn three_in_a_row_are_told_once_and_the_next_message_ends_it() {
    for restores in [false, true] {
        let mut bench = Bench::fridge();
        let next = |bench: &mut Bench, times| {
            closed(bench, "f1", times);
            if restores {
                bench.restore();
            }
        };
        next(&mut bench, 2);
        bench.temp("f1", 1_000, 5.0);
        next(&mut bench, 1);
        next(&mut bench, 1);
        assert_eq!(steps(&mut bench), [""; 0], "a message between them breaks the row");
        next(&mut bench, 1);
        next(&mut bench, 5);
        assert_eq!(steps(&mut bench), ["fired technical.too-large@4000"]);
        bench.temp("f1", 5_000, 5.0);
        assert_eq!(steps(&mut bench)[1..], ["cleared technical.too-large@5000"]);
        let alert = bench.written.alerts.values().find(|alert| alert.rule.as_str().starts_with("technical"));
        let alert = alert.unwrap();
        assert_eq!((alert.condition, alert.handling), (Condition::Cleared, Handling::Closed));
        assert!(alert.text.en.contains("f1") && alert.text.zh.contains("f1"));
        let told = bench.written.notices.iter().filter(|notice| notice.body.contains("too large")).count();
        assert_eq!(told, 2);
        next(&mut bench, 3);
        assert_eq!(steps(&mut bench).len(), 3, "and again, under a name of its own");
        assert_eq!(
            bench.written.alerts.values().filter(|a| a.rule.as_str().starts_with("technical")).count(),
            2
        );
    }
}

#[test]
fn rules_that_come_and_go_leave_it_alone_and_a_device_that_goes_ends_it() {
    let mut bench = Bench::fridge();
    closed(&mut bench, "f1", 3);
    let rules = ConfigKind::Rule("fridges".parse().unwrap());
    bench.config(rules.clone(), None);
    bench.config(rules, Some(RULES));
    assert_eq!(steps(&mut bench).len(), 1);
    bench.act("revoke", Order::RevokeDevice { device: "f1".parse().unwrap() });
    assert_eq!(steps(&mut bench).len(), 2);
    closed(&mut bench, "f1", 3);
    closed(&mut bench, "nobody", 3);
    assert_eq!(steps(&mut bench).len(), 2, "who is not on the register raises nothing");
}
