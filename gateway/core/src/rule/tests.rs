//! Rule files with their mistakes, texts, carrying over, and stragglers against a plain model.

mod hours;
mod overlay;
mod windows;

use proptest::prelude::*;

use super::*;
use crate::ids::ClassId;
use crate::profile::Profile;
use crate::reading::Measured;
use crate::time::Timestamp;
use crate::value::{Quality, Value};

fn classes() -> ClassTable {
    let profile = |name| match name {
        "bp" => include_str!("../../../../device-profiles/bp_meter/orderly-bp-1.toml"),
        _ => include_str!("../../../../device-profiles/cold_store/orderly-cs-1.toml"),
    };
    let parse = |name| Profile::parse(profile(name), name).expect("it is shipped");
    ClassTable::new(&[parse("bp"), parse("cold")])
}

const GOOD: &str = r#"[[rule]]
id = "warm"
class = "cold_store"
when = "temp > 8"
for = "10s"
severity = "P2"
team = "pharmacy"
source = "D"
text.zh = "{device} 超温 {temp}"
text.en = "{device} at {temp}"
[[rule.test]]
given = [{ at = "0s", values = { temp = 9 } }]
until = "10s"
expect = ["fired 10s"]
"#;

fn mistakes(text: &str) -> Vec<String> {
    match RuleFile::parse(text, "r.toml", &classes()) {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_good_file_is_taken() {
    assert_eq!(mistakes(GOOD), Vec::<String>::new());
}

#[test]
fn each_mistake_has_its_place_and_a_way_out() {
    for (from, to, expected) in [
        (
            "temp > 8",
            "tmp > 8",
            "r.toml:4:9: rule[0].when: no profile of the class measures \"tmp\"; did you mean \"temp\"?",
        ),
        (
            "\"temp > 8\"",
            "'temp > 8 or door == \"opn\"'",
            "r.toml:4:21: rule[0].when: \"door\" is never \"opn\"; did you mean \"open\"?",
        ),
        ("temp > 8", "temp > ", "r.toml:4:16: rule[0].when: expected a number or a text in quotes"),
        (
            "cold_store",
            "cold_stor",
            "r.toml:3:9: rule[0].class: there is no profile of the class \"cold_stor\" (did you mean \"cold_store\"?)",
        ),
        ("P2", "P5", "r.toml:6:12: rule[0].severity: \"P5\" is not one of P1, P2, P3, P4"),
        ("for =", "fro =", "r.toml:5:1: rule[0].fro: unknown key \"fro\" (did you mean \"for\"?)"),
        ("10s", "10", "r.toml:5:7: rule[0].for: \"10\" is not a duration"),
        ("{temp}", "{tmp}", "rule[0].text.zh: {tmp} is not known; did you mean {temp}?"),
        ("source = \"D\"", "source = \"X\"", "rule[0].source: \"X\" is not one of V, R, D"),
        ("fired 10s\"]", "fired 11s\"]", "rule[0].test: test 1: expected fired 11s, got fired 10s"),
        ("fired 10s\"]", "fird 10s\"]", "should read like \"fired 30min\""),
        ("temp = 9 }", "tmp = 9 }", "values.tmp: no profile of the class measures \"tmp\""),
        ("when = \"temp > 8\"\n", "", "rule[0]: the rule has neither when nor no_data"),
        ("for = \"10s\"", "for = \"10s\"\nno_data = \"device\"", "a rule has either when or no_data"),
        ("when = \"temp > 8\"\nfor = \"10s\"", "no_data = \"temp\"", "silence of a metric needs for"),
        ("when = \"temp > 8\"", "no_data = \"tmp\"", "did you mean \"temp\"?"),
        ("when = \"temp > 8\"", "no_data = \"temp\"\nclear = \"temp < 5\"", "clears when data come again"),
        (
            "when = \"temp > 8\"",
            "no_data = \"temp\"\nunless = \"temp < 5\"",
            "a rule on silence has no unless",
        ),
        ("for = \"10s\"", "for = \"10s\"\nunless = \"tmp > 12\"", "rule[0].unless: no profile of the class"),
        ("for = \"10s\"", "task = \"pharmcy\"", "there is no list \"pharmcy\"; did you mean \"pharmacy\"?"),
        ("for = \"10s\"", "outcomes = [\"moved\"]", "rule[0].outcomes: belongs to a task"),
        (
            "for = \"10s\"",
            "task = \"repair\"\noutcomes = [\"repared\"]",
            "\"repared\" is no outcome code; did you mean \"repaired\"?",
        ),
        ("id = \"warm\"", "id = \"-\"", "rule[0].id: \"-\" is not a name"),
        (
            "[[rule.test]]\ngiven = [{ at = \"0s\", values = { temp = 9 } }]\nuntil = \"10s\"\nexpect = [\"fired 10s\"]\n",
            "",
            "it is refused without",
        ),
        (GOOD, "", "there is no [[rule]] in this file"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = mistakes(&GOOD.replace(from, to));
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{to}: expected {expected}, got {found:#?}"
        );
    }
    let twice = format!("{GOOD}{GOOD}");
    assert!(mistakes(&twice)[0].contains("there are two rules \"warm\""));
}

#[test]
fn a_task_has_a_list_and_says_how_it_can_end() {
    let text = GOOD.replace(
        "for = \"10s\"",
        "for = \"10s\"\ntask = \"repair\"\noutcomes = [\"repaired\"]\nneeds_outcome = true\nsecond_signer = true",
    );
    let task = set(&text).rules[0].task.clone().expect("it has one");
    assert_eq!((task.list.as_str(), task.outcomes.len()), ("repair", 1));
    assert_eq!((task.needs_outcome, task.second_signer), (Some(true), true));
    let plain = set(&GOOD.replace("for = \"10s\"", "for = \"10s\"\ntask = \"laundry\""));
    let task = plain.rules[0].task.clone().expect("a list of the site's own");
    assert_eq!((task.outcomes.len(), task.needs_outcome, task.second_signer), (0, None, false));
    assert_eq!(set(GOOD).rules[0].task, None);
}

fn set(text: &str) -> RuleSet {
    let mut classes = classes();
    let file = RuleFile::parse(text, "r.toml", &classes).expect("it is good");
    classes.set_calendars("r", file.calendars.clone());
    let mut slots = Vec::new();
    let rules = file.rules.iter().map(|rule| rule.lower(&classes, &mut slots).expect("it fits")).collect();
    RuleSet::new(ClassId::new("cold_store").expect("a name"), rules, slots, 120_000)
}

fn temp(temp: f64) -> [Measured; 1] {
    let metric = "temp".parse().expect("a name");
    [Measured {
        metric,
        value: Value::Number(temp),
        unit: "Cel".into(),
        quality: Quality::Good,
        reason: None,
        raw: None,
    }]
}

fn take(state: &mut RuleState, set: &RuleSet, at: i64, value: f64, clocks: Clocks) -> Vec<Change> {
    let mut changes = Vec::new();
    let seen = Observed { at: Timestamp(at), stream: 0, values: &temp(value) };
    state.take(set, &seen, clocks, &mut changes);
    changes
}

#[test]
fn what_another_rule_tells_is_kept_back_until_that_is_over() {
    let warm = |given: &str, until: &str, expect: &str| {
        let (head, _) = GOOD.split_once("[[rule.test]]").expect("it has a test");
        let head = head.replace("for = \"10s\"", "for = \"10s\"\nunless = \"temp > 12\"");
        mistakes(&format!(
            "{head}[[rule.test]]\ngiven = [{given}]\nuntil = \"{until}\"\nexpect = [{expect}]\n"
        ))
    };
    let at = |at: &str, temp: &str| format!("{{ at = \"{at}\", values = {{ {temp} }} }},");
    let late = |taken, temp| at(taken, temp).replace("\", values", "\", received = \"1min\", values");
    let cases = [
        // By the timer, and by a reading at the due time.
        (at("0s", "temp = 13"), "1h", ""),
        (late("0s", "temp = 9") + &late("10s", "temp = 13"), "1h", ""),
        // Told when the other rule has no more to tell, from then on.
        (at("0s", "temp = 13") + &at("1min", "temp = 9"), "1h", "\"fired 1min\""),
        (at("0s", "temp = 13") + &at("1min", "temp = 5"), "1h", ""),
        // The hold goes on while it is kept back.
        (at("0s", "temp = 13") + &at("5s", "temp = 9"), "1h", "\"fired 10s\""),
        // Once told, it is told.
        (at("0s", "temp = 9") + &at("20s", "temp = 13"), "1h", "\"fired 10s\""),
        // What is doubtful keeps nothing back when the condition asks for good values.
        (at("0s", "temp = 9") + &at("5s", "\"temp.uncertain\" = 13"), "1h", "\"fired 10s\""),
    ];
    for (given, until, expect) in cases {
        assert_eq!(warm(&given, until, expect), Vec::<String>::new(), "{given}");
    }
}

/// The alerts that a set of samples in event time makes, told plainly: `for` is proved by a sample.
fn model(samples: &[(i64, f64)], hold: i64, kept_back_above: f64) -> Vec<(i64, Option<i64>)> {
    let mut alerts = Vec::new();
    let (mut began, mut fired) = (None, false);
    for (at, temp) in samples {
        match (*temp > 8.0, began) {
            (true, None) => (began, fired) = (Some(*at), false),
            (false, Some(begin)) => {
                if fired {
                    alerts.push((begin, Some(*at)));
                }
                began = None;
            }
            _ => {}
        }
        fired |= began.is_some_and(|begin| at - begin >= hold) && *temp <= kept_back_above;
    }
    if let Some(begin) = began.filter(|_| fired) {
        alerts.push((begin, None));
    }
    alerts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However a batch of samples is shuffled, the alerts that stand at the end are those of the true order.
    #[test]
    fn stragglers_end_where_the_true_order_ends(
        temps in prop::collection::btree_map(0..60_i64, 0..3_usize, 1..25),
        keys in prop::collection::vec(any::<u32>(), 25),
        hold in prop_oneof![Just(0_i64), Just(7_000)],
        unless in any::<bool>(),
    ) {
        let text = GOOD.replace("for = \"10s\"", &format!("for = \"{hold}ms\""));
        let text = text.replace("until = \"10s\"\nexpect = [\"fired 10s\"]", &format!("until = \"10s\"\nexpect = [\"fired {hold}ms\"]"));
        let text = if unless { text.replace("severity", "unless = \"temp > 12\"\nseverity") } else { text };
        let set = set(&text);
        let ordered: Vec<(i64, f64)> =
            temps.iter().map(|(at, warm)| (at * 1_000, [5.0, 9.0, 13.0][*warm])).collect();
        let mut shuffled: Vec<_> = ordered.iter().zip(&keys).collect();
        shuffled.sort_by_key(|(_, key)| **key);
        let clocks = Clocks { wall: Timestamp(70_000), even: 70_000 };
        let mut state = RuleState::new(&set, clocks);
        let mut standing = std::collections::BTreeMap::new();
        for ((at, temp), _) in shuffled {
            for change in take(&mut state, &set, *at, *temp, clocks) {
                match change.step {
                    Step::Fired { began, .. } => {
                        prop_assert!(standing.insert(began, None).is_none(), "no name twice");
                    }
                    Step::Cleared { began, at } => {
                        prop_assert_eq!(standing.insert(began, Some(at)), Some(None), "cleared once");
                    }
                }
            }
        }
        // What was raised under another beginning stays raised, but only what is true is still firing.
        let expected = model(&ordered, hold, if unless { 12.0 } else { 100.0 });
        let open = |alerts: &mut dyn Iterator<Item = bool>| alerts.filter(|open| *open).count();
        prop_assert_eq!(
            open(&mut standing.values().map(Option::is_none)),
            open(&mut expected.iter().map(|(_, end)| end.is_none())),
        );
        // Every true alert was raised: some alert began within it.
        for (begin, end) in expected {
            let end = end.map_or(i64::MAX, |end| end);
            prop_assert!(standing.keys().any(|began| (begin..=end).contains(&began.0)), "{begin}..{end}: {standing:?}");
        }
    }

    /// In the true order the alerts are exactly those of the model.
    #[test]
    fn in_order_it_is_the_model(temps in prop::collection::btree_map(0..60_i64, 0..3_usize, 1..25)) {
        let set = set(&GOOD.replace("severity", "unless = \"temp > 12\"\nseverity"));
        let ordered: Vec<(i64, f64)> =
            temps.iter().map(|(at, warm)| (at * 1_000, [5.0, 9.0, 13.0][*warm])).collect();
        let clocks = Clocks { wall: Timestamp(70_000), even: 70_000 };
        let mut state = RuleState::new(&set, clocks);
        let mut alerts: Vec<(i64, Option<i64>)> = Vec::new();
        for (at, temp) in &ordered {
            for change in take(&mut state, &set, *at, *temp, clocks) {
                match change.step {
                    Step::Fired { began, .. } => alerts.push((began.0, None)),
                    Step::Cleared { at, .. } => alerts.last_mut().expect("it fired").1 = Some(at.0),
                }
            }
        }
        prop_assert_eq!(alerts, model(&ordered, 10_000, 12.0));
    }
}

#[test]
fn state_is_carried_by_name() {
    let before = set(GOOD);
    let more = format!(
        "{}\n{GOOD}",
        GOOD.replace("warm", "door-first")
            .replace("when = \"temp > 8\"", "when = 'door == \"open\"'")
            .replace("{ temp = 9 }", "{ door = \"open\" }")
    );
    let after = set(&more);
    assert_ne!(before.layout, after.layout);
    let clocks = Clocks { wall: Timestamp(10_000), even: 10_000 };
    let mut state = RuleState::new(&before, clocks);
    take(&mut state, &before, 10_000, 9.0, clocks);
    let carried = state.clone().carry(&before.layout, &after, clocks, 1);
    let place = after.layout.rules().iter().position(|rule| rule.as_str() == "warm").expect("it is there");
    let slot = after.layout.slots().iter().position(|(name, _)| name == "temp").expect("it is there");
    assert_eq!(carried.tracks[place], state.tracks[0]);
    assert_eq!(carried.values[slot], 9.0);
    assert_eq!(carried.kept.iter().next().expect("one").mask, 1 << slot);
    assert_eq!(carried.carry(&after.layout, &before, clocks, 2).tracks, state.tracks);
}

proptest! {
    /// Kept samples say at each place what was said there, in whatever order they came, and come back from bytes.
    #[test]
    fn kept_samples_say_what_was_said(
        said in prop::collection::btree_map(0..1_000_i64, prop::collection::btree_map(0..4_u8, 0..3_u8, 1..4), 1..20),
        keys in prop::collection::vec(any::<u32>(), 20),
    ) {
        let mut arriving: Vec<_> = said.iter().zip(&keys).collect();
        arriving.sort_by_key(|(_, key)| **key);
        let (mut kept, mut head) = (Kept::default(), vec![f64::NAN; 4]);
        for ((at, set), _) in arriving {
            let set: Vec<SlotValue> = set.iter().map(|(slot, value)| (*slot, f64::from(*value))).collect();
            let sample = Sample { at: Timestamp(*at), age_ms: 1_000 - at, stream: 3, mask: 0, changed: smallvec::SmallVec::new() };
            head = kept.insert(sample, &set, vec![f64::NAN; 4]);
        }
        let mut known = vec![f64::NAN; 4];
        let mut expected = known.clone();
        prop_assert_eq!(kept.len(), said.len());
        for (sample, (at, set)) in kept.iter().zip(&said) {
            sample.apply(&mut known);
            for (slot, value) in set {
                expected[usize::from(*slot)] = f64::from(*value);
            }
            prop_assert_eq!(sample.at.0, *at);
            prop_assert_eq!(sample.mask, set.keys().fold(0, |mask, slot| mask | 1 << slot));
            prop_assert_eq!(format!("{known:?}"), format!("{expected:?}"));
        }
        prop_assert_eq!(format!("{head:?}"), format!("{expected:?}"));
        let mut bytes = Vec::new();
        kept.put(&mut bytes);
        let mut back = Kept::read(&mut crate::wire::Reader::new(&bytes)).expect("it is read");
        prop_assert_eq!(&back, &kept);
        // The first can be let go, one after the other, and new ones come behind the last.
        for (gone, at) in said.keys().enumerate() {
            prop_assert_eq!((back.len(), back.first_at()), (said.len() - gone, Some(Timestamp(*at))));
            prop_assert_eq!(back.pop_first().map(|sample| sample.at), Some(Timestamp(*at)));
            if let Some(last) = kept.iter().last() {
                back.push(&last);
                prop_assert_eq!((back.iter().count(), back.last_at()), (said.len() - gone, kept.last_at()));
                back = back.iter().take(said.len() - gone - 1).collect();
            }
        }
        prop_assert!(back.is_empty());
    }
}
