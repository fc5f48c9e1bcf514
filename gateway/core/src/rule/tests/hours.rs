//! Rules with a calendar: the shapes that they must say, and stragglers against a plain model.

use super::*;
use crate::rule::track::NEVER;

const HOURS: &str = r#"
[[year]]
year = 2026
source = "the test's own"
off = ["2026-11-23"]
work = ["2026-11-22"]
[[calendar]]
id = "opening"
open = [{ days = ["workday"], times = ["07:00-18:00"] }]
[[calendar]]
id = "evening"
open = [{ times = ["20:00-06:00"] }]
"#;

/// What is wrong with the rule `head` that has this test.
fn with_test(head: &str, test: &str) -> Vec<String> {
    let rest = "class = \"cold_store\"\nseverity = \"P2\"\nteam = \"pharmacy\"\nsource = \"D\"\ntext.zh = \"x\"\ntext.en = \"x\"";
    mistakes(&format!("{HOURS}[[rule]]\nid = \"r\"\n{rest}\n{head}\n[[rule.test]]\n{test}\n"))
}

#[track_caller]
fn holds(head: &str, start: &str, given: &str, until: &str, expect: &str) {
    let test = format!("start = \"{start}\"\ngiven = [{given}]\nuntil = \"{until}\"\nexpect = [{expect}]");
    assert_eq!(with_test(head, &test), Vec::<String>::new(), "{start} {given}");
}

fn temp_at(at: &str, temp: i32) -> String {
    format!("{{ at = \"{at}\", values = {{ temp = {temp} }} }},")
}

#[test]
fn still_so_when_the_calendar_opens() {
    let out = "when = \"temp > 8\"\ncalendar = \"evening\"";
    // At 20:00 still so: told at once, over when it is over or at 06:00.
    holds(out, "2026-11-20T17:00", &temp_at("0s", 9), "4h", "\"fired 3h\"");
    holds(
        out,
        "2026-11-20T17:00",
        &(temp_at("0s", 9) + &temp_at("4h", 5)),
        "5h",
        "\"fired 3h\", \"cleared 4h\"",
    );
    holds(out, "2026-11-20T17:00", &temp_at("0s", 9), "14h", "\"fired 3h\", \"cleared 13h\"");
    // The next evening it is told anew.
    holds(out, "2026-11-20T17:00", &temp_at("0s", 9), "28h", "\"fired 3h\", \"cleared 13h\", \"fired 27h\"");
    holds(out, "2026-11-20T17:00", &(temp_at("0s", 9) + &temp_at("1h", 5)), "6h", "");
    // A buffer that is flushed after the gap: what was measured last need not have been so at 20:00.
    let late = "{ at = \"0s\", values = { temp = 9 } },{ at = \"4h\", values = { temp = 5 } },";
    holds(out, "2026-11-20T17:00", late, "5h", "\"fired 3h\", \"cleared 4h\"");
    // A straggler from before the moment takes it back.
    let straggler =
        temp_at("0s", 9) + "{ at = \"179min59s\", received = \"3h1min\", values = { temp = 5 } },";
    holds(out, "2026-11-20T17:00", &straggler, "4h", "\"fired 3h\", \"cleared 179min59s\"");
}

#[test]
fn a_hold_counts_inside_the_hours_only() {
    let hold = "when = \"temp > 8\"\nfor = \"10min\"\ncalendar = \"opening\"";
    // A Friday 17:55: five minutes are not enough, and the Saturday does not count.
    holds(hold, "2026-11-20T17:55", &temp_at("0s", 9), "1d", "");
    // The Sunday 22nd is worked on, the Monday 23rd is off: it begins anew at 07:00.
    holds(hold, "2026-11-20T17:55", &temp_at("0s", 9), "2d", "\"fired 37h15min\"");
    holds(hold, "2026-11-23T06:00", &temp_at("0s", 9), "20h", "");
    let silent = "no_data = \"device\"\nfor = \"10min\"\ncalendar = \"opening\"";
    holds(silent, "2026-11-20T17:55", "{ at = \"0s\" }", "1d", "");
    holds(silent, "2026-11-20T17:40", "{ at = \"0s\" }", "1d", "\"fired 10min\", \"cleared 20min\"");
    holds(silent, "2026-11-24T06:00", "{ at = \"0s\" },{ at = \"65min\" }", "2h", "\"fired 75min\"");
    holds(silent, "2026-11-24T06:00", "{ at = \"0s\" }", "2h", "\"fired 70min\"");
    let metric = "no_data = \"temp\"\nfor = \"10min\"\ncalendar = \"opening\"";
    holds(metric, "2026-11-24T06:00", &temp_at("0s", 5), "2h", "\"fired 70min\"");
    holds(metric, "2026-11-24T06:00", &(temp_at("0s", 5) + &temp_at("68min", 5)), "77min", "");
}

#[test]
fn not_once_today_by_a_time() {
    let by = "no_data = \"temp\"\nby = \"10:00\"";
    holds(by, "2026-11-20T08:00", &temp_at("0s", 5), "4h", "");
    // Checked today at eight, not at all on the day after; the check comes at eleven.
    holds(
        by,
        "2026-11-20T08:00",
        &(temp_at("0s", 5) + &temp_at("27h", 5)),
        "28h",
        "\"fired 26h\", \"cleared 27h\"",
    );
    // Nobody came: it is told once a day.
    holds(by, "2026-11-20T08:00", &temp_at("0s", 5), "51h", "\"fired 26h\", \"cleared 40h\", \"fired 50h\"");
    let workdays = format!("{by}\ncalendar = \"opening\"");
    holds(&workdays, "2026-11-20T08:00", &temp_at("0s", 5), "4d", "\"fired 50h\", \"cleared 64h\"");
}

#[test]
fn mistakes_with_calendars_are_told() {
    let test = "given = [{ at = \"0s\", values = { temp = 5 } }]";
    for (head, part) in [
        ("when = \"temp > 8\"\ncalendar = \"openning\"", "did you mean \"opening\"?"),
        ("when = \"temp > 8\"\nby = \"10:00\"", "by belongs to no_data"),
        ("no_data = \"device\"\nby = \"10:00\"", "only the silence of a metric"),
        ("no_data = \"temp\"\nby = \"ten\"", "should read like \"10:00\""),
        ("no_data = \"temp\"\nby = \"10:00\"\nfor = \"1h\"", "either by or for"),
    ] {
        let found = with_test(head, test);
        assert!(found.iter().any(|line| line.contains(part)), "{head}: {found:#?}");
    }
    let found = with_test("when = \"temp > 8\"", &format!("start = \"2026-11-20T08:00\"\n{test}"));
    assert!(found[0].contains("only for a rule with a calendar"), "{found:?}");
}

/// The alerts of samples and openings in event time, told plainly. Gives those that a sample proved, and whether one
/// is open at the end, when the timers have run.
fn model(samples: &[(i64, f64)], open: &dyn Fn(i64) -> bool, hold: i64, now: i64) -> (Vec<(i64, i64)>, bool) {
    let (mut temp, mut began, mut fired, mut proved) = (0.0, None, false, Vec::new());
    for at in 0..=now {
        let sample = samples.iter().find(|(when, _)| *when == at);
        let mut look = |temp: f64, is_sample: bool| match (temp > 8.0 && open(at), began) {
            (true, begin) => {
                let begin = begin.unwrap_or(at);
                began = Some(begin);
                fired |= is_sample && at - begin >= hold;
            }
            (false, Some(begin)) => {
                if fired {
                    proved.push((begin, at));
                }
                (began, fired) = (None, false);
            }
            (false, None) => {}
        };
        look(temp, false);
        if let Some((_, measured)) = sample {
            temp = *measured;
            look(temp, true);
        }
    }
    if let Some(begin) = began.filter(|_| fired) {
        proved.push((begin, i64::MAX));
    }
    (proved, began.is_some_and(|begin| fired || begin + hold <= now))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However samples are shuffled, and whether the calendar was looked at before they came or after: what stands at
    /// the end is what the true order gives.
    #[test]
    fn stragglers_around_opening_times_end_where_the_true_order_ends(
        temps in prop::collection::btree_map(1..80_i64, any::<bool>(), 1..25),
        keys in prop::collection::vec(any::<u32>(), 25),
        hold in prop_oneof![Just(0_i64), Just(7)],
        looks in prop::collection::vec(any::<bool>(), 25),
        opens in prop::collection::btree_set(1..79_i64, 0..5),
    ) {
        let opens: Vec<i64> = opens.into_iter().collect();
        let is_open = |minute: i64| opens.iter().filter(|open| **open <= minute).count() % 2 == 1;
        let times: Vec<String> = opens.chunks(2).map(|pair| {
            let show = |minute: i64| format!("{:02}:{:02}", 8 + minute / 60, minute % 60);
            format!("\"{}-{}\"", show(pair[0]), pair.get(1).map_or("24:00".to_owned(), |until| show(*until)))
        }).collect();
        let times = if times.is_empty() { "\"00:00-01:00\"".to_owned() } else { times.join(", ") };
        let calendar = format!("[[calendar]]\nid = \"c\"\nopen = [{{ times = [{times}] }}]\n");
        let rule = GOOD.replace("for = \"10s\"", &format!("for = \"{hold}min\"\nlate = \"3h\"\ncalendar = \"c\""));
        let (rule, _) = rule.split_once("[[rule.test]]").expect("it has a test");
        let text = format!("{calendar}{rule}[[rule.test]]\nstart = \"2026-01-01T02:00\"\ngiven = []\n");
        let set = set(&text);
        // 2026-01-01T08:00 in Shanghai.
        let start = 1_767_225_600_000_i64;
        let begin = Clocks { wall: Timestamp(start), even: 0 };
        let clocks = Clocks { wall: Timestamp(start + 80 * 60_000), even: 80 * 60_000 };
        let mut state = RuleState::new(&set, begin);
        let ordered: Vec<(i64, f64)> = temps.iter().map(|(at, warm)| (*at, if *warm { 9.0 } else { 5.0 })).collect();
        let mut shuffled: Vec<_> = ordered.iter().zip(&keys).collect();
        shuffled.sort_by_key(|(_, key)| **key);
        let mut standing = std::collections::BTreeMap::new();
        let mut note = |changes: Vec<Change>| {
            for change in changes {
                match change.step {
                    Step::Fired { began, .. } => assert!(standing.insert(began, None).is_none(), "no name twice"),
                    Step::Cleared { began, at } => assert_eq!(standing.insert(began, Some(at)), Some(None), "once"),
                }
            }
        };
        let look = |state: &mut RuleState, changes: &mut Vec<Change>| {
            while state.tracks[0].edge <= clocks.wall.0 {
                state.look(&set, 0, clocks, changes);
            }
        };
        for (((at, temp), _), looked) in shuffled.into_iter().zip(looks) {
            let mut changes = Vec::new();
            if looked {
                look(&mut state, &mut changes);
            }
            changes.extend(take(&mut state, &set, start + at * 60_000, *temp, clocks));
            note(changes);
        }
        let mut changes = Vec::new();
        look(&mut state, &mut changes);
        while state.tracks[0].due != NEVER && state.tracks[0].due <= clocks.even + 10_000 {
            state.expire(&set, 0, &mut changes);
        }
        note(changes);
        let (proved, open) = model(&ordered, &is_open, hold, 80);
        prop_assert_eq!(standing.values().any(Option::is_none), open, "{:?}", standing);
        for (begin, end) in proved {
            let (begin, end) = (start + begin * 60_000, if end == i64::MAX { end } else { start + end * 60_000 });
            prop_assert!(standing.keys().any(|began| (begin..=end).contains(&began.0)), "{begin}..{end}: {standing:?}");
        }
    }
}
