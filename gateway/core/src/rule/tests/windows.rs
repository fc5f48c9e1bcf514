//! Functions over several readings: the shapes that rules must say, and stragglers against a plain model.

use super::*;

/// What is wrong with a rule of this condition that has this test.
#[track_caller]
fn holds(when: &str, given: &str, until: &str, expect: &str) {
    let rest = "class = \"cold_store\"\nseverity = \"P2\"\nteam = \"pharmacy\"\nsource = \"D\"\ntext.zh = \"x\"\ntext.en = \"x\"";
    let test = format!("given = [{given}]\nuntil = \"{until}\"\nexpect = [{expect}]");
    let text = format!("[[rule]]\nid = \"r\"\n{rest}\nwhen = '{when}'\n[[rule.test]]\n{test}\n");
    assert_eq!(mistakes(&text), Vec::<String>::new(), "{when}: {given}");
}

fn temps(values: &[(i64, f64)]) -> String {
    let one = |(at, temp): &(i64, f64)| format!("{{ at = \"{at}s\", values = {{ temp = {temp} }} }},");
    values.iter().map(one).collect()
}

fn doors(values: &[(i64, bool)]) -> String {
    let word = |open: bool| if open { "open" } else { "closed" };
    let one = |(at, open): &(i64, bool)| {
        format!("{{ at = \"{at}s\", values = {{ door = \"{}\" }} }},", word(*open))
    };
    values.iter().map(one).collect()
}

#[test]
fn counts_and_changes_in_a_time() {
    let flapping: Vec<(i64, bool)> = (0..8).map(|n| (n * 30, n % 2 == 0)).collect();
    // The seventh change is the eighth reading; ten minutes after the first change one less is left.
    holds("changes(door, 10min) > 6", &doors(&flapping), "20min", "\"fired 3min30s\", \"cleared 10min30s\"");
    holds("changes(door, 10min) > 6", &doors(&flapping[..7]), "20min", "");
    holds(
        "count(door == \"open\", 10min) >= 3",
        &doors(&flapping),
        "20min",
        "\"fired 2min\", \"cleared 11min\"",
    );
    holds("count(door, 1min) < 1", &doors(&flapping[..1]), "3min", "\"fired 1min\"");
}

#[test]
fn shares_of_the_last_so_many() {
    let last: Vec<(i64, f64)> = (0..14).map(|n| (n, if n < 9 { 5.0 } else { 9.0 })).collect();
    // Nothing is known before there were ten; three of ten are 30 %.
    holds("share(temp > 8, 10) >= 30", &temps(&last), "14s", "\"fired 11s\"");
    holds("mean(temp, 10) > 5.9", &temps(&last), "14s", "\"fired 11s\"");
    holds("share(temp > 8, 10) >= 30", &temps(&last[..5]), "14s", "");
}

#[test]
fn means_extremes_and_change_over_a_time() {
    let spike = [(0, 5.0), (60, 5.0), (120, 12.0), (180, 5.0)];
    holds("max(temp, 5min) > 10", &temps(&spike), "10min", "\"fired 2min\", \"cleared 7min\"");
    holds("min(temp, 5min) < 4", &temps(&spike), "10min", "");
    holds(
        "mean(temp, 5min) > 7",
        &temps(&spike),
        "10min",
        "\"fired 2min\", \"cleared 3min\", \"fired 5min\", \"cleared 7min\"",
    );
    holds("sum(temp, 5min) >= 27", &temps(&spike), "10min", "\"fired 3min\", \"cleared 5min\"");
    holds(
        "delta(temp, 5min) >= 4",
        &temps(&[(0, 5.0), (120, 9.0)]),
        "10min",
        "\"fired 2min\", \"cleared 5min\"",
    );
}

#[test]
fn a_line_tells_when_a_limit_will_be_crossed() {
    // One degree a minute: in ten minutes 12 is crossed when it is above 2.
    let rising: Vec<(i64, f64)> = (0..6).map(|n| (n * 60, f64::from(u32::try_from(n).unwrap()))).collect();
    holds("predict(temp, 15min, 10min) > 12", &temps(&rising), "5min", "\"fired 3min\"");
    holds("predict(temp, 15min, 10min) > 30", &temps(&rising), "5min", "");
    holds("predict(temp, 15min, 10min) > 1", &temps(&rising[..1]), "5min", "");
}

#[test]
fn what_was_before_and_two_metrics() {
    let doors = doors(&[(0, false), (60, true), (120, false)]);
    holds("previous(door) == \"open\" and door == \"closed\"", &doors, "5min", "\"fired 2min\"");
    let two = |at: i64, temp: f64, other: f64| {
        format!("{{ at = \"{at}s\", values = {{ temp = {temp}, rh = {other} }} }},")
    };
    let refused =
        RuleFile::parse(&GOOD.replace("temp > 8", "difference(temp, rh) > 8"), "r.toml", &classes());
    let found: Vec<String> = refused.unwrap_err().iter().map(ToString::to_string).collect();
    assert!(found[0].contains("only what has one unit"), "{found:?} {}", two(0, 1.0, 1.0));
}

/// The value of the function at a moment, from all samples, told plainly.
fn model(function: usize, samples: &[(i64, f64)], at: i64) -> Option<f64> {
    // Ten minutes are sixty buckets of ten seconds.
    let within: Vec<(usize, f64)> = samples
        .iter()
        .enumerate()
        .filter(|(_, (taken, _))| *taken <= at && taken.div_euclid(10) > at.div_euclid(10) - 60)
        .map(|(n, (_, value))| (n, *value))
        .collect();
    let seen = samples.iter().any(|(taken, _)| *taken <= at);
    let sum: f64 = within.iter().map(|(_, value)| value).sum();
    let count = f64::from(u32::try_from(within.len()).unwrap());
    let changes = within.iter().filter(|(n, value)| *n > 0 && samples[n - 1].1 != *value).count();
    let warm = within.iter().filter(|(_, value)| *value > 8.0).count();
    match function {
        0 => (count > 0.0).then(|| sum / count),
        1 => seen.then(|| f64::from(u32::try_from(changes).unwrap())),
        2 => seen.then(|| f64::from(u32::try_from(warm).unwrap())),
        3 => (count > 0.0).then(|| 100.0 * f64::from(u32::try_from(warm).unwrap()) / count),
        _ => within.iter().map(|(_, value)| *value).reduce(f64::max),
    }
}

const FUNCTIONS: [&str; 5] = [
    "mean(temp, 10min)",
    "changes(temp, 10min)",
    "count(temp > 8, 10min)",
    "share(temp > 8, 10min)",
    "max(temp, 10min)",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However samples are shuffled, and however far passing time was looked at, the function tells at the end what
    /// the plain model tells, and an alert stands just when that is so.
    #[test]
    fn shuffled_samples_end_where_the_plain_sum_ends(
        values in prop::collection::btree_map(1..1_500_i64, 0..3_usize, 1..25),
        keys in prop::collection::vec(any::<u32>(), 25),
        looks in prop::collection::vec(any::<bool>(), 25),
        function in 0..5_usize,
        limit in prop_oneof![Just(0.5), Just(2.5), Just(6.0), Just(9.5), Just(40.0)],
        later in 0..600_i64,
    ) {
        let when = format!("{} > {limit}", FUNCTIONS[function]);
        let rule = GOOD.replace("temp > 8", &when).replace("for = \"10s\"", "late = \"3h\"");
        let (rule, _) = rule.split_once("[[rule.test]]").expect("it has a test");
        let set = set(&format!("{rule}[[rule.test]]\ngiven = []\n"));
        let end = 1_500 + later;
        let clocks = Clocks { wall: Timestamp(end * 1_000), even: end * 1_000 };
        let mut state = RuleState::new(&set, Clocks { wall: Timestamp(0), even: 0 });
        let ordered: Vec<(i64, f64)> = values.iter().map(|(at, n)| (*at, [5.0, 9.0, 13.0][*n])).collect();
        let mut shuffled: Vec<_> = ordered.iter().zip(&keys).collect();
        shuffled.sort_by_key(|(_, key)| **key);
        let mut standing = std::collections::BTreeMap::new();
        let mut changes = Vec::new();
        let look = |state: &mut RuleState, changes: &mut Vec<Change>| {
            while state.next_look(&set, 0) <= clocks.wall.0 {
                state.look(&set, 0, clocks, changes);
            }
        };
        for (((at, temp), _), looked) in shuffled.into_iter().zip(looks) {
            if looked {
                look(&mut state, &mut changes);
            }
            changes.extend(take(&mut state, &set, at * 1_000, *temp, clocks));
            // It comes back from its bytes as it was.
            let mut bytes = Vec::new();
            put_windows(&mut bytes, &state.windows);
            let back = read_windows(&mut crate::wire::Reader::new(&bytes)).expect("it is read");
            prop_assert_eq!(format!("{back:?}"), format!("{:?}", state.windows));
            state.windows = back;
        }
        look(&mut state, &mut changes);
        while state.next_due() <= clocks.even + 10_000 {
            state.expire(&set, 0, &mut changes);
        }
        for change in changes {
            match change.step {
                Step::Fired { began, .. } => prop_assert!(standing.insert(began, None).is_none(), "no name twice"),
                Step::Cleared { began, at } => prop_assert_eq!(standing.insert(began, Some(at)), Some(None), "once"),
            }
        }
        let expected = model(function, &ordered, end);
        let told = state.values[set.slots.iter().position(|slot| slot.over.is_some()).expect("it is there")];
        prop_assert!(expected.map_or(told.is_nan(), |value| (value - told).abs() < 1e-9), "{expected:?} {told}");
        let open = standing.values().any(Option::is_none);
        prop_assert_eq!(open, expected.is_some_and(|value| value > limit), "{:?}", standing);
        // What was so when a sample was taken was told: some alert stood within that time.
        let so: Vec<bool> =
            (0..=end).map(|at| model(function, &ordered, at).is_some_and(|value| value > limit)).collect();
        for (at, _) in &ordered {
            let at = usize::try_from(*at).expect("it is counted from 0");
            if so[at] {
                let begin = so[..at].iter().rposition(|so| !so).map_or(0, |before| before + 1);
                let stop = so[at..].iter().position(|so| !so).map_or(so.len(), |after| at + after);
                let second = |at: Timestamp| usize::try_from(at.0 / 1_000).unwrap_or(0);
                let told = standing.iter().any(|(began, ended): (&Timestamp, &Option<Timestamp>)| {
                    second(*began) <= stop && ended.is_none_or(|ended| begin <= second(ended))
                });
                prop_assert!(told, "{at}: {standing:?}");
            }
        }
    }
}
