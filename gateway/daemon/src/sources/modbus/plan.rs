//! Which requests bring the registers of a profile: neighbours together, never half a value.

use orderly_core::codec::registers::{Register, Table};
use orderly_core::profile::{Codec, Poll, Profile};

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

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}..{}", self.table, self.start, self.end())
    }
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
        Codec::Registers(poll) => merge(&profile.registers(), poll),
        Codec::Document | Codec::Line => Vec::new(),
    }
}

/// Two parts of a request that was refused, each with half of the wanted values and no register beside them; `None`
/// when it holds a single one.
pub(super) fn halves(ask: Ask, profile: &Profile) -> Option<[Ask; 2]> {
    let mut spans: Vec<Ask> = profile.registers().iter().map(span).collect();
    spans.retain(|s| s.table == ask.table && ask.start <= s.start && s.end() <= ask.end());
    spans.sort_by_key(|s| (s.start, s.count));
    spans.dedup();
    let (left, right) = spans.split_at(spans.len() / 2);
    let hull = |spans: &[Ask]| {
        let (start, end) = (spans.first()?.start, spans.iter().map(|s| s.end()).max()?);
        let count = u16::try_from(end - u32::from(start)).ok()?;
        Some(Ask { table: ask.table, start, count }).filter(|hull| *hull != ask)
    };
    Some([hull(left)?, hull(right)?])
}

fn merge(registers: &[Register], poll: &Poll) -> Vec<Ask> {
    let mut spans: Vec<Ask> = registers.iter().map(span).collect();
    spans.sort_by_key(|ask| (ask.table, ask.start, ask.count));
    let mut asks: Vec<Ask> = Vec::new();
    for span in spans {
        let limit = if span.table.holds_bits() { poll.max_bits } else { poll.max_registers };
        if let Some(last) = asks.last_mut().filter(|last| last.table == span.table) {
            let end = last.end().max(span.end());
            let near = u32::from(span.start) <= last.end() + u32::from(poll.max_gap);
            let count = end - u32::from(last.start);
            let barred = poll.illegal.iter().flatten().any(|illegal| {
                illegal.table == span.table && u32::from(illegal.first) < end && illegal.last >= last.start
            });
            if near && count <= u32::from(limit) && !barred {
                last.count = u16::try_from(count).unwrap_or(limit);
                continue;
            }
        }
        asks.push(span);
    }
    asks
}

const fn span(register: &Register) -> Ask {
    Ask { table: register.table, start: register.address, count: register.form.words() }
}

#[cfg(test)]
mod tests {
    use orderly_core::codec::registers::{Form, Order};
    use orderly_core::profile::Illegal;
    use proptest::prelude::*;

    use super::*;

    fn register(table: Table, address: u16, form: Form) -> Register {
        Register { table, address, form, order: Order::Abcd }
    }

    fn limits(max_gap: u16, max_registers: u16) -> Poll {
        Poll {
            every_ms: 1_000,
            max_gap,
            max_registers,
            max_bits: 2_000,
            illegal: [None; 8],
            writable: [None; 8],
        }
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
        assert_eq!(merge(&registers, &limits(0, 125)), want);
        assert_eq!(merge(&registers, &limits(2, 125))[0], ask(Table::Discrete, 0, 4));
    }

    #[test]
    fn a_value_is_never_cut_in_two() {
        let registers: Vec<_> = (0..100).map(|n| register(Table::Holding, 2 * n, Form::U32)).collect();
        let asks = merge(&registers, &limits(0, 125));
        assert_eq!(asks, [ask(Table::Holding, 0, 124), ask(Table::Holding, 124, 76)]);
    }

    #[test]
    fn holes_are_read_along_but_never_an_illegal_one() {
        let registers = [0, 5, 20, 22].map(|address| register(Table::Holding, address, Form::U16));
        let asks = [ask(Table::Holding, 0, 6), ask(Table::Holding, 20, 3)];
        assert_eq!(merge(&registers, &limits(8, 125)), asks);
        let mut poll = limits(50, 125);
        assert_eq!(merge(&registers, &poll), [ask(Table::Holding, 0, 23)]);
        poll.illegal[0] = Illegal::parse("holding 10..12").ok();
        poll.illegal[1] = Illegal::parse("input 3").ok();
        assert_eq!(merge(&registers, &poll), asks);
        poll.illegal[2] = Illegal::parse("holding 21").ok();
        assert_eq!(merge(&registers, &poll)[1..], [ask(Table::Holding, 20, 1), ask(Table::Holding, 22, 1)]);
        for wrong in ["holding", "holding 5..2", "words 1", "input x"] {
            assert!(Illegal::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_thousand_bits_and_125_registers_are_the_most() {
        let bits: Vec<_> = (0..4_100).map(|n| register(Table::Coil, n, Form::Bit(0))).collect();
        let counts: Vec<u16> = merge(&bits, &limits(0, 125)).iter().map(|a| a.count).collect();
        assert_eq!(counts, [2_000, 2_000, 100]);
        let words: Vec<_> = (0..300).map(|n| register(Table::Input, n, Form::U16)).collect();
        let counts: Vec<u16> = merge(&words, &limits(0, 125)).iter().map(|a| a.count).collect();
        assert_eq!(counts, [125, 125, 50]);
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
            let asks = merge(&registers, &limits(gap, most));
            for register in &registers {
                let span = span(register);
                prop_assert!(asks.iter().any(|a| a.start <= span.start && span.end() <= a.end()));
            }
            for a in &asks {
                prop_assert!(a.count <= most.max(4));
            }
        }
    }
}
