//! Requests, and what an answer to each must look like.

use orderly_core::codec::registers::Table;

/// Set in the function code of an exception.
const REFUSED: u8 = 0x80;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Function codes 1 to 4.
    Read {
        /// From which table.
        table: Table,
        /// First address.
        start: u16,
        /// How many.
        count: u16,
    },
    /// Function code 5.
    WriteCoil(u16, bool),
    /// Function code 6.
    WriteRegister(u16, u16),
    /// Function code 15.
    WriteCoils(u16, Vec<bool>),
    /// Function code 16.
    WriteRegisters(u16, Vec<u16>),
}

/// What a unit said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Registers, two bytes each, or bits, eight to a byte: as on the wire.
    Data(Vec<u8>),
    /// The write was carried out.
    Done,
    /// The unit refused with this exception code.
    Refused(u8),
}

impl Call {
    /// Its function code.
    #[must_use]
    pub const fn function(&self) -> u8 {
        match self {
            Self::Read { table, .. } => *table as u8,
            Self::WriteCoil(..) => 5,
            Self::WriteRegister(..) => 6,
            Self::WriteCoils(..) => 15,
            Self::WriteRegisters(..) => 16,
        }
    }

    /// Whether the protocol allows it; a request that does not fit its frame is never sent.
    #[must_use]
    pub fn is_legal(&self) -> bool {
        let inside = |start: u16, count: usize, most: usize| {
            (1..=most).contains(&count) && usize::from(start) + count <= 0x1_0000
        };
        match self {
            Self::Read { table, start, count } => {
                inside(*start, usize::from(*count), if table.holds_bits() { 2000 } else { 125 })
            }
            Self::WriteCoil(..) | Self::WriteRegister(..) => true,
            Self::WriteCoils(start, bits) => inside(*start, bits.len(), 1968),
            Self::WriteRegisters(start, words) => inside(*start, words.len(), 123),
        }
    }

    /// Appends function code and data.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.function());
        let mut word = |word: u16| out.extend_from_slice(&word.to_be_bytes());
        match self {
            Self::Read { start, count, .. } => {
                word(*start);
                word(*count);
            }
            Self::WriteCoil(address, on) => {
                word(*address);
                word(if *on { 0xFF00 } else { 0 });
            }
            Self::WriteRegister(address, value) => {
                word(*address);
                word(*value);
            }
            Self::WriteCoils(start, bits) => {
                word(*start);
                word(small(bits.len()));
                out.push(bits.len().div_ceil(8).to_le_bytes()[0]);
                let byte =
                    |eight: &[bool]| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
                out.extend(bits.chunks(8).map(byte));
            }
            Self::WriteRegisters(start, words) => {
                word(*start);
                word(small(words.len()));
                out.push((2 * words.len()).to_le_bytes()[0]);
                words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
            }
        }
    }

    /// How many bytes a good answer has, function code included. An exception has two.
    #[must_use]
    pub fn answer_len(&self) -> usize {
        match self {
            Self::Read { table, count, .. } if table.holds_bits() => 2 + usize::from(*count).div_ceil(8),
            Self::Read { count, .. } => 2 + 2 * usize::from(*count),
            _ => 5,
        }
    }

    /// How many bytes an answer that begins with this function code must have; `None`: it is no answer to this.
    #[must_use]
    pub fn len_of(&self, function: u8) -> Option<usize> {
        match function {
            f if f == self.function() => Some(self.answer_len()),
            f if f == self.function() | REFUSED => Some(2),
            _ => None,
        }
    }

    /// Believes an answer of exactly the asked kind and length.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, pdu: &[u8]) -> Result<Answer, String> {
        let wrong = || format!("{self:?} was answered with {pdu:02x?}");
        let function = *pdu.first().ok_or_else(wrong)?;
        if self.len_of(function) != Some(pdu.len()) {
            return Err(wrong());
        }
        if function & REFUSED != 0 {
            return Ok(Answer::Refused(pdu[1]));
        }
        match self {
            Self::Read { .. } if usize::from(pdu[1]) != pdu.len() - 2 => Err(wrong()),
            Self::Read { .. } => Ok(Answer::Data(pdu[2..].to_vec())),
            _ => {
                // A write is answered with its own first five bytes.
                let mut sent = Vec::new();
                self.encode(&mut sent);
                if sent[..5] == *pdu { Ok(Answer::Done) } else { Err(wrong()) }
            }
        }
    }
}

fn small(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(call: &Call) -> Vec<u8> {
        let mut out = Vec::new();
        call.encode(&mut out);
        out
    }

    #[test]
    fn the_examples_of_the_specification() {
        // MODBUS Application Protocol 1.1b3, sections 6.1, 6.3, 6.5, 6.6, 6.11, 6.12.
        let coils = Call::Read { table: Table::Coil, start: 19, count: 19 };
        assert_eq!(encoded(&coils), [1, 0, 0x13, 0, 0x13]);
        assert_eq!(coils.check(&[1, 3, 0xCD, 0x6B, 0x05]), Ok(Answer::Data(vec![0xCD, 0x6B, 0x05])));
        let words = Call::Read { table: Table::Holding, start: 0x6B, count: 3 };
        assert_eq!(encoded(&words), [3, 0, 0x6B, 0, 3]);
        assert_eq!(
            words.check(&[3, 6, 2, 0x2B, 0, 0, 0, 0x64]),
            Ok(Answer::Data(vec![2, 0x2B, 0, 0, 0, 0x64]))
        );
        for (call, sent, answer) in [
            (Call::WriteCoil(0xAC, true), vec![5, 0, 0xAC, 0xFF, 0], vec![5, 0, 0xAC, 0xFF, 0]),
            (Call::WriteRegister(1, 3), vec![6, 0, 1, 0, 3], vec![6, 0, 1, 0, 3]),
            (
                Call::WriteCoils(0x13, vec![true, false, true, true, false, false, true, true, true, false]),
                vec![15, 0, 0x13, 0, 0x0A, 2, 0xCD, 1],
                vec![15, 0, 0x13, 0, 0x0A],
            ),
            (
                Call::WriteRegisters(1, vec![0x0A, 0x0102]),
                vec![16, 0, 1, 0, 2, 4, 0, 0x0A, 1, 2],
                vec![16, 0, 1, 0, 2],
            ),
        ] {
            assert_eq!(encoded(&call), sent, "{call:?}");
            assert_eq!(call.check(&answer), Ok(Answer::Done), "{call:?}");
            let mut other = answer.clone();
            other[4] ^= 1;
            assert!(call.check(&other).is_err(), "{call:?} was answered with another value");
        }
    }

    #[test]
    fn only_the_asked_length_is_believed() {
        let words = Call::Read { table: Table::Holding, start: 0, count: 4 };
        assert!(words.check(&[3, 8, 0, 1, 0, 2, 0, 3, 0, 4]).is_ok());
        for wrong in [
            vec![],
            vec![3],
            vec![3, 6, 0, 1, 0, 2, 0, 3],
            vec![3, 8, 0, 1, 0, 2, 0, 3],
            vec![3, 6, 0, 1, 0, 2, 0, 3, 0, 4],
            vec![4, 8, 0, 1, 0, 2, 0, 3, 0, 4],
            vec![0x84, 2],
            vec![0x83],
            vec![0x83, 2, 0],
        ] {
            assert!(words.check(&wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(words.check(&[0x83, 2]), Ok(Answer::Refused(2)));
    }

    #[test]
    fn what_the_protocol_does_not_allow_is_never_sent() {
        let read = |table, start, count| Call::Read { table, start, count };
        for legal in [
            read(Table::Holding, 0, 125),
            read(Table::Coil, 0, 2000),
            read(Table::Input, 65_535, 1),
            Call::WriteRegisters(0, vec![0; 123]),
            Call::WriteCoils(0, vec![true; 1968]),
        ] {
            assert!(legal.is_legal(), "{legal:?}");
        }
        for illegal in [
            read(Table::Holding, 0, 0),
            read(Table::Holding, 0, 126),
            read(Table::Discrete, 0, 2001),
            read(Table::Input, 65_535, 2),
            Call::WriteRegisters(0, vec![0; 124]),
            Call::WriteRegisters(0, vec![]),
            Call::WriteCoils(0, vec![true; 1969]),
        ] {
            assert!(!illegal.is_legal(), "{illegal:?}");
        }
    }
}
