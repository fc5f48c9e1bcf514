//! Answers that may still come. On a serial line nothing tells which request an answer belongs to: what comes late
//! from a unit looks like the answer to the next request of the same kind and length.
//!
//! So after a request without a good answer the unit is not believed until it has answered a question whose answer
//! cannot be mistaken for the missing one: of another function, or of another length. A unit answers in the order it
//! was asked; when the proof is there, the late answer was before it, or never comes.

use super::call::Call;
use crate::sources::modbus::plan::Ask;
use orderly_core::codec::registers::Table;

/// Requests of one unit that have no answer yet.
#[derive(Debug, Default)]
pub struct Suspects {
    missing: Vec<Missing>,
}

/// The look of an answer that may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missing {
    function: u8,
    length: usize,
    /// When it was asked for last.
    asked: u64,
}

/// A question whose answer proves that all earlier ones are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The question.
    pub call: Call,
    /// Whether an exception proves it too, and not only data.
    pub exception: bool,
}

impl Suspects {
    /// A request got no good answer.
    pub fn add(&mut self, call: &Call, now: u64) {
        let (function, length) = (call.function(), call.answer_len());
        self.missing.retain(|m| (m.function, m.length) != (function, length));
        self.missing.push(Missing { function, length, asked: now });
    }

    /// The proof came: nothing is missing any more.
    pub fn clear(&mut self) {
        self.missing.clear();
    }

    /// Forgets what was asked so long ago that no answer comes any more.
    pub fn forget(&mut self, now: u64, after_ms: u64) {
        self.missing.retain(|m| now.saturating_sub(m.asked) < after_ms);
    }

    /// Whether an answer may still come.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.missing.is_empty()
    }

    /// A question that proves it, best one that the unit is asked anyway; `None`: there is none at present.
    #[must_use]
    pub fn proof(&self, asks: &[Ask]) -> Option<Proof> {
        let open = |function: u8| self.missing.iter().any(|m| m.function == function);
        let read = |table, start, count| Call::Read { table, start, count };
        if let Some(ask) = asks.iter().find(|ask| !open(ask.table as u8)) {
            return Some(Proof { call: read(ask.table, ask.start, ask.count), exception: true });
        }
        // A part of what the unit is asked anyway, of a length that nothing missing has.
        let parts = asks
            .iter()
            .flat_map(|ask| (1..=ask.count).rev().take(40).map(|count| read(ask.table, ask.start, count)));
        let unlike = |call: &Call| {
            !self.missing.iter().any(|m| (m.function, m.length) == (call.function(), call.answer_len()))
        };
        if let Some(call) = parts.into_iter().find(unlike) {
            return Some(Proof { call, exception: false });
        }
        // What it answers to this matters nothing: it is of another function.
        let tables = [Table::Holding, Table::Input, Table::Discrete, Table::Coil];
        let other = tables.into_iter().find(|table| !open(*table as u8))?;
        Some(Proof { call: read(other, 0, 1), exception: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(table: Table, start: u16, count: u16) -> Ask {
        Ask { table, start, count }
    }

    fn call(ask: Ask) -> Call {
        Call::Read { table: ask.table, start: ask.start, count: ask.count }
    }

    #[test]
    fn a_proof_never_looks_like_what_is_missing() {
        let asks = [ask(Table::Holding, 0, 4), ask(Table::Holding, 100, 4), ask(Table::Input, 3, 1)];
        let mut suspects = Suspects::default();
        suspects.add(&call(asks[0]), 0);
        let proof = suspects.proof(&asks).unwrap();
        assert_eq!(proof, Proof { call: call(asks[2]), exception: true });
        suspects.add(&proof.call, 1);
        let proof = suspects.proof(&asks).unwrap();
        assert_eq!(proof, Proof { call: call(ask(Table::Holding, 0, 3)), exception: false });
        for n in 1..4 {
            suspects.add(&call(ask(Table::Holding, 0, n)), 2);
        }
        let proof = suspects.proof(&asks).unwrap();
        assert_eq!(proof, Proof { call: call(ask(Table::Discrete, 0, 1)), exception: true });
        suspects.add(&proof.call, 3);
        suspects.add(&call(ask(Table::Coil, 0, 1)), 4);
        assert_eq!(suspects.proof(&asks), None, "everything may still come");
        suspects.forget(1_003, 1_000);
        assert!(suspects.any() && suspects.proof(&asks).is_some());
        suspects.clear();
        assert!(!suspects.any());
    }

    #[test]
    fn bits_are_told_apart_by_bytes() {
        let asks = [ask(Table::Coil, 0, 12)];
        let mut suspects = Suspects::default();
        suspects.add(&call(asks[0]), 0);
        assert_eq!(suspects.proof(&asks).unwrap().call, call(ask(Table::Coil, 0, 8)));
    }
}
