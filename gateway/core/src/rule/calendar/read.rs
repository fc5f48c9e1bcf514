//! The text of calendars: `[[year]]` and `[[calendar]]` tables of a rule file.

use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::diagnostic::{Section, nearest};
use crate::ids::RuleId;

use super::{Calendar, CalendarFile, DAY_MIN, Day, Open, Year};

/// Where a clock hangs that says no zone (DOMAIN 0.3).
const DEFAULT_ZONE: &str = "Asia/Shanghai";

const WORDS: [(&str, Day); 11] = [
    ("every_day", Day::Every),
    ("workday", Day::Workday),
    ("day_off", Day::Off),
    ("holiday", Day::Holiday),
    ("mon", Day::On(Weekday::Monday)),
    ("tue", Day::On(Weekday::Tuesday)),
    ("wed", Day::On(Weekday::Wednesday)),
    ("thu", Day::On(Weekday::Thursday)),
    ("fri", Day::On(Weekday::Friday)),
    ("sat", Day::On(Weekday::Saturday)),
    ("sun", Day::On(Weekday::Sunday)),
];

/// Reads the calendars of a file.
pub fn read_file(root: &Section<'_, '_>) -> CalendarFile {
    let mut file = CalendarFile::default();
    for section in root.sections("year") {
        if let Some((number, year)) = year(&section)
            && file.years.insert(number, year).is_some()
        {
            section.wrong("year", format!("the year {number} stands twice in this file"), None);
        }
    }
    for section in root.sections("calendar") {
        let Some((name, calendar)) = calendar(&section) else { continue };
        if file.calendars.iter().any(|(known, _)| *known == name) {
            section.wrong("id", format!("there are two calendars {name:?} in this file"), None);
            continue;
        }
        file.calendars.push((name, calendar));
    }
    file
}

fn year(section: &Section<'_, '_>) -> Option<(i16, Year)> {
    let number = section.integer("year").and_then(|year| i16::try_from(year).ok());
    // Where it was announced is for the person who reads the file.
    section.need_text("source");
    let Some(number) = number else {
        section.wrong("year", "which year is it?", Some("year = 2026".to_owned()));
        return None;
    };
    let list = |key: &str| -> Option<Vec<Date>> {
        let mut dates = Vec::new();
        for text in section.texts(key)? {
            match span(text) {
                Ok(found) if found.iter().all(|date| date.year() == number) => dates.extend(found),
                Ok(_) => section.wrong(key, format!("{text:?} is not of the year {number}"), None),
                Err(message) => section.wrong(key, message, None),
            }
        }
        Some(dates)
    };
    let (off, work) = (list("off").unwrap_or_default(), list("work").unwrap_or_default());
    if let Some(both) = off.iter().find(|date| work.contains(date)) {
        section.wrong("work", format!("{both} cannot be both a day off and a workday"), None);
    }
    Some((number, Year { off, work }))
}

/// `2026-05-01`, or `2026-05-01/2026-05-05` with both ends.
fn span(text: &str) -> Result<Vec<Date>, String> {
    let refuse = |_| format!("{text:?} should read like \"2026-05-01\" or \"2026-05-01/2026-05-05\"");
    let (first, last) = text.split_once('/').unwrap_or((text, text));
    let (first, last): (Date, Date) = (first.parse().map_err(refuse)?, last.parse().map_err(refuse)?);
    let dates: Vec<Date> =
        first.series(jiff::Span::new().days(1)).take_while(|date| *date <= last).take(400).collect();
    if dates.is_empty() { Err(format!("{text:?} ends before it begins")) } else { Ok(dates) }
}

fn calendar(section: &Section<'_, '_>) -> Option<(String, Calendar)> {
    section.need_text("id")?;
    let name = section.parsed("id", RuleId::new)?.to_string();
    let zone = zone(section)?;
    let opens = section.sections("open");
    if opens.is_empty() {
        section.wrong_here(
            "the calendar is never open",
            Some("open = [{ days = [\"workday\"], times = [\"07:00-18:00\"] }]".to_owned()),
        );
    }
    let open = opens
        .iter()
        .map(|open| {
            let all = || vec![Day::Every];
            let days = if open.has("days") { days(open, "days")? } else { all() };
            let except = if open.has("except") { days_of(open)? } else { Vec::new() };
            let times = if open.has("times") { times(open)? } else { vec![(0, DAY_MIN)] };
            Some(Open { days, except, times })
        })
        .collect::<Option<Vec<_>>>()?;
    Some((name, Calendar { zone, open }))
}

/// The zone of a calendar that says none.
pub fn default_zone() -> TimeZone {
    TimeZoneDatabase::bundled().get(DEFAULT_ZONE).unwrap_or(TimeZone::UTC)
}

fn days_of(section: &Section<'_, '_>) -> Option<Vec<Day>> {
    days(section, "except")
}

fn zone(section: &Section<'_, '_>) -> Option<TimeZone> {
    let name = section.text("zone").unwrap_or(DEFAULT_ZONE);
    let found = TimeZoneDatabase::bundled().get(name).ok();
    if found.is_none() {
        section.wrong(
            "zone",
            format!("there is no time zone {name:?}"),
            Some("as in \"Asia/Shanghai\"".into()),
        );
    }
    found
}

fn days(section: &Section<'_, '_>, key: &str) -> Option<Vec<Day>> {
    let word = |text: &str| match WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, day)) => Some(*day),
        None => text.parse().ok().map(Day::Date),
    };
    let mut days = Vec::new();
    for text in section.texts(key)? {
        let Some(day) = word(text) else {
            let known = || WORDS.iter().map(|(word, _)| *word);
            let message = match nearest(text, known()) {
                Some(near) => format!("{text:?} is no day; did you mean {near:?}?"),
                None => format!(
                    "{text:?} is no day; it can be {} or a date such as 2026-05-01",
                    known().collect::<Vec<_>>().join(", ")
                ),
            };
            section.wrong(key, message, None);
            return None;
        };
        days.push(day);
    }
    Some(days)
}

fn times(section: &Section<'_, '_>) -> Option<Vec<(u16, u16)>> {
    let mut times = Vec::new();
    for text in section.texts("times")? {
        let found = text.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
        match found.filter(|(from, until)| from != until && *from < DAY_MIN) {
            Some(found) => times.push(found),
            None => {
                section.wrong(
                    "times",
                    format!("{text:?} should read like \"07:00-18:00\" or \"22:00-06:00\""),
                    None,
                );
                return None;
            }
        }
    }
    Some(times)
}

/// `07:30` as minutes of the day; `24:00` is its end.
#[must_use]
pub fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= DAY_MIN).then_some(hour * 60 + minute)
}
