//! Two clocks: the wall clock that people read and a steady one that never jumps.

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// 2020-01-01T00:00:00Z; a device time before it is a clock that was never set (DESIGN section 3, Time).
    pub const EARLIEST_PLAUSIBLE: Self = Self(1_577_836_800_000);

    /// This moment moved by `ms` milliseconds; stays at the ends of the range instead of wrapping.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative when it lies after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// What both clocks showed at one moment.
///
/// `steady_ms` never decreases within one `boot`; across boots only `wall` can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// Milliseconds of a clock that never jumps, from an arbitrary zero.
    pub steady_ms: u64,
    /// Which run of the daemon the steady clock belongs to.
    pub boot: u64,
}

/// Where the shell takes the time from; the tests bring one that they move by hand.
pub trait Clock: Send + Sync {
    /// Reads both clocks at once.
    fn now(&self) -> Now;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::EARLIEST_PLAUSIBLE.to_string(), "2020-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(i64::MAX).plus_ms(1), Timestamp(i64::MAX));
    }
}
