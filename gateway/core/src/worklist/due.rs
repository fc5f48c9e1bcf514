//! Until when a task should be done: by urgency and by the day of the desk (DOMAIN 9.4).

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use crate::alert::Severity;
use crate::ids::ListId;
use crate::task::{Desk, known_list};
use crate::time::Timestamp;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// When the office closes.
const CLOSES: Time = Time::constant(17, 30, 0, 0);
/// What comes later than this before the office closes is for the next working day.
const LAST_CALL_MS: i64 = HOUR_MS;
/// The most days that the next working day is looked for.
const AHEAD_DAYS: i32 = 31;

/// The hospital's days: its time zone and which days are worked on.
pub struct Calendar<'a> {
    /// Where its clocks hang.
    pub zone: &'a TimeZone,
    /// Whether a day is worked on: holidays and make-up workdays are data, never a weekday rule.
    pub is_workday: &'a dyn Fn(Date) -> bool,
}

/// Monday to Friday: what is left where no holidays are known.
#[must_use]
pub fn is_weekday(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

impl std::fmt::Debug for Calendar<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calendar").field("zone", self.zone).finish_non_exhaustive()
    }
}

impl Calendar<'_> {
    fn local(&self, at: Timestamp) -> Option<DateTime> {
        let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
        Some(self.zone.to_datetime(at))
    }

    fn moment(&self, at: DateTime) -> Option<Timestamp> {
        Some(Timestamp(self.zone.to_timestamp(at).ok()?.as_millisecond()))
    }

    /// When the office closes on the first working day on which there is time left, and on the `more`th after it.
    fn close(&self, from: Timestamp, more: u32) -> Option<Timestamp> {
        let mut day = self.local(from)?.date();
        let mut left = more;
        for _ in 0..AHEAD_DAYS {
            let closes = self.moment(day.to_datetime(CLOSES))?;
            if (self.is_workday)(day) && closes.since(from) >= LAST_CALL_MS {
                if left == 0 {
                    return Some(closes);
                }
                left -= 1;
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// Midnight after this moment.
    fn midnight(&self, from: Timestamp) -> Option<Timestamp> {
        self.moment(self.local(from)?.date().tomorrow().ok()?.to_datetime(Time::midnight()))
    }
}

/// Until when a task that came at `from` should be done.
///
/// P1 in 5 minutes, P2 within the hour. P3 the same day: for a desk that is always there before midnight, and never in
/// less than 4 hours; for an office before it closes, or when the next working day does. P4 within a week. Who calls
/// people at home has 10 minutes, the working day, three working days and five.
#[must_use]
pub fn due(severity: Severity, list: &ListId, from: Timestamp, calendar: &Calendar<'_>) -> Timestamp {
    let desk = known_list(list.as_str()).map_or(Desk::Always, |list| list.desk);
    let found = match (severity, desk) {
        (Severity::P1, Desk::FollowUp) => Some(from.plus_ms(10 * MINUTE_MS)),
        (Severity::P1, _) => Some(from.plus_ms(5 * MINUTE_MS)),
        (Severity::P2, Desk::FollowUp) => calendar.close(from, 0),
        (Severity::P2, _) => Some(from.plus_ms(HOUR_MS)),
        (Severity::P3, Desk::Always) => {
            calendar.midnight(from).map(|midnight| midnight.max(from.plus_ms(4 * HOUR_MS)))
        }
        (Severity::P3, Desk::Office) => calendar.close(from, 0),
        (Severity::P3, Desk::FollowUp) => calendar.close(from, 2),
        (Severity::P4, Desk::Always) => Some(from.plus_ms(7 * 24 * HOUR_MS)),
        (Severity::P4, _) => calendar.close(from, 4),
    };
    // A month without a working day: better early than never.
    found.unwrap_or_else(|| from.plus_ms(24 * HOUR_MS))
}

/// For how long a task of this urgency may be put off at a time: until it would have to be acknowledged. `None`: never.
pub(super) const fn snooze_ms(severity: Severity) -> Option<i64> {
    match severity {
        Severity::P1 => None,
        Severity::P2 => Some(15 * MINUTE_MS),
        Severity::P3 => Some(4 * HOUR_MS),
        Severity::P4 => Some(7 * 24 * HOUR_MS),
    }
}
