//! When to try again: full jitter between two bounds, asking one who is away, and a breaker for what keeps failing.

use std::time::Duration;

/// The wait before the n-th new try: a random time between `least` and a bound that doubles up to `most`.
///
/// Jitter over the whole span keeps many gateways from knocking in step after an outage.
#[derive(Debug, Clone)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    tries: u32,
    random: u64,
}

impl Backoff {
    /// Starts without a failed try. Equal seeds give equal waits.
    #[must_use]
    pub const fn new(least: Duration, most: Duration, seed: u64) -> Self {
        Self { least, most, tries: 0, random: seed }
    }

    /// How many tries failed in a row.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// A try succeeded.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }

    /// The wait when so many tries had failed before this one.
    pub fn after(mut self, tries: u32) -> Duration {
        self.tries = tries;
        self.pause()
    }

    /// A try failed: how long to wait before the next.
    pub fn pause(&mut self) -> Duration {
        self.tries = self.tries.saturating_add(1);
        let bound = self.least.saturating_mul(1 << self.tries.min(20)).min(self.most).max(self.least);
        let span = u64::try_from((bound - self.least).as_micros()).unwrap_or(u64::MAX);
        let drawn = if span == 0 { 0 } else { draw(&mut self.random) % span };
        self.least + Duration::from_micros(drawn)
    }
}

/// When to ask somebody again who is away: at random times under a bound that grows with how long he has been away. So one
/// who was away for a minute is found again within half a second, one who was away for a day is not knocked at all the
/// time, and many gateways do not ask in step.
#[derive(Debug, Clone)]
pub struct Asking {
    first: Duration,
    most: Duration,
    waited: Duration,
    random: u64,
}

impl Asking {
    /// The bound is this part of the time that was waited.
    const PART: u32 = 200;

    /// The bound is `first` at first and never more than `most`. Equal seeds give equal waits.
    #[must_use]
    pub const fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, waited: Duration::ZERO, random: seed }
    }

    /// He is back.
    pub const fn reset(&mut self) {
        self.waited = Duration::ZERO;
    }

    /// He is away: how long to wait before asking again. At least a fifth of the bound: no storm of questions by chance.
    pub fn pause(&mut self) -> Duration {
        let bound = (self.waited / Self::PART).max(self.first).min(self.most);
        let least = bound / 5;
        let span = u64::try_from((bound - least).as_micros()).unwrap_or(u64::MAX);
        let wait = least + Duration::from_micros(draw(&mut self.random) % span.saturating_add(1));
        self.waited = self.waited.saturating_add(wait);
        wait
    }
}

/// SplitMix64: chance enough for jitter, and repeatable.
pub(crate) const fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Opens after so many failures in a row and lets one try through after each pause.
#[derive(Debug, Clone)]
pub struct Breaker {
    limit: u32,
    pause_ms: u64,
    failures: u32,
    closed_until: u64,
}

impl Breaker {
    /// Opens after `limit` failures in a row, for `pause` at a time.
    #[must_use]
    pub fn new(limit: u32, pause: Duration) -> Self {
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Self { limit, pause_ms, failures: 0, closed_until: 0 }
    }

    /// Whether a try may be made at this steady time.
    #[must_use]
    pub const fn admits(&self, steady_ms: u64) -> bool {
        self.failures < self.limit || steady_ms >= self.closed_until
    }

    /// Whether it is open: the far side is taken for dead.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.failures >= self.limit
    }

    /// When the next try may be made, while it is open.
    #[must_use]
    pub const fn next_try(&self) -> Option<u64> {
        if self.is_open() { Some(self.closed_until) } else { None }
    }

    /// A try succeeded.
    pub const fn success(&mut self) {
        self.failures = 0;
    }

    /// A try failed at this steady time.
    pub const fn failure(&mut self, steady_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        self.closed_until = steady_ms.saturating_add(self.pause_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_between_the_bounds_and_spread() {
        let (least, most) = (Duration::from_millis(500), Duration::from_secs(60));
        let mut waits = Vec::new();
        for seed in 0..200 {
            let mut backoff = Backoff::new(least, most, seed);
            for n in 0..12 {
                let wait = backoff.pause();
                assert!(wait >= least && wait <= most, "{wait:?}");
                if n == 11 {
                    waits.push(wait);
                }
            }
        }
        assert!(waits.iter().any(|w| *w < Duration::from_secs(10)), "some come early");
        assert!(waits.iter().any(|w| *w > Duration::from_secs(50)), "some come late");
    }

    #[test]
    fn who_is_away_for_long_is_asked_less_often_and_found_again_soon() {
        let ms = Duration::from_millis;
        for seed in 0..50 {
            let mut asking = Asking::new(ms(500), Duration::from_secs(60), seed);
            let mut away = Duration::ZERO;
            let mut short = 0;
            while away < Duration::from_secs(86_400) {
                let wait = asking.pause();
                let bound = (away / 200).clamp(ms(500), Duration::from_secs(60));
                assert!(wait >= bound / 5 && wait <= bound, "{wait:?} after {away:?}");
                short += u32::from(wait < bound / 2);
                away += wait;
            }
            assert!(short > 100, "spread over the span, not at its end: {short}");
            asking.reset();
            assert!(asking.pause() <= ms(500));
        }
        assert_eq!(Asking::new(ms(5), Duration::ZERO, 1).pause(), Duration::ZERO, "no wait is none");
    }

    #[test]
    fn a_breaker_lets_one_through_after_each_pause() {
        let mut breaker = Breaker::new(3, Duration::from_secs(10));
        for t in 0..3 {
            assert!(breaker.admits(t));
            breaker.failure(t);
        }
        assert!(!breaker.admits(3) && breaker.is_open());
        assert_eq!(breaker.next_try(), Some(10_002));
        assert!(breaker.admits(10_002));
        breaker.failure(10_002);
        assert!(!breaker.admits(20_001) && breaker.admits(20_002));
        breaker.success();
        assert!(breaker.admits(0) && !breaker.is_open());
    }
}
