//! The links of the chain: what is hashed, and when a row does not follow.

use orderly_core::output::AuditEntry;

/// Number and hash of the last entry: whoever keeps it elsewhere can tell later whether the chain was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditHead {
    /// Its number; 0 in an empty chain.
    pub n: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// One entry as it stands in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number, from 1.
    pub n: u64,
    /// What it says.
    pub entry: AuditEntry,
    /// The hash of the entry before it.
    pub prev_hash: [u8; 32],
    /// BLAKE3 of the hash before, the number and what it says.
    pub hash: [u8; 32],
}

impl AuditRow {
    /// The row of an entry that follows this head.
    pub(super) fn after(head: &AuditHead, entry: AuditEntry) -> Self {
        let n = head.n + 1;
        let hash = hash(&head.hash, n, &entry);
        Self { n, entry, prev_hash: head.hash, hash }
    }

    /// The head of the chain once this is its last entry.
    #[must_use]
    pub const fn head(&self) -> AuditHead {
        AuditHead { n: self.n, hash: self.hash }
    }

    /// What is wrong with this row behind this head, if anything is.
    pub(super) fn fault(&self, before: &AuditHead) -> Option<&'static str> {
        if self.n != before.n + 1 {
            Some("it is missing")
        } else if self.prev_hash != before.hash {
            Some("it does not follow the entry before it")
        } else if self.hash != hash(&before.hash, self.n, &self.entry) {
            Some("it was changed")
        } else {
            None
        }
    }
}

fn hash(before: &[u8; 32], n: u64, e: &AuditEntry) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("orderly audit chain, format 1");
    hasher.update(before);
    hasher.update(&n.to_le_bytes());
    hasher.update(&e.seq.to_le_bytes());
    hasher.update(&e.index.to_le_bytes());
    hasher.update(&e.decided_at.0.to_le_bytes());
    hasher.update(&e.happened_at.0.to_le_bytes());
    // Each text with its length, so that no text can pass for two.
    for text in [e.actor.as_str(), &e.verb, &e.subject, &e.detail] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
