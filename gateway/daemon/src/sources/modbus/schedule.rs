//! Which device of a link is asked next: those that answer in the order they are due, the dead ones with what is left.

use std::time::Duration;

use orderly_core::time::Now;

use crate::retry::{Backoff, draw};

/// How devices that do not answer are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Failures in a row after which a device is taken for dead.
    pub failures: u32,
    /// The first pause of a dead device.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { failures: 3, least: Duration::from_secs(5), most: Duration::from_secs(60) }
    }
}

/// The dead get at most one part in so many of the time while others answer.
const SHARE_OF_DEAD: u64 = 20;

/// Where the chance of a link begins: links that start together must not do everything together for ever.
pub(super) fn seed(link: &str, now: Now) -> u64 {
    let mix = |seed: u64, byte: u8| draw(&mut (seed ^ u64::from(byte)));
    link.bytes().fold(now.wall.0.unsigned_abs(), mix)
}

/// When each device is due.
#[derive(Debug)]
pub(super) struct Schedule {
    slots: Vec<Slot>,
    patience: Patience,
    /// The dead and the unknown wait until then while others answer.
    credit_at: u64,
}

#[derive(Debug)]
struct Slot {
    every: u64,
    due: u64,
    failures: u32,
    answered: bool,
    backoff: Backoff,
}

impl Slot {
    fn new(every: Duration, patience: Patience, now: u64, seed: &mut u64) -> Self {
        let every = millis(every);
        let due = now + draw(seed) % every;
        let least = patience.least.max(Duration::from_millis(every));
        let backoff = Backoff::new(least, patience.most.max(least), draw(seed));
        Self { every, due, failures: 0, answered: false, backoff }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Poll this device.
    Poll(usize),
    /// Nothing until this steady time.
    Wait(u64),
    /// There are no devices.
    Never,
}

impl Schedule {
    /// Spreads the devices over their first period: those that start together would be asked together for ever.
    pub(super) fn new(
        every: impl Iterator<Item = Duration>,
        patience: Patience,
        now: u64,
        seed: &mut u64,
    ) -> Self {
        let slots = every.map(|every| Slot::new(every, patience, now, seed));
        Self { slots: slots.collect(), patience, credit_at: 0 }
    }

    /// One more device, after all others.
    pub(super) fn push(&mut self, every: Duration, now: u64, seed: &mut u64) {
        self.slots.push(Slot::new(every, self.patience, now, seed));
    }

    /// A device is asked at once, as often as this from now on.
    pub(super) fn renew(&mut self, n: usize, every: Duration, now: u64) {
        let slot = &mut self.slots[n];
        (slot.every, slot.due, slot.failures) = (millis(every), now, 0);
        slot.backoff.reset();
    }

    /// Who is next.
    pub(super) fn next(&self, now: u64) -> Next {
        let lives = |n: &usize| self.slots[*n].answered && self.slots[*n].failures < self.patience.failures;
        let first = |alive: bool| {
            (0..self.slots.len()).filter(|n| lives(n) == alive).min_by_key(|n| self.slots[*n].due)
        };
        let at = |n: usize, alive: bool| match alive {
            true => self.slots[n].due,
            false => self.slots[n].due.max(self.credit_at),
        };
        let (alive, other) = (first(true), first(false));
        let waits = match (alive, other) {
            (None, None) => return Next::Never,
            (Some(n), None) => (n, at(n, true)),
            // Nobody is held up.
            (None, Some(n)) => (n, self.slots[n].due),
            // Credit that is there is used before it is outrun by those who are always due.
            (Some(alive), Some(other)) => {
                let (a, o) = (at(alive, true), at(other, false));
                if o <= now && self.credit_at <= now {
                    (other, o)
                } else if a <= o {
                    (alive, a)
                } else {
                    (other, o)
                }
            }
        };
        if waits.1 <= now { Next::Poll(waits.0) } else { Next::Wait(waits.1) }
    }

    /// A device answered. Polls that were missed are not made up for.
    pub(super) fn answered(&mut self, n: usize, now: u64) {
        let dead = self.patience.failures;
        if self.slots.iter().all(|slot| slot.failures >= dead) {
            // The whole link was away and is back: so may be the others.
            self.slots.iter_mut().for_each(|slot| slot.due = slot.due.min(now));
        }
        let slot = &mut self.slots[n];
        (slot.failures, slot.answered) = (0, true);
        slot.backoff.reset();
        slot.due = (slot.due + slot.every).max(now);
    }

    /// A device did not answer, which took so long. Says whether it is taken for dead from now on.
    pub(super) fn failed(&mut self, n: usize, now: u64, took: u64) -> bool {
        let slot = &mut self.slots[n];
        let lived = slot.answered && slot.failures < self.patience.failures;
        slot.failures = slot.failures.saturating_add(1);
        let dead = slot.failures >= self.patience.failures;
        let pause = if dead { millis(slot.backoff.pause()) } else { slot.every };
        slot.due = now + pause;
        if !lived {
            // One that was never asked before gets half of the time: who is there shall be found soon.
            let share = if slot.failures == 1 && !slot.answered { 2 } else { SHARE_OF_DEAD };
            self.credit_at = now + took * (share - 1);
        }
        dead && slot.failures == self.patience.failures
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a bus: an answer takes 20 ms, a dead unit 1,200 ms. Gives the polls of each device.
    fn play(devices: usize, dead: impl Fn(usize) -> bool, every: u64, until: u64) -> Vec<u64> {
        let every = std::iter::repeat_n(Duration::from_millis(every), devices);
        let mut schedule = Schedule::new(every, Patience::default(), 0, &mut 7);
        let (mut now, mut polls) = (0, vec![0; devices]);
        while now < until {
            match schedule.next(now) {
                Next::Never => break,
                Next::Wait(at) => {
                    assert!(at > now);
                    now = at;
                }
                Next::Poll(n) if dead(n) => {
                    now += 1_200;
                    schedule.failed(n, now, 1_200);
                }
                Next::Poll(n) => {
                    now += 20;
                    polls[n] += 1;
                    schedule.answered(n, now);
                }
            }
        }
        polls
    }

    #[test]
    fn three_dead_of_ten_leave_the_others_nine_tenths_of_their_rate() {
        for every in [200, 1_000, 5_000] {
            let minutes = 10 * 60_000;
            let healthy = play(10, |_| false, every, minutes);
            let polls = play(10, |n| n < 3, every, minutes);
            for n in 3..10 {
                assert!(polls[n] * 10 >= healthy[n] * 9, "every {every}: {polls:?} of {healthy:?}");
            }
        }
    }

    #[test]
    fn a_bus_that_is_always_busy_still_tries_the_dead() {
        // Ten devices every 100 ms want more than the bus can give.
        let mut schedule = Schedule::new(
            std::iter::repeat_n(Duration::from_millis(100), 10),
            Patience::default(),
            0,
            &mut 1,
        );
        let (mut now, mut tries) = (0, 0);
        while now < 600_000 {
            match schedule.next(now) {
                Next::Poll(0) => {
                    tries += 1;
                    now += 1_200;
                    schedule.failed(0, now, 1_200);
                }
                Next::Poll(n) => {
                    now += 20;
                    schedule.answered(n, now);
                }
                Next::Wait(at) => now = at,
                Next::Never => break,
            }
        }
        assert!((6..40).contains(&tries), "{tries} tries in ten minutes");
    }

    #[test]
    fn absent_devices_do_not_delay_those_that_are_there() {
        // 247 units is all that one bus can have. Those that are there are found while the absent take their turn.
        let (hour, there) = (3_600_000, [100, 101, 180, 240, 246]);
        let polls = play(247, |n| !there.contains(&n), 1_000, hour);
        for n in there {
            assert!(polls[n] > 2_400, "unit {n}: {} polls in an hour", polls[n]);
        }
        // A first try is never made twice in a row while somebody is due.
        let soon = play(247, |n| !there.contains(&n), 1_000, 600_000);
        assert!(there.iter().all(|n| soon[*n] > 0), "all are found within ten minutes");
    }

    #[test]
    fn a_thousand_links_that_start_together_do_not_knock_together() {
        let now = Now { wall: orderly_core::time::Timestamp(1_795_219_200_000), steady_ms: 0, boot: 1 };
        let (mut first, mut again) = ([0; 10], [0; 10]);
        for n in 0..1_000 {
            let mut seed = seed(&format!("link-{n}"), now);
            let every = std::iter::once(Duration::from_secs(5));
            let schedule = Schedule::new(every, Patience::default(), 0, &mut seed);
            let Next::Wait(at) = schedule.next(0) else { continue };
            first[usize::try_from(at / 500).unwrap()] += 1;
            let mut reconnect = Backoff::new(Duration::from_millis(200), Duration::from_secs(10), seed);
            let pause = (0..10).map(|_| reconnect.pause()).last().unwrap();
            again[usize::try_from(pause.as_secs()).unwrap()] += 1;
        }
        for tenths in [first, again] {
            assert!(tenths.iter().all(|n| (50..=150).contains(n)), "{tenths:?}");
        }
    }

    #[test]
    fn a_device_that_comes_back_is_polled_as_before() {
        let mut schedule =
            Schedule::new(std::iter::once(Duration::from_secs(1)), Patience::default(), 0, &mut 3);
        let mut told = 0;
        let mut now = 0;
        for _ in 0..20 {
            if let Next::Wait(at) = schedule.next(now) {
                assert!(at - now <= 60_000);
                now = at;
            }
            assert_eq!(schedule.next(now), Next::Poll(0));
            told += u32::from(schedule.failed(0, now, 1));
        }
        assert_eq!(told, 1, "death is told once");
        let Next::Wait(at) = schedule.next(now) else { panic!("it must wait") };
        schedule.answered(0, at);
        let Next::Wait(next) = schedule.next(at) else { panic!("it must wait") };
        assert_eq!(next - at, 1_000);
    }

    #[test]
    fn when_a_link_comes_back_all_its_devices_are_asked_again_at_once() {
        let every = std::iter::repeat_n(Duration::from_secs(1), 5);
        let mut schedule = Schedule::new(every, Patience::default(), 0, &mut 3);
        let mut now = 0;
        while now < 3_600_000 {
            match schedule.next(now) {
                Next::Poll(n) => _ = schedule.failed(n, now, 1),
                Next::Wait(at) => now = at,
                Next::Never => panic!("there are devices"),
            }
        }
        let (mut asked, until) = (std::collections::BTreeSet::new(), now + 60_000 + 10_000);
        let mut first = None;
        while now < until && asked.len() < 5 {
            match schedule.next(now) {
                Next::Poll(n) => {
                    first.get_or_insert(now);
                    now += 20;
                    asked.insert(n);
                    schedule.answered(n, now);
                }
                Next::Wait(at) => now = at,
                Next::Never => panic!("there are devices"),
            }
        }
        assert_eq!(asked.len(), 5);
        assert!(now - first.unwrap() < 1_000, "{} ms", now - first.unwrap());
    }
}
