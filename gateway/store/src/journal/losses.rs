//! Damage that was met, kept until somebody has made it known.

use std::collections::BTreeSet;

use super::recover::Damage;

/// Places that wait to be made known; what is met beyond them is added to the last.
const WAITING: usize = 1_000;
/// Places remembered, so that each is told once in a run.
const KNOWN: usize = 4_000;

/// The places that were met in this run.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    waiting: Vec<Damage>,
    known: BTreeSet<(u64, u64, u64)>,
}

impl Losses {
    /// Notes a place, unless it was told before; says whether it is new.
    pub fn note(&mut self, damage: Damage) -> bool {
        if self.known.len() >= KNOWN {
            // Better told twice than kept without bound.
            self.known.clear();
        }
        if !self.known.insert((damage.segment, damage.offset, damage.bytes)) {
            return false;
        }
        if self.waiting.len() < WAITING {
            self.waiting.push(damage);
        } else if let Some(last) = self.waiting.last_mut() {
            last.bytes += damage.bytes;
            last.records_lost += damage.records_lost;
        }
        true
    }

    /// Hands over what is new since the last call.
    pub fn take(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(segment: u64) -> Damage {
        Damage { segment, offset: 4224, bytes: 10, after: 0, records_lost: 1, in_last_write: false }
    }

    #[test]
    fn a_place_is_told_once_and_too_many_are_added_up() {
        let mut losses = Losses::default();
        assert!(losses.note(place(1)));
        assert!(!losses.note(place(1)));
        assert_eq!(losses.take(), [place(1)]);
        assert!(!losses.note(place(1)));
        assert_eq!(losses.take(), []);
        let many = WAITING as u64 + 50;
        assert!((2..2 + many).all(|segment| losses.note(place(segment))));
        let told = losses.take();
        assert_eq!(told.len(), WAITING);
        assert_eq!(told.iter().map(|d| d.records_lost).sum::<u64>(), many);
    }
}
