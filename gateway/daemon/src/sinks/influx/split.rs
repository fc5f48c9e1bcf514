//! Finds refused points by halving. Pure: it says what to send next and is told the answer.
//!
//! When a whole was refused and its left half accepted, the right half is known to hold the bad point and is
//! halved without being sent; so one bad point among n costs at most 2 log2(n) + 2 requests.

use std::ops::Range;

/// Work on one chunk of lines.
#[derive(Debug, Clone)]
pub struct Split {
    /// What is left to do, the next at the end.
    todo: Vec<Piece>,
    most: usize,
}

#[derive(Debug, Clone)]
struct Piece {
    range: Range<usize>,
    /// The piece before it is the other half of something that was refused.
    right_half: bool,
}

impl Split {
    /// All of `lines` lines, in requests of at most `most`.
    #[must_use]
    pub fn new(lines: usize, most: usize) -> Self {
        let todo = if lines == 0 { Vec::new() } else { vec![Piece { range: 0..lines, right_half: false }] };
        Self { todo, most: most.max(1) }
    }

    /// Changes how many lines a request may hold from now on.
    pub const fn set_most(&mut self, most: usize) {
        self.most = if most == 0 { 1 } else { most };
    }

    /// The lines to send next; `None`: all is done.
    #[must_use]
    pub fn next(&mut self) -> Option<Range<usize>> {
        let piece = self.todo.last_mut()?;
        if piece.range.len() > self.most {
            let (start, end) = (piece.range.start, piece.range.end);
            let cut = start + self.most;
            // Its part may be good or bad: nothing is known of the parts of a half.
            *piece = Piece { range: cut..end, right_half: false };
            self.todo.push(Piece { range: start..cut, right_half: false });
        }
        self.todo.last().map(|piece| piece.range.clone())
    }

    /// The store took what [`Self::next`] named.
    pub fn accepted(&mut self) {
        self.todo.pop();
        // The left half was good, so the bad point is in the right one: halve it without asking.
        if let Some(right) = self.todo.pop_if(|p| p.right_half) {
            if right.range.len() > 1 {
                self.halve(right.range, true);
            } else {
                self.todo.push(Piece { right_half: false, ..right });
            }
        }
    }

    /// The store refused it because of a point. Gives the line when only one is left: that is the point.
    pub fn refused(&mut self) -> Option<usize> {
        let piece = self.todo.pop()?;
        // The bad point was here; of the right half nothing is known any more.
        if let Some(right) = self.todo.last_mut() {
            right.right_half = false;
        }
        self.halve(piece.range, true)
    }

    /// The store found it too large. Gives the line when a single one is.
    pub fn too_large(&mut self) -> Option<usize> {
        let piece = self.todo.pop()?;
        if let Some(right) = self.todo.last_mut() {
            right.right_half = false;
        }
        self.halve(piece.range, false)
    }

    fn halve(&mut self, range: Range<usize>, one_is_bad: bool) -> Option<usize> {
        if range.len() <= 1 {
            return Some(range.start);
        }
        let middle = range.start + range.len() / 2;
        self.todo.push(Piece { range: middle..range.end, right_half: one_is_bad });
        self.todo.push(Piece { range: range.start..middle, right_half: false });
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Plays a store that refuses every request with a bad line in it; gives (requests, kept, found).
    fn play(n: usize, most: usize, bad: &BTreeSet<usize>) -> (usize, BTreeSet<usize>, BTreeSet<usize>) {
        let (mut requests, mut kept, mut found) = (0, BTreeSet::new(), BTreeSet::new());
        let mut split = Split::new(n, most);
        while let Some(range) = split.next() {
            assert!(!range.is_empty() && range.len() <= most);
            requests += 1;
            if bad.range(range.clone()).next().is_some() {
                if let Some(line) = split.refused() {
                    assert!(found.insert(line), "found twice");
                }
            } else {
                kept.extend(range);
                split.accepted();
            }
        }
        (requests, kept, found)
    }

    #[test]
    fn one_bad_line_costs_no_more_than_it_must() {
        for n in [1, 2, 3, 7, 64, 100, 5_000] {
            let allowed = (2.0 * (n as f64).log2() + 2.0) as usize;
            for bad in (0..n).step_by(1 + n / 500) {
                let (requests, kept, found) = play(n, n, &BTreeSet::from([bad]));
                assert!(
                    requests <= allowed,
                    "{n} lines, line {bad} bad: {requests} requests, allowed {allowed}"
                );
                assert_eq!((kept.len(), found), (n - 1, BTreeSet::from([bad])));
            }
        }
    }

    #[test]
    fn too_large_is_halved_until_it_fits() {
        let mut split = Split::new(10, 100);
        let mut sent = Vec::new();
        while let Some(range) = split.next() {
            if range.len() > 3 {
                assert_eq!(split.too_large(), None);
            } else {
                sent.extend(range);
                split.accepted();
            }
        }
        assert_eq!(sent, (0..10).collect::<Vec<_>>());
        let mut one = Split::new(1, 100);
        assert_eq!((one.next(), one.too_large(), one.next()), (Some(0..1), Some(0), None));
    }

    #[test]
    fn a_refusal_that_was_not_meant_loses_nothing() {
        let mut split = Split::new(8, 8);
        assert_eq!(split.next(), Some(0..8));
        assert_eq!(split.refused(), None);
        let mut sent = BTreeSet::new();
        while let Some(range) = split.next() {
            sent.extend(range);
            split.accepted();
        }
        assert_eq!(sent.len(), 8);
    }

    proptest! {
        #[test]
        fn every_good_line_is_kept_and_every_bad_one_found(
            n in 1usize..400,
            most in 1usize..500,
            bad in proptest::collection::btree_set(0usize..400, 0..12),
        ) {
            let bad: BTreeSet<usize> = bad.into_iter().filter(|b| *b < n).collect();
            let (requests, kept, found) = play(n, most, &bad);
            prop_assert_eq!(&found, &bad);
            prop_assert_eq!(kept.len(), n - bad.len());
            let whole = n.div_ceil(most);
            let deep = 2.0 * (n.min(most) as f64).log2() + 2.0;
            prop_assert!(requests as f64 <= whole as f64 + bad.len() as f64 * deep);
        }
    }
}
