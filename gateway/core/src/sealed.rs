//! How a body looks that only somebody with the key of its day can read. The cipher itself is the store's.

use crate::time::Timestamp;

/// What a sealed body begins with: no text in UTF-8 does.
pub const MAGIC: [u8; 4] = [0xF5, b'O', b'S', 1];
/// Bytes before what is sealed.
pub const HEAD: usize = 4 + 4 + 4 + 12;
/// How much longer a body is when it is sealed: the head, and the tag behind it.
pub const OVERHEAD: usize = HEAD + 16;

/// A day in UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

const DAY_MS: i64 = 86_400_000;

impl Day {
    /// The day of a moment; moments before 1970 count as its first day.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.0.div_euclid(DAY_MS)).unwrap_or(0))
    }

    /// So many days later.
    #[must_use]
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// So many days earlier.
    #[must_use]
    pub const fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Reads `2026-11-22`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date: jiff::civil::Date = text.parse().ok()?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        let day = Self(u32::try_from(midnight.div_euclid(DAY_MS)).ok()?);
        (day.to_string() == text).then_some(day)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let midnight = Timestamp(i64::from(self.0) * DAY_MS).to_string();
        f.write_str(midnight.split('T').next().unwrap_or_default())
    }
}

/// What stands before a sealed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The day whose key it was sealed with.
    pub day: Day,
    /// A mark of that key, so that another one of the same day is told apart.
    pub mark: [u8; 4],
    /// The number used once.
    pub nonce: [u8; 12],
}

impl Head {
    /// The head as bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.day.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.mark);
        bytes[12..].copy_from_slice(&self.nonce);
        bytes
    }

    /// The head of a sealed body and what follows it; `None` when it is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let four = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&head[12..]);
        let day = Day(u32::from_le_bytes(four(4)));
        (head[..4] == MAGIC).then_some((Self { day, mark: four(8), nonce }, rest))
    }
}

/// Whether bytes are a sealed body, or the head of one that was not kept.
#[must_use]
pub fn is_sealed(bytes: &[u8]) -> bool {
    Head::read(bytes).is_some()
}

/// What is kept aside of a sealed body: all of it when it is shorter than `most`, else its head, which nobody can open.
#[must_use]
pub fn kept(sealed: &[u8], most: usize) -> &[u8] {
    if sealed.len() < most { sealed } else { &sealed[..sealed.len().min(HEAD)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc() {
        let day = Day::parse("2026-11-22").unwrap();
        assert_eq!((day.0, day.to_string()), (20_779, "2026-11-22".to_owned()));
        assert_eq!(Day::of(Timestamp(20_779 * DAY_MS)), day);
        assert_eq!(Day::of(Timestamp(20_780 * DAY_MS - 1)), day);
        assert_eq!(Day::of(Timestamp(-1)), Day(0));
        assert_eq!(day.plus(1).minus(2).to_string(), "2026-11-21");
        for other in ["2026-11-32", "2026-11-22T00", "20261122", "x", "", "1969-12-31"] {
            assert_eq!(Day::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written_and_nothing_else_is_one() {
        let head = Head { day: Day(20_779), mark: [1, 2, 3, 4], nonce: [7; 12] };
        let body = [&head.bytes()[..], b"text"].concat();
        assert_eq!(Head::read(&body), Some((head, &b"text"[..])));
        assert_eq!((kept(&body, 100), kept(&body, 28).len()), (&body[..], HEAD));
        assert!(is_sealed(kept(&body, 28)) && !is_sealed(&body[..HEAD - 1]));
        assert!(!is_sealed(b"{\"sys\":152,\"dia\":96,\"pulse\":70}"));
    }
}
