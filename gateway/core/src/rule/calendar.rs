//! Calendars: days with public holidays and make-up workdays, and times of those days. A rule with a calendar looks
//! only while it is open.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::time::Timestamp;

pub use read::{minute, read_file};

/// How far ahead the next beginning or end is looked for; after so many days it is looked for again.
const AHEAD_DAYS: i32 = 14;

const DAY_MIN: u16 = 24 * 60;

/// The calendars and years of one file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CalendarFile {
    /// Each calendar with its name.
    pub calendars: Vec<(String, Calendar)>,
    /// The public holidays of a year.
    pub years: BTreeMap<i16, Year>,
}

/// The public holidays of one year.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Year {
    /// Days off that are none by their weekday alone, or that are announced as holidays.
    pub off: Vec<Date>,
    /// Days that are worked on although their weekday says otherwise.
    pub work: Vec<Date>,
}

/// What makes a day one of a calendar's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// Any.
    Every,
    /// A weekday, holiday or not.
    On(Weekday),
    /// Monday to Friday without public holidays, and make-up workdays.
    Workday,
    /// Every other day.
    Off,
    /// A day of an announced public holiday.
    Holiday,
    /// This very day.
    Date(Date),
}

/// Times of some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The days.
    pub days: Vec<Day>,
    /// Those of them that do not count.
    pub except: Vec<Day>,
    /// From and until, in minutes of the day; what ends before it begins ends on the next day.
    pub times: Vec<(u16, u16)>,
}

/// When something is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// Where the clock hangs.
    pub zone: TimeZone,
    /// When it is open: in any of these.
    pub open: Vec<Open>,
}

/// A calendar with all that decides on its days.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    calendar: Calendar,
    years: Arc<BTreeMap<i16, Year>>,
}

/// The calendars of all rule files.
#[derive(Debug, Clone, Default)]
pub struct Calendars {
    files: BTreeMap<String, CalendarFile>,
    years: Arc<BTreeMap<i16, Year>>,
}

impl Calendars {
    /// Puts the calendars of a file in the place of those that it had. Tells whether anything changed.
    pub fn set(&mut self, file: &str, calendars: CalendarFile) -> bool {
        let empty = calendars == CalendarFile::default();
        let before = match empty {
            true => self.files.remove(file).unwrap_or_default(),
            false => self.files.insert(file.to_owned(), calendars.clone()).unwrap_or_default(),
        };
        if before.years != calendars.years {
            let years = self.files.values().rev().flat_map(|file| &file.years);
            self.years = Arc::new(years.map(|(year, days)| (*year, days.clone())).collect());
        }
        before != calendars
    }

    /// A calendar by its name.
    #[must_use]
    pub fn hours(&self, name: &str) -> Option<Hours> {
        let mut all = self.files.values().flat_map(|file| &file.calendars);
        let (_, calendar) = all.find(|(known, _)| known == name)?;
        Some(Hours { calendar: calendar.clone(), years: Arc::clone(&self.years) })
    }

    /// The working days, in the zone of who says none.
    #[must_use]
    pub fn workdays(&self) -> Hours {
        Hours { years: Arc::clone(&self.years), ..Hours::always() }
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.values().flat_map(|file| &file.calendars).map(|(name, _)| name.as_str())
    }

    /// The file that has a calendar or a year already, other than this one.
    #[must_use]
    pub fn said_elsewhere(&self, file: &str, calendars: &CalendarFile) -> Option<String> {
        self.files.iter().filter(|(name, _)| *name != file).find_map(|(other, known)| {
            let year = calendars.years.keys().find(|year| known.years.contains_key(year));
            let name = calendars
                .calendars
                .iter()
                .find(|(name, _)| known.calendars.iter().any(|(known, _)| known == name));
            match (year, name) {
                (Some(year), _) => Some(format!("the year {year} is already in the file {other:?}")),
                (_, Some((name, _))) => {
                    Some(format!("the calendar {name:?} is already in the file {other:?}"))
                }
                (None, None) => None,
            }
        })
    }

    /// Whether the public holidays of a year are known, and whether any calendar asks for them.
    #[must_use]
    pub fn lacks_year(&self, year: i16) -> bool {
        let asks = |day: &Day| matches!(day, Day::Workday | Day::Off | Day::Holiday);
        let mut all = self.files.values().flat_map(|file| &file.calendars).flat_map(|(_, c)| &c.open);
        !self.years.contains_key(&year) && all.any(|open| open.days.iter().chain(&open.except).any(asks))
    }
}

impl Hours {
    /// A calendar alone, without any public holidays.
    #[must_use]
    pub fn new(calendar: Calendar, years: BTreeMap<i16, Year>) -> Self {
        Self { calendar, years: Arc::new(years) }
    }

    /// Every day, in the zone of who says none.
    #[must_use]
    pub fn always() -> Self {
        let open = Open { days: vec![Day::Every], except: Vec::new(), times: vec![(0, DAY_MIN)] };
        Self::new(Calendar { zone: read::default_zone(), open: vec![open] }, BTreeMap::new())
    }

    /// The same days from a minute of the day until the day's end.
    #[must_use]
    pub fn from_minute(&self, minute: u16) -> Self {
        let mut hours = self.clone();
        for open in &mut hours.calendar.open {
            open.times = vec![(minute, DAY_MIN)];
        }
        hours
    }

    /// The moment that a clock of the calendar's zone shows.
    #[must_use]
    pub fn moment(&self, local: DateTime) -> Option<Timestamp> {
        let zoned = local.to_zoned(self.calendar.zone.clone()).ok()?;
        Some(Timestamp(zoned.timestamp().as_millisecond()))
    }

    /// Whether it is open at a moment. It is at the moment when it opens, and not at the one when it closes.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let Some(local) = self.local(at) else { return false };
        let time = local.time();
        let minute = u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap_or(0);
        let (today, yesterday) = (local.date(), local.date().yesterday().ok());
        self.calendar.open.iter().any(|open| {
            let of_today = || self.is_day(open, today);
            let of_yesterday = || yesterday.is_some_and(|day| self.is_day(open, day));
            open.times.iter().any(|(from, until)| match from < until {
                true => *from <= minute && minute < *until && of_today(),
                false => (*from <= minute && of_today()) || (minute < *until && of_yesterday()),
            })
        })
    }

    /// The first moment after this one at which it may open or close; there a look must be taken again.
    #[must_use]
    pub fn next_edge(&self, after: Timestamp) -> Timestamp {
        let is_open = self.is_open(after);
        let Some(local) = self.local(after) else { return Timestamp(i64::MAX) };
        let mut day = local.date();
        for _ in 0..AHEAD_DAYS {
            for minute in self.minutes() {
                let at = day.at(0, 0, 0, 0).checked_add(jiff::Span::new().minutes(minute)).ok();
                let at = at.and_then(|local| self.moment(local));
                if let Some(at) = at.filter(|at| *at > after && self.is_open(*at) != is_open) {
                    return at;
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        self.moment(day.at(0, 0, 0, 0)).filter(|at| *at > after).unwrap_or(Timestamp(i64::MAX))
    }

    /// Every minute of a day at which it may open or close.
    fn minutes(&self) -> Vec<i64> {
        let times = self.calendar.open.iter().flat_map(|open| &open.times);
        let mut minutes: Vec<i64> =
            times.flat_map(|(from, until)| [i64::from(*from), i64::from(until % DAY_MIN)]).collect();
        minutes.sort_unstable();
        minutes.dedup();
        minutes
    }

    fn local(&self, at: Timestamp) -> Option<DateTime> {
        Some(self.calendar.zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).ok()?))
    }

    fn is_day(&self, open: &Open, date: Date) -> bool {
        let is = |day: &Day| match day {
            Day::Every => true,
            Day::On(weekday) => date.weekday() == *weekday,
            Day::Workday => self.is_workday(date),
            Day::Off => !self.is_workday(date),
            Day::Holiday => self.years.get(&date.year()).is_some_and(|year| year.off.contains(&date)),
            Day::Date(day) => date == *day,
        };
        open.days.iter().any(is) && !open.except.iter().any(is)
    }

    /// Where its clock hangs.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.calendar.zone
    }

    /// Whether a day is worked on. In a year whose holidays are not known, Monday to Friday are.
    #[must_use]
    pub fn is_workday(&self, date: Date) -> bool {
        let year = self.years.get(&date.year());
        if year.is_some_and(|year| year.off.contains(&date)) {
            return false;
        }
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        !weekend || year.is_some_and(|year| year.work.contains(&date))
    }
}
