//! Calendars against a plain model that asks every minute, and the shipped file.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rule::{ClassTable, RuleFile};

fn shipped() -> Calendars {
    let text = include_str!("../../../../../device-profiles/calendar.toml");
    let file = RuleFile::parse(text, "calendar.toml", &ClassTable::default()).expect("it is shipped");
    let mut calendars = Calendars::default();
    assert!(calendars.set("calendar", file.calendars));
    calendars
}

fn at(hours: &Hours, local: &str) -> Timestamp {
    hours.moment(local.parse().expect("a local time")).expect("it is a moment")
}

#[test]
fn holidays_and_makeup_workdays_are_what_was_announced() {
    let clinic = shipped().hours("clinic-hours").expect("it is shipped");
    for (local, open) in [
        ("2026-09-30T09:00", true),  // a Wednesday
        ("2026-10-01T09:00", false), // National Day
        ("2026-10-07T09:00", false),
        ("2026-10-08T07:29", false),
        ("2026-10-08T07:30", true),
        ("2026-10-08T17:30", false),
        ("2026-10-10T09:00", true), // a Saturday that is worked on
        ("2026-10-11T09:00", false),
        ("2025-01-26T09:00", true), // a Sunday that is worked on
        ("2026-02-16T09:00", false),
        ("2027-10-01T09:00", true), // not announced: a Friday
    ] {
        assert_eq!(clinic.is_open(at(&clinic, local)), open, "{local}");
    }
    assert_eq!(clinic.next_edge(at(&clinic, "2026-09-30T17:30")), at(&clinic, "2026-10-08T07:30"));
    let night = shipped().hours("chairs-back").expect("it is shipped");
    assert!(night.is_open(at(&night, "2026-11-22T05:59")) && !night.is_open(at(&night, "2026-11-22T06:00")));
    assert_eq!(night.next_edge(at(&night, "2026-11-22T20:00")), at(&night, "2026-11-23T06:00"));
    assert!(shipped().lacks_year(2027) && !shipped().lacks_year(2026));
}

#[test]
fn mistakes_have_their_place_and_a_way_out() {
    for (text, part) in [
        ("[[calendar]]\nid = \"a\"\nopen = [{ days = [\"wrkday\"] }]", "did you mean \"workday\"?"),
        ("[[calendar]]\nid = \"a\"\nopen = [{ times = [\"7-18\"] }]", "should read like \"07:00-18:00\""),
        ("[[calendar]]\nid = \"a\"\nopen = [{ tims = [\"07:00-18:00\"] }]", "unknown key \"tims\""),
        ("[[calendar]]\nid = \"a\"\nzone = \"Mars\"\nopen = [{}]", "there is no time zone"),
        ("[[calendar]]\nid = \"a\"", "never open"),
        ("[[year]]\nyear = 2026\nsource = \"x\"\noff = [\"2025-01-01\"]", "is not of the year 2026"),
        ("[[year]]\nyear = 2026\nsource = \"x\"\noff = [\"2026-01-05/2026-01-01\"]", "ends before it begins"),
        (
            "[[year]]\nyear = 2026\nsource = \"x\"\noff = [\"2026-01-05\"]\nwork = [\"2026-01-05\"]",
            "cannot be both",
        ),
    ] {
        let found = RuleFile::parse(text, "c.toml", &ClassTable::default()).expect_err(text);
        assert!(found.iter().any(|d| d.to_string().contains(part)), "{text}: {found:?}");
    }
}

/// Whether it is open, said minute by minute of two days: deliberately simple.
fn model(open: &[(Vec<u8>, u16, u16)], date: Date, minute: u16) -> bool {
    let is = |days: &[u8], date: Date| days.contains(&(date.weekday().to_monday_zero_offset() as u8));
    let before = date.yesterday().unwrap();
    open.iter().any(|(days, from, until)| {
        let until = if until > from { *until } else { until + DAY_MIN };
        let within = |minute: u16| (*from..until).contains(&minute);
        (is(days, date) && within(minute)) || (is(days, before) && within(minute + DAY_MIN))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn edges_are_where_the_model_changes(
        open in prop::collection::vec((prop::collection::vec(0..7_u8, 1..4), 0..48_u16, 0..49_u16), 1..4),
        start in 0..10_000_u16,
    ) {
        let open: Vec<_> = open.into_iter().map(|(days, from, until)| (days, from * 30, until * 30))
            .filter(|(_, from, until)| from != until).collect();
        let of = |day: u8| Day::On(Weekday::from_monday_zero_offset(i8::try_from(day).unwrap()).unwrap());
        let calendar = Calendar {
            zone: TimeZone::fixed(jiff::tz::offset(8)),
            open: open.iter().map(|(days, from, until)| Open {
                days: days.iter().map(|day| of(*day)).collect(),
                except: Vec::new(),
                times: vec![(*from, *until)],
            }).collect(),
        };
        let hours = Hours::new(calendar, BTreeMap::new());
        let first: jiff::civil::DateTime = "2026-03-02T00:00".parse().unwrap();
        let minute = |n: i64| first + jiff::Span::new().minutes(n);
        let is_open = |n: i64| {
            let local = minute(n);
            let time = u16::try_from(local.hour()).unwrap() * 60 + u16::try_from(local.minute()).unwrap();
            model(&open, local.date(), time)
        };
        let start = i64::from(start);
        let now = hours.moment(minute(start)).unwrap();
        prop_assert_eq!(hours.is_open(now), is_open(start));
        let next = (start + 1..start + 13 * 1_440).find(|n| is_open(*n) != is_open(start));
        let edge = hours.next_edge(now);
        match next {
            Some(next) => prop_assert_eq!(edge, hours.moment(minute(next)).unwrap()),
            None => prop_assert_eq!(hours.is_open(edge), hours.is_open(now)),
        }
    }
}
