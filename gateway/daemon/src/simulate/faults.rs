//! What goes wrong with one device, fixed when it is made.

use super::options::Faults;
use super::random::Random;

/// A device that keeps its messages does so for this part of every [`LATE_CYCLE_MS`].
const LATE_KEEP_MS: i64 = 100_000;
const LATE_CYCLE_MS: i64 = 180_000;
/// Classes whose clock nobody sets: meters at home.
const HOME: [&str; 2] = ["bp_meter", "glucose_meter"];

/// Payloads that nobody can read, or that say nothing.
pub(super) const POISON: [&[u8]; 8] = [
    b"{\"seq\":1,",
    b"{\"hr\":NaN}",
    b"\xff\xfe\x00garbage",
    b"[]",
    b"{\"t\":\"yesterday\"}",
    b"{\"a\":1,\"a\":2}",
    b"",
    b"{\"sys\":\"high\",\"glucose\":\"?\",\"state\":[7]}",
];

/// What goes wrong with one device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Plan {
    /// Probability that a message is sent twice.
    pub dup: f64,
    /// Probability that a message is followed by one that nobody can read.
    pub poison: f64,
    /// How far its clock is off.
    pub clock_off_ms: i64,
    /// When it falls silent for good.
    pub dead_at: Option<i64>,
    /// It keeps messages and sends them together; where in the cycle it began.
    late_from: Option<i64>,
}

impl Plan {
    pub(super) fn new(faults: Faults, class: &str, now: i64, random: &mut Random) -> Self {
        // Every draw is made whatever is switched on, so that one fault does not change the others.
        let (late, clock, dead) = (random.chance(0.05), random.chance(0.03), random.chance(0.01));
        let (late_from, dead_at) =
            (now - random.whole(0, LATE_CYCLE_MS), now + random.whole(30_000, 600_000));
        // Eight hours: the meter counts in UTC. Twenty years: its battery was changed.
        let off = *random.one(&[2 * 3_600_000_i64, -8 * 3_600_000, -20 * 365 * 86_400_000, 3 * 86_400_000]);
        Self {
            dup: if faults.dup { 0.05 } else { 0.0 },
            poison: if faults.poison { 0.01 } else { 0.0 },
            clock_off_ms: if faults.clock && clock && HOME.contains(&class) { off } else { 0 },
            dead_at: (faults.dead && dead).then_some(dead_at),
            late_from: (faults.late && late).then_some(late_from),
        }
    }

    /// When a message of `now` leaves the device, if not at once.
    pub(super) fn released_at(&self, now: i64) -> Option<i64> {
        let from = self.late_from?;
        let into = (now - from).rem_euclid(LATE_CYCLE_MS);
        (into < LATE_KEEP_MS).then(|| now - into + LATE_KEEP_MS)
    }
}
