//! How many devices are there: kept up with each commit, so that asking costs nothing however many there are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use orderly_core::output::PresenceChange;
use orderly_core::time::Timestamp;
use tokio::sync::watch;

/// The devices by the second until which they are there.
#[derive(Debug, Default)]
pub struct Census {
    count: Mutex<Count>,
    begun: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Count {
    until: BTreeMap<i64, u64>,
    /// The second that was asked about last.
    edge: i64,
    /// Devices that are there at the edge or longer.
    there: u64,
}

impl Census {
    /// An engine begins with these devices.
    pub fn begin(&self, devices: impl Iterator<Item = Timestamp>) {
        let mut count = self.lock();
        *count = Count { edge: count.edge, ..Count::default() };
        devices.for_each(|until| count.add(until));
        drop(count);
        self.begun.send_replace(true);
    }

    /// The first engine could not be built; nobody is counted until one can.
    pub fn failed(&self) {
        self.begun.send_replace(true);
    }

    /// Waits until the first engine has begun, or could not.
    pub async fn begun(&self) {
        // The sender is this very census: it cannot be gone.
        drop(self.begun.subscribe().wait_for(|begun| *begun).await);
    }

    /// A commit changed these.
    pub fn committed(&self, changes: &[PresenceChange]) {
        let mut count = self.lock();
        for change in changes {
            if let Some(was) = change.was {
                count.take(was);
            }
            if let Some(is) = change.is {
                count.add(is);
            }
        }
    }

    /// How many devices report as they promised, to the second.
    pub fn online(&self, now: Timestamp) -> u64 {
        let mut count = self.lock();
        count.move_to(second(now));
        count.there
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        // Counts are plain numbers; a panic elsewhere leaves nothing half done that a restart would not mend.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn add(&mut self, until: Timestamp) {
        let second = second(until);
        *self.until.entry(second).or_default() += 1;
        self.there += u64::from(second >= self.edge);
    }

    fn take(&mut self, until: Timestamp) {
        let second = second(until);
        let Some(devices) = self.until.get_mut(&second) else { return };
        *devices -= 1;
        if *devices == 0 {
            self.until.remove(&second);
        }
        self.there -= u64::from(second >= self.edge);
    }

    /// Each device is passed once on the way, and once more only when the clock is set back.
    fn move_to(&mut self, now: i64) {
        if now >= self.edge {
            self.there -= self.until.range(self.edge..now).map(|(_, devices)| devices).sum::<u64>();
        } else {
            self.there += self.until.range(now..self.edge).map(|(_, devices)| devices).sum::<u64>();
        }
        self.edge = now;
    }
}

const fn second(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp(second * 1_000)
    }

    #[test]
    fn a_device_is_there_to_the_end_of_its_last_second() {
        let census = Census::default();
        census.begin([at(10), at(10), at(20)].into_iter());
        let counted: Vec<u64> = [0, 10, 11, 20, 21, 10].into_iter().map(|s| census.online(at(s))).collect();
        assert_eq!(counted, [3, 3, 1, 1, 0, 3], "and there again when the clock is set back");
        census.committed(&[
            PresenceChange { was: Some(at(20)), is: Some(at(40)) },
            PresenceChange { was: None, is: Some(at(40)) },
            PresenceChange { was: Some(at(10)), is: None },
        ]);
        assert_eq!((census.online(at(15)), census.online(at(41))), (2, 0));
    }

    proptest! {
        #[test]
        fn it_is_what_counting_all_would_give(
            steps in prop::collection::vec((0..20_usize, prop::option::of(0..100_i64), 0..100_i64), 1..100),
        ) {
            let census = Census::default();
            let mut devices = [None; 20];
            for (device, until, now) in steps {
                let until = until.map(at);
                let was = std::mem::replace(&mut devices[device], until);
                census.committed(&[PresenceChange { was, is: until }]);
                let counted = devices.iter().flatten().filter(|until| **until >= at(now)).count();
                prop_assert_eq!(census.online(at(now)), counted as u64);
            }
        }
    }
}
