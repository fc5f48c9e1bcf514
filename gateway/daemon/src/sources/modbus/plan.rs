//! Which requests bring the registers of a profile: neighbours together, never half a value.

use orderly_core::codec::registers::{Form, Register, Table};
use orderly_core::profile::{Codec, Profile};

/// Most registers of one request (the protocol's limit).
const MAX_WORDS: u16 = 125;
/// Most coils or inputs of one request (the protocol allows 2,000; many devices do not).
const MAX_BITS: u16 = 512;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// From which table.
    pub table: Table,
    /// First address.
    pub start: u16,
    /// How many.
    pub count: u16,
}

impl Ask {
    const fn end(self) -> u32 {
        self.start as u32 + self.count as u32
    }
}

/// The requests of one poll.
#[must_use]
pub fn plan(profile: &Profile) -> Vec<Ask> {
    match profile.codec() {
        Codec::Registers(poll) => merge(&profile.registers(), poll.max_gap, poll.max_count),
        Codec::Document | Codec::Line => Vec::new(),
    }
}

fn merge(registers: &[Register], max_gap: u16, max_count: u16) -> Vec<Ask> {
    let mut spans: Vec<Ask> = registers.iter().map(span).collect();
    spans.sort_by_key(|ask| (ask.table, ask.start, ask.count));
    let mut asks: Vec<Ask> = Vec::new();
    for span in spans {
        let limit = if span.table.holds_bits() { MAX_BITS } else { MAX_WORDS.min(max_count.max(2)) };
        if let Some(last) = asks.last_mut().filter(|last| last.table == span.table) {
            let end = last.end().max(span.end());
            let near = u32::from(span.start) <= last.end() + u32::from(max_gap);
            let count = end - u32::from(last.start);
            if near && count <= u32::from(limit) {
                last.count = u16::try_from(count).unwrap_or(limit);
                continue;
            }
        }
        asks.push(span);
    }
    asks
}

const fn span(register: &Register) -> Ask {
    let count = match register.form {
        Form::U32 | Form::I32 | Form::F32 => 2,
        Form::U16 | Form::I16 | Form::Bit(_) => 1,
    };
    Ask { table: register.table, start: register.address, count }
}

#[cfg(test)]
mod tests {
    use orderly_core::codec::registers::Order;
    use proptest::prelude::*;

    use super::*;

    fn register(table: Table, address: u16, form: Form) -> Register {
        Register { table, address, form, order: Order::Abcd }
    }

    fn ask(table: Table, start: u16, count: u16) -> Ask {
        Ask { table, start, count }
    }

    #[test]
    fn neighbours_go_together_and_tables_do_not() {
        let registers = [
            register(Table::Input, 1, Form::U16),
            register(Table::Input, 0, Form::I16),
            register(Table::Discrete, 0, Form::Bit(0)),
            register(Table::Discrete, 3, Form::Bit(0)),
            register(Table::Input, 2, Form::F32),
            register(Table::Holding, 0, Form::Bit(7)),
        ];
        let want = [
            ask(Table::Discrete, 0, 1),
            ask(Table::Discrete, 3, 1),
            ask(Table::Holding, 0, 1),
            ask(Table::Input, 0, 4),
        ];
        assert_eq!(merge(&registers, 0, 125), want);
        assert_eq!(merge(&registers, 2, 125)[0], ask(Table::Discrete, 0, 4));
    }

    #[test]
    fn a_value_is_never_cut_in_two() {
        let registers: Vec<_> = (0..100).map(|n| register(Table::Holding, 2 * n, Form::U32)).collect();
        let asks = merge(&registers, 0, 125);
        assert_eq!(asks, [ask(Table::Holding, 0, 124), ask(Table::Holding, 124, 76)]);
    }

    proptest! {
        #[test]
        fn every_register_is_brought_within_the_limits(
            wanted in proptest::collection::vec((0..300_u16, 0..3_u8), 1..60), gap in 0..20_u16, most in 1..130_u16,
        ) {
            let registers: Vec<_> = wanted
                .iter()
                .map(|(at, form)| register(Table::Input, *at, [Form::U16, Form::F32, Form::Bit(1)][usize::from(*form)]))
                .collect();
            let asks = merge(&registers, gap, most);
            for register in &registers {
                let span = span(register);
                prop_assert!(asks.iter().any(|a| a.start <= span.start && span.end() <= a.end()));
            }
            for a in &asks {
                prop_assert!(a.count <= MAX_WORDS.min(most.max(2)));
            }
        }
    }
}
