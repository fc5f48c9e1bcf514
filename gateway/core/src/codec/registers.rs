//! Modbus: what one poll brought, as the body of one envelope, and how registers become values.
//!
//! A body is the byte `1` (format) and then blocks, one for each request of the poll, in any order:
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | function code: 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers; plus 128 if the unit refused |
//! | 2 | first address, from 0, big-endian |
//! | 2 | how many coils or registers, big-endian |
//! | n | registers: two bytes each, big-endian, as on the wire; coils and inputs: eight to a byte, lowest bit first, as on the wire; refused: one byte, the exception code |
//!
//! The address of the envelope is the topic that the device would publish on:
//! `orderly/v1/<site>/<class>/<device>/up/<stream>`.

mod number;
mod write;

use smallvec::SmallVec;

use super::Sent;
pub use write::{Written, encode};

/// First byte of a body.
const FORMAT: u8 = 1;
/// Set in the function code of a block that the unit refused.
const REFUSED: u8 = 0x80;

/// The four tables of a Modbus unit. The numbers are the function codes that read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Coils: bits that can be written.
    Coil = 1,
    /// Discrete inputs: bits that can only be read.
    Discrete = 2,
    /// Holding registers: words that can be written.
    Holding = 3,
    /// Input registers: words that can only be read.
    Input = 4,
}

impl Table {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Coil),
            2 => Some(Self::Discrete),
            3 => Some(Self::Holding),
            4 => Some(Self::Input),
            _ => None,
        }
    }

    /// Whether it holds bits rather than words.
    #[must_use]
    pub const fn holds_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }
}

/// How registers are read as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Half a word, from 0.
    U8 {
        /// The upper half.
        high: bool,
    },
    /// Half a word with sign.
    I8 {
        /// The upper half.
        high: bool,
    },
    /// One word, from 0.
    U16,
    /// One word with sign.
    I16,
    /// Two words, from 0.
    U32,
    /// Two words with sign.
    I32,
    /// Four words, from 0.
    U64,
    /// Four words with sign.
    I64,
    /// One word, IEEE 754.
    F16,
    /// Two words, IEEE 754.
    F32,
    /// Four words, IEEE 754.
    F64,
    /// A coil or input, or one bit of a word (0 is the lowest).
    Bit(u8),
    /// Some bits of a word as a number from 0.
    Bits {
        /// The lowest of them.
        from: u8,
        /// How many.
        count: u8,
    },
    /// So many words, a decimal digit in every four bits.
    Bcd(u8),
    /// So many words, two characters each.
    Text(u8),
}

impl Form {
    /// How many registers (or coils) it takes.
    #[must_use]
    pub const fn words(self) -> u16 {
        match self {
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
            Self::Bcd(words) | Self::Text(words) => words as u16,
            _ => 1,
        }
    }
}

/// In which order the bytes of a value are sent, `abcd` being big-endian; longer values by the same rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Big-endian throughout.
    #[default]
    Abcd,
    /// Low word first.
    Cdab,
    /// Bytes swapped within each word.
    Badc,
    /// Little-endian throughout.
    Dcba,
}

/// Where a value stands in a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// The table.
    pub table: Table,
    /// The address, from 0, as it goes over the wire.
    pub address: u16,
    /// How it is read.
    pub form: Form,
    /// Order of bytes.
    pub order: Order,
}

impl std::fmt::Display for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let table = match self.table {
            Table::Coil => "coil",
            Table::Discrete => "discrete input",
            Table::Holding => "holding register",
            Table::Input => "input register",
        };
        write!(f, "{table} {}", self.address)
    }
}

/// Begins the body of an envelope.
#[must_use]
pub fn begin() -> Vec<u8> {
    vec![FORMAT]
}

/// Adds registers that were read.
pub fn push_words(body: &mut Vec<u8>, table: Table, start: u16, words: &[u16]) {
    head(body, table as u8, start, words.len());
    for word in words {
        body.extend_from_slice(&word.to_be_bytes());
    }
}

/// Adds coils or discrete inputs that were read.
pub fn push_bits(body: &mut Vec<u8>, table: Table, start: u16, bits: &[bool]) {
    head(body, table as u8, start, bits.len());
    for eight in bits.chunks(8) {
        let byte = eight.iter().enumerate().fold(0, |byte, (n, bit)| byte | (u8::from(*bit) << n));
        body.push(byte);
    }
}

/// Adds what was read, as it came over the wire.
pub fn push_raw(body: &mut Vec<u8>, table: Table, start: u16, count: u16, data: &[u8]) {
    head(body, table as u8, start, usize::from(count));
    body.extend_from_slice(data);
}

/// Adds a request that the unit refused with an exception code.
pub fn push_refused(body: &mut Vec<u8>, table: Table, start: u16, count: u16, exception: u8) {
    head(body, table as u8 | REFUSED, start, usize::from(count));
    body.push(exception);
}

fn head(body: &mut Vec<u8>, code: u8, start: u16, count: usize) {
    body.push(code);
    body.extend_from_slice(&start.to_be_bytes());
    body.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

/// One block of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block<'a> {
    table: Table,
    start: u16,
    count: u16,
    /// `Err`: the unit refused with this exception code.
    data: Result<&'a [u8], u8>,
}

impl Block<'_> {
    fn covers(&self, table: Table, address: u16) -> bool {
        self.table == table && address.checked_sub(self.start).is_some_and(|offset| offset < self.count)
    }
}

/// The blocks of a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Blocks<'a>(SmallVec<[Block<'a>; 4]>);

impl<'a> Blocks<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// A sentence that says at which byte it is no body.
    pub fn parse(body: &'a [u8]) -> Result<Self, String> {
        let mut rest = match body.split_first() {
            Some((&FORMAT, rest)) => rest,
            Some((other, _)) => return Err(format!("byte 0: format {other} is not known")),
            None => return Err("byte 0: the body is empty".to_owned()),
        };
        let mut blocks = SmallVec::new();
        while !rest.is_empty() {
            let at = body.len() - rest.len();
            let [code, s0, s1, c0, c1, data @ ..] = rest else {
                return Err(format!("byte {at}: the head of a block is cut off"));
            };
            let Some(table) = Table::from_code(code & !REFUSED) else {
                return Err(format!("byte {at}: function code {code} reads nothing"));
            };
            let (start, count) = (u16::from_be_bytes([*s0, *s1]), u16::from_be_bytes([*c0, *c1]));
            let refused = code & REFUSED != 0;
            let length = match (refused, table.holds_bits()) {
                (true, _) => 1,
                (false, true) => usize::from(count).div_ceil(8),
                (false, false) => 2 * usize::from(count),
            };
            let Some((data, after)) = data.split_at_checked(length) else {
                return Err(format!(
                    "byte {at}: the block has {} bytes of data, expected {length}",
                    data.len()
                ));
            };
            let data = if refused { Err(data[0]) } else { Ok(data) };
            blocks.push(Block { table, start, count, data });
            rest = after;
        }
        Ok(Self(blocks))
    }

    /// The value of a register: absent when the poll did not cover it, null when the unit refused it.
    #[must_use]
    pub fn value(&self, register: &Register) -> Sent<'static> {
        let refused =
            self.0.iter().any(|block| block.data.is_err() && block.covers(register.table, register.address));
        match (self.read(register), refused) {
            (Sent::Absent, true) => Sent::Null,
            (sent, _) => sent,
        }
    }

    fn read(&self, register: &Register) -> Sent<'static> {
        if register.table.holds_bits() {
            return self.bit(register.table, register.address).map_or(Sent::Absent, Sent::Flag);
        }
        let words = (0..register.form.words())
            .map(|n| register.address.checked_add(n).and_then(|address| self.word(register.table, address)));
        match words.collect::<Option<SmallVec<[[u8; 2]; 4]>>>() {
            Some(words) => number::value(register.form, register.order, words.as_flattened()),
            None => Sent::Absent,
        }
    }

    fn find(&self, table: Table, address: u16) -> Option<(&'a [u8], usize)> {
        let block = self.0.iter().find(|block| block.data.is_ok() && block.covers(table, address))?;
        block.data.ok().map(|data| (data, usize::from(address - block.start)))
    }

    fn word(&self, table: Table, address: u16) -> Option<[u8; 2]> {
        let (data, offset) = self.find(table, address)?;
        data.get(2 * offset..2 * offset + 2).and_then(|two| two.try_into().ok())
    }

    fn bit(&self, table: Table, address: u16) -> Option<bool> {
        let (data, offset) = self.find(table, address)?;
        data.get(offset / 8).map(|byte| byte >> (offset % 8) & 1 == 1)
    }
}

#[cfg(test)]
mod tests;
