//! Until when something should be done, on working days (DOMAIN 9.4).

use jiff::civil::date;

use super::*;

/// When something of this urgency on this list, that came then, is due; local times.
fn due_at(severity: Severity, list: &str, from: &str) -> String {
    let zone = TimeZone::fixed(offset(8));
    let moment = |text: &str| {
        let local: jiff::civil::DateTime = text.parse().unwrap();
        Timestamp(zone.to_timestamp(local).unwrap().as_millisecond())
    };
    // The Dragon Boat Festival of 2026, and a make-up workday on a Saturday.
    let holidays = [date(2026, 6, 19), date(2026, 6, 20), date(2026, 6, 21)];
    let is_workday = |day| (is_weekday(day) && !holidays.contains(&day)) || day == date(2026, 5, 9);
    let calendar = Calendar { zone: &zone, is_workday: &is_workday };
    let due = due(severity, &ListId::new(list).unwrap(), moment(from), &calendar);
    zone.to_datetime(jiff::Timestamp::from_millisecond(due.0).unwrap()).to_string()
}

#[test]
fn by_urgency_and_by_the_day_of_the_desk() {
    use Severity::{P1, P2, P3, P4};
    for (severity, list, from, expected) in [
        (P1, "security", "2026-03-17T23:58:00", "2026-03-18T00:03:00"),
        (P2, "wheelchairs", "2026-03-17T08:00:00", "2026-03-17T09:00:00"),
        // The desk is always there: the same day, and never in less than 4 hours.
        (P3, "wheelchairs", "2026-03-17T08:00:00", "2026-03-18T00:00:00"),
        (P3, "wheelchairs", "2026-03-21T23:00:00", "2026-03-22T03:00:00"),
        (P4, "wheelchairs", "2026-03-17T08:00:00", "2026-03-24T08:00:00"),
        // The office: before it closes, else when the next working day does.
        (P3, "information", "2026-03-17T08:00:00", "2026-03-17T17:30:00"),
        (P3, "information", "2026-03-17T16:31:00", "2026-03-18T17:30:00"),
        (P3, "information", "2026-03-20T18:00:00", "2026-03-23T17:30:00"),
        (P4, "information", "2026-03-17T08:00:00", "2026-03-23T17:30:00"),
        // Friday is a holiday, so Thursday evening is for Monday.
        (P3, "information", "2026-06-18T18:00:00", "2026-06-22T17:30:00"),
        // Saturday is worked on.
        (P3, "information", "2026-05-08T18:00:00", "2026-05-09T17:30:00"),
        // Who calls people at home: ten minutes, the day, three working days, five.
        (P1, "follow_up", "2026-03-17T08:00:00", "2026-03-17T08:10:00"),
        (P2, "follow_up", "2026-03-17T08:00:00", "2026-03-17T17:30:00"),
        (P3, "follow_up", "2026-03-19T08:00:00", "2026-03-23T17:30:00"),
        (P4, "follow_up", "2026-03-17T08:00:00", "2026-03-23T17:30:00"),
        // A list of the site's own is one that is always there.
        (P3, "laundry", "2026-03-17T08:00:00", "2026-03-18T00:00:00"),
    ] {
        assert_eq!(due_at(severity, list, from), expected, "{severity:?} {list} {from}");
    }
}

#[test]
fn a_month_without_a_working_day_is_due_after_a_day() {
    let zone = TimeZone::UTC;
    let calendar = Calendar { zone: &zone, is_workday: &|_| false };
    let due = due(Severity::P3, &ListId::new("information").unwrap(), START, &calendar);
    assert_eq!(due, START.plus_ms(24 * 60 * MINUTE));
}
