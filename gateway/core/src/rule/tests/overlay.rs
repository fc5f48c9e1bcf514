//! What a site lays over rules.

use super::*;
use crate::overlay::lay_over;

fn laid(overlay: &str) -> Result<RuleFile, Vec<String>> {
    let text = lay_over(GOOD, "site.toml", &format!("rules = \"cold\"\n{overlay}"));
    RuleFile::parse(&text, "r.toml", &classes())
        .map_err(|found| found.iter().map(ToString::to_string).collect())
}

#[test]
fn thresholds_delays_urgency_and_texts_change_and_the_shipped_tests_stay_those_of_what_was_shipped() {
    let file = laid(
        "[[rule]]\nid = \"warm\"\nwhen = \"temp > 6\"\nfor = \"20s\"\nclear_after = \"5s\"\nseverity = \"P1\"\n\
         team = \"ward\"\ntext.en = \"{device} is warm\"\n[[rule.test]]\ngiven = [{ at = \"0s\", values = { temp = 7 } }]\n\
         until = \"20s\"\nexpect = [\"fired 20s\"]\n",
    )
    .unwrap();
    let classes = classes();
    let rule = file.rules[0].lower(&classes, &mut Vec::new()).unwrap();
    let Kind::Threshold(threshold) = &rule.kind else { panic!("it is a threshold") };
    assert_eq!((threshold.hold_ms, threshold.clear_after_ms), (20_000, 5_000));
    assert_eq!((rule.severity, &*rule.team), (crate::alert::Severity::P1, "ward"));
    let shipped = RuleFile::parse(GOOD, "r.toml", &classes).unwrap();
    let shipped = shipped.rules[0].lower(&classes, &mut Vec::new()).unwrap();
    assert_eq!(rule.text.zh, shipped.text.zh, "what the overlay does not say stays");
    assert_ne!(rule.text.en, shipped.text.en);
}

#[test]
fn a_rule_can_be_off() {
    assert_eq!(laid("[[rule]]\nid = \"warm\"\noff = true\n").unwrap().rules, []);
}

#[test]
fn mistakes_are_told_at_their_place_in_the_overlay() {
    let found = laid(
        "[[rule]]\nid = \"wram\"\nfor = \"1s\"\n[[rule]]\nid = \"warm\"\nwhen = \"tmp > 6\"\nclass = \"bp_meter\"\n",
    );
    assert_eq!(
        found.unwrap_err(),
        [
            "site.toml:3:6: rule[0].id: there is no rule \"wram\" in these rules (did you mean \"warm\"?)",
            "site.toml:7:9: rule[1].when: no profile of the class measures \"tmp\"; did you mean \"temp\"?",
            "site.toml:8:1: rule[1].class: unknown key \"class\" (known here: calendar, clear, clear_after, for, id, late, needs_outcome, off, outcomes, second_signer, severity, task, team, test, text, when)",
        ]
    );
    let found = laid(
        "[[rule]]\nid = \"warm\"\nfor = \"20s\"\n[[rule.test]]\ngiven = [{ at = \"0s\", values = { temp = 9 } }]\n\
         until = \"20s\"\nexpect = [\"fired 10s\"]\n",
    );
    assert!(found.unwrap_err()[0].starts_with("site.toml:5:1: rule[0].test: test 1:"));
}
