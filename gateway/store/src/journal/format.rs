//! Bytes of a segment: its header and its records.
//!
//! Header, 128 bytes, at offset 0 and again at 4096:
//! `magic 8, version u16, form u8, 0 x 5, number u64, first u64, base u64, created i64, salt 16, previous 32, 0, crc32c u32`.
//! Record: `sync u32, crc u32, len u32, seq u64, wall i64, steady u64, boot u64, kind u8, flags u8, connection u32,
//! source length u8, address length u16, source, address, body`; the CRC is seeded by the salt and covers all
//! that follows it; `len` counts what follows it. The top bit of `kind` marks the first record of a group (of one
//! write). All numbers are little-endian.

use orderly_core::record::{Entry, Flags, Kind, Record, Seq};
use orderly_core::time::{Now, Timestamp};

use super::JournalError;

/// The newest format that this code reads, and the one it writes.
pub(crate) const VERSION: u16 = 1;
/// Where the second copy of the header lies: in another disk block than the first.
const SECOND: usize = 4096;
const HEADER: usize = 128;
/// Records begin here.
pub(crate) const ZONE: usize = SECOND + HEADER;
const MAGIC: [u8; 8] = *b"ORDERLY\x01";

/// Bytes of a record before source, address and body.
pub(crate) const HEAD: usize = 12 + FIXED;
const FIXED: usize = 8 + 8 + 8 + 8 + 1 + 1 + 4 + 1 + 2;
/// The longest body.
pub const MAX_BODY: usize = 4 << 20;
const MAX_RECORD: usize = HEAD + 255 + 65_535 + MAX_BODY;
const STARTS_GROUP: u8 = 0x80;

/// How the records of a segment are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One after the other.
    Raw,
    /// In compressed frames; never written again.
    Sealed,
}

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub form: Form,
    pub number: u64,
    /// Sequence number of its first record.
    pub first: Seq,
    /// The last record before this segment that is part of the journal.
    pub base: Seq,
    pub created: Timestamp,
    pub salt: u128,
    /// Hash of the header before it.
    pub previous: [u8; 32],
}

/// What reading a header found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    Good(Header),
    Newer(u16),
    Bad,
}

impl Header {
    fn encode(&self) -> [u8; HEADER] {
        let mut b = [0; HEADER];
        b[0..8].copy_from_slice(&MAGIC);
        b[8..10].copy_from_slice(&VERSION.to_le_bytes());
        b[10] = u8::from(self.form == Form::Sealed);
        b[16..24].copy_from_slice(&self.number.to_le_bytes());
        b[24..32].copy_from_slice(&self.first.to_le_bytes());
        b[32..40].copy_from_slice(&self.base.to_le_bytes());
        b[40..48].copy_from_slice(&self.created.0.to_le_bytes());
        b[48..64].copy_from_slice(&self.salt.to_le_bytes());
        b[64..96].copy_from_slice(&self.previous);
        let crc = crc32c::crc32c(&b[..HEADER - 4]);
        b[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// What a new segment begins with: both copies and the room between them.
    pub fn zone(&self) -> Vec<u8> {
        let one = self.encode();
        let mut zone = vec![0; ZONE];
        zone[..HEADER].copy_from_slice(&one);
        zone[SECOND..].copy_from_slice(&one);
        zone
    }

    /// Reads the first good copy out of the first [`ZONE`] bytes of a file (or fewer, if it has fewer).
    pub fn read(zone: &[u8]) -> HeaderRead {
        for at in [0, SECOND] {
            match zone.get(at..at + HEADER).map_or(HeaderRead::Bad, Self::decode) {
                HeaderRead::Bad => {}
                found => return found,
            }
        }
        HeaderRead::Bad
    }

    fn decode(b: &[u8]) -> HeaderRead {
        if b[0..8] != MAGIC || crc32c::crc32c(&b[..HEADER - 4]) != u32_at(b, HEADER - 4) {
            return HeaderRead::Bad;
        }
        let version = u16_at(b, 8);
        if version > VERSION {
            return HeaderRead::Newer(version);
        }
        let mut previous = [0; 32];
        previous.copy_from_slice(&b[64..96]);
        HeaderRead::Good(Self {
            form: if b[10] == 1 { Form::Sealed } else { Form::Raw },
            number: u64_at(b, 16),
            first: u64_at(b, 24),
            base: u64_at(b, 32),
            created: Timestamp(u64_at(b, 40).cast_signed()),
            salt: u128::from(u64_at(b, 48)) | u128::from(u64_at(b, 56)) << 64,
            previous,
        })
    }

    /// What the next segment keeps of this one; the same before and after sealing.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&Self { form: Form::Raw, ..*self }.encode()).as_bytes()
    }

    /// What its records are marked and checked with.
    pub fn key(&self) -> Key {
        Key::of(self.salt)
    }
}

/// Sync word and CRC seed of one segment: nobody who sends a payload can know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub sync: u32,
    pub seed: u32,
}

impl Key {
    pub fn of(salt: u128) -> Self {
        let hash = blake3::hash(&salt.to_le_bytes());
        // Unused bytes of a file are zeros, which must not look like one.
        Self { sync: u32_at(hash.as_bytes(), 0) | 1, seed: u32_at(hash.as_bytes(), 4) }
    }
}

/// Refuses an entry that the format cannot hold.
pub(crate) fn check(entry: &Entry<'_>) -> Result<(), JournalError> {
    let parts = [
        ("the source name", entry.source.len(), usize::from(u8::MAX)),
        ("the address", entry.address.len(), usize::from(u16::MAX)),
        ("the body", entry.body.len(), MAX_BODY),
    ];
    for (what, bytes, limit) in parts {
        if bytes > limit {
            return Err(JournalError::TooLarge { what, bytes, limit });
        }
    }
    Ok(())
}

/// Appends one record; the entry must have passed [`check`].
pub(crate) fn encode(out: &mut Vec<u8>, key: Key, starts_group: bool, seq: Seq, now: Now, entry: &Entry<'_>) {
    let start = out.len();
    let len = FIXED + entry.source.len() + entry.address.len() + entry.body.len();
    let mut head = [0; HEAD];
    head[0..4].copy_from_slice(&key.sync.to_le_bytes());
    head[8..12].copy_from_slice(&(len as u32).to_le_bytes());
    head[12..20].copy_from_slice(&seq.to_le_bytes());
    head[20..28].copy_from_slice(&now.wall.0.to_le_bytes());
    head[28..36].copy_from_slice(&now.steady_ms.to_le_bytes());
    head[36..44].copy_from_slice(&now.boot.to_le_bytes());
    head[44] = entry.kind as u8 | if starts_group { STARTS_GROUP } else { 0 };
    head[45] = entry.flags.0;
    head[46..50].copy_from_slice(&entry.connection.to_le_bytes());
    head[50] = entry.source.len() as u8;
    head[51..53].copy_from_slice(&(entry.address.len() as u16).to_le_bytes());
    out.reserve(12 + len);
    out.extend_from_slice(&head);
    out.extend_from_slice(entry.source.as_bytes());
    out.extend_from_slice(entry.address.as_bytes());
    out.extend_from_slice(entry.body);
    let crc = crc32c::crc32c_append(key.seed, &out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// How long the record at the start of `bytes` says it is, if it begins with the sync word and a length that can be.
pub(crate) fn claimed(bytes: &[u8], key: Key) -> Option<usize> {
    if bytes.len() < HEAD || u32_at(bytes, 0) != key.sync {
        return None;
    }
    let total = 12 + u32_at(bytes, 8) as usize;
    (HEAD..=MAX_RECORD).contains(&total).then_some(total)
}

/// Length of the checked record at the start of `bytes`.
pub(crate) fn length(bytes: &[u8]) -> usize {
    12 + u32_at(bytes, 8) as usize
}

/// Where in checked records the first one behind `after` begins.
pub(crate) fn offset_after(records: &[u8], after: Seq) -> usize {
    let mut at = 0;
    while at < records.len() && seq_of(&records[at..]) <= after {
        at += length(&records[at..]);
    }
    at
}

/// The sequence number that a record begins with.
pub(crate) fn seq_of(record: &[u8]) -> Seq {
    u64_at(record, 12)
}

/// The wall time that a record begins with.
pub(crate) fn wall_of(record: &[u8]) -> Timestamp {
    Timestamp(u64_at(record, 20).cast_signed())
}

/// Whether it was the first of its group.
pub(crate) fn starts_group(record: &[u8]) -> bool {
    record[44] & STARTS_GROUP != 0
}

/// Whether a whole record is what was written.
pub(crate) fn intact(record: &[u8], key: Key) -> bool {
    crc32c::crc32c_append(key.seed, &record[8..]) == u32_at(record, 4) && parse(record).is_some()
}

/// Reads the record at the start of checked bytes; also gives its length.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let head = bytes.get(..HEAD)?;
    let total = 12 + u32_at(head, 8) as usize;
    let source_end = HEAD + usize::from(head[50]);
    let address_end = source_end + usize::from(u16_at(head, 51));
    let entry = Entry {
        kind: Kind::from_u8(head[44] & !STARTS_GROUP)?,
        flags: Flags(head[45]),
        source: std::str::from_utf8(bytes.get(HEAD..source_end)?).ok()?,
        connection: u32_at(head, 46),
        address: std::str::from_utf8(bytes.get(source_end..address_end)?).ok()?,
        body: bytes.get(address_end..total)?,
    };
    let now = Now { wall: wall_of(head), steady_ms: u64_at(head, 28), boot: u64_at(head, 36) };
    Some((Record { seq: seq_of(head), now, entry }, total))
}

pub(crate) fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

pub(crate) fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

pub(crate) fn u64_at(b: &[u8], at: usize) -> u64 {
    u64::from(u32_at(b, at)) | u64::from(u32_at(b, at + 4)) << 32
}
