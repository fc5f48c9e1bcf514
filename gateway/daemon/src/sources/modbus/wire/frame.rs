//! What stands around a request on the wire: the TCP header, or unit number and checksum of a serial line.

/// How requests and answers are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// MBAP header with a transaction number.
    Tcp,
    /// Unit number first, checksum last; nothing tells which request an answer belongs to.
    Rtu,
}

/// Length of the MBAP header, unit number included.
pub(super) const MBAP: usize = 7;

/// Writes the MBAP header for a PDU of this length.
pub(super) fn mbap(transaction: u16, unit: u8, pdu: usize) -> [u8; MBAP] {
    let [t0, t1] = transaction.to_be_bytes();
    let [l0, l1] = u16::try_from(pdu + 1).unwrap_or(u16::MAX).to_be_bytes();
    [t0, t1, 0, 0, l0, l1, unit]
}

/// Reads the MBAP header of an answer; gives the length of its PDU.
///
/// # Errors
/// When it does not belong to this request.
pub(super) fn answer_to(head: [u8; MBAP], transaction: u16, unit: u8) -> Result<usize, String> {
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    if word(2) != 0 {
        return Err(format!("protocol {} is not Modbus", word(2)));
    }
    if word(0) != transaction {
        return Err(format!("asked with number {transaction}, answered with number {}", word(0)));
    }
    if head[6] != unit {
        return Err(format!("asked unit {unit}, unit {} answered", head[6]));
    }
    match usize::from(word(4)) {
        length @ 3..=254 => Ok(length - 1),
        length => Err(format!("the answer claims {length} bytes")),
    }
}

/// The checksum of a serial frame (CRC-16 with the reflected polynomial 0xA001), as it is sent: low byte first.
#[must_use]
pub(super) fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        // Check value of CRC-16/MODBUS over "123456789" is 0x4B37; the frame is a common textbook example.
        assert_eq!(crc(b"123456789"), [0x37, 0x4B]);
        assert_eq!(crc(&[0x01, 0x04, 0x02, 0xFF, 0xFF]), [0xB8, 0x80]);
    }

    #[test]
    fn a_header_of_another_request_is_refused() {
        let head = mbap(0x0102, 7, 5);
        assert_eq!(head, [1, 2, 0, 0, 0, 6, 7]);
        assert_eq!(answer_to(head, 0x0102, 7), Ok(5));
        assert!(answer_to(head, 0x0103, 7).is_err());
        assert!(answer_to(head, 0x0102, 8).is_err());
        for (at, value) in [(2, 1), (3, 1), (4, 1), (5, 2)] {
            let mut other = head;
            other[at] = value;
            assert!(answer_to(other, 0x0102, 7).is_err(), "byte {at}");
        }
    }
}
