//! What is written into a unit: coils or registers, and how a value becomes them.

use serde::{Deserialize, Serialize};

use super::number::big_endian;
use super::{Form, Register, Table};

/// Coils or registers of one unit, with what is to stand in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Coils; otherwise holding registers.
    pub coils: bool,
    /// The first address.
    pub start: u16,
    /// What stands in each: a word, or 0 and 1 of a coil.
    pub words: Vec<u16>,
}

impl Written {
    /// The table it stands in.
    #[must_use]
    pub const fn table(&self) -> Table {
        if self.coils { Table::Coil } else { Table::Holding }
    }

    /// How many coils or registers it takes.
    #[must_use]
    pub fn count(&self) -> u16 {
        u16::try_from(self.words.len()).unwrap_or(u16::MAX)
    }

    /// What stands there, out of what a read brought as it came over the wire; `None`: it is too short.
    #[must_use]
    pub fn of_wire(&self, data: &[u8]) -> Option<Vec<u16>> {
        if self.coils {
            let bit = |n: usize| Some(u16::from(data.get(n / 8)? >> (n % 8) & 1));
            return (0..self.words.len()).map(bit).collect();
        }
        let words: Vec<u16> =
            data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        (words.len() == self.words.len()).then_some(words)
    }
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let table = if self.coils { "coil" } else { "holding" };
        let words: Vec<String> = self.words.iter().map(u16::to_string).collect();
        write!(f, "{table} {} = {}", self.start, words.join(" "))
    }
}

/// The words that a number takes in a register.
///
/// # Errors
/// When the register cannot be written at all, or cannot hold the number.
pub fn encode(register: &Register, number: f64) -> Result<Written, String> {
    let coils = match register.table {
        Table::Coil => true,
        Table::Holding => false,
        Table::Discrete | Table::Input => return Err(format!("{register} can only be read")),
    };
    if coils {
        return match number {
            0.0 | 1.0 => {
                Ok(Written { coils, start: register.address, words: vec![u16::from(number == 1.0)] })
            }
            other => Err(format!("a coil is 0 or 1, not {other}")),
        };
    }
    let mut bytes = wire(register.form, number)?;
    // To bring them into order and out of it is the same.
    big_endian(register.order, &mut bytes);
    let words = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    Ok(Written { coils, start: register.address, words })
}

/// The bytes of a number, big-endian.
fn wire(form: Form, number: f64) -> Result<Vec<u8>, String> {
    let whole = |least: i64, most: i64| {
        #[expect(clippy::cast_possible_truncation, reason = "compared with the number right after")]
        let n = number as i64;
        #[expect(clippy::cast_precision_loss, reason = "the bounds have 32 bits at most")]
        let same = n as f64 == number;
        match same && (least..=most).contains(&n) {
            true => Ok(n),
            false => Err(format!("{number} is no whole number from {least} to {most}")),
        }
    };
    let tail = |n: i64, bytes: usize| n.to_be_bytes()[8 - bytes..].to_vec();
    Ok(match form {
        Form::U16 => tail(whole(0, 0xFFFF)?, 2),
        Form::I16 => tail(whole(i64::from(i16::MIN), i64::from(i16::MAX))?, 2),
        Form::U32 => tail(whole(0, 0xFFFF_FFFF)?, 4),
        Form::I32 => tail(whole(i64::from(i32::MIN), i64::from(i32::MAX))?, 4),
        #[expect(clippy::cast_possible_truncation, reason = "a single has no more digits")]
        Form::F32 => (number as f32).to_be_bytes().to_vec(),
        Form::F64 => number.to_be_bytes().to_vec(),
        _ => return Err("only u16, i16, u32, i32, f32 and f64 can be written".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Order, number};
    use super::*;
    use crate::codec::Sent;

    fn register(table: Table, form: Form, order: Order) -> Register {
        Register { table, address: 7, form, order }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_number() {
        let cases = [
            (Form::U16, 65_535.0),
            (Form::I16, -2.0),
            (Form::U32, 4_000_000_000.0),
            (Form::I32, -70_000.0),
            (Form::F32, 36.5),
            (Form::F64, -0.1),
        ];
        for (form, n) in cases {
            for order in [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba] {
                let written = encode(&register(Table::Holding, form, order), n).expect("it can be written");
                assert_eq!(written.count(), form.words());
                let wire: Vec<u8> = written.words.iter().flat_map(|word| word.to_be_bytes()).collect();
                let read = match number::value(form, order, &wire) {
                    #[expect(clippy::cast_precision_loss, reason = "the numbers above are small")]
                    Sent::Whole(n) => n as f64,
                    Sent::Float(n) => n,
                    other => panic!("{form:?} {order:?}: {other:?}"),
                };
                assert!((read - n).abs() < 1e-12, "{form:?} {order:?}: {read} is not {n}");
                assert_eq!(written.of_wire(&wire).as_deref(), Some(&*written.words));
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let abcd = Order::Abcd;
        for (register, n, part) in [
            (register(Table::Input, Form::U16, abcd), 1.0, "can only be read"),
            (register(Table::Discrete, Form::Bit(0), abcd), 1.0, "can only be read"),
            (register(Table::Coil, Form::Bit(0), abcd), 2.0, "0 or 1"),
            (register(Table::Holding, Form::U16, abcd), 65_536.0, "from 0 to 65535"),
            (register(Table::Holding, Form::I16, abcd), 0.5, "no whole number"),
            (register(Table::Holding, Form::U8 { high: true }, abcd), 1.0, "only u16"),
        ] {
            let why = encode(&register, n).expect_err("it must be refused");
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn coils_come_eight_to_a_byte() {
        let written = Written { coils: true, start: 0, words: vec![1, 0, 1, 1, 0, 0, 0, 0, 1] };
        assert_eq!(written.of_wire(&[0b1101, 1]).as_deref(), Some(&*written.words));
        assert_eq!(written.of_wire(&[0b1101]), None);
    }
}
