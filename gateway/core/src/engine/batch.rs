//! What was decided since the last drain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::Transition;
use crate::command::Command;
use crate::output::{Answer, AuditEntry, Counts, Notice, PresenceChange, Quarantined, TextRow};
use crate::reading::{Origin, Reading};
use crate::record::{Flags, Record, Seq};
use crate::registry::Change;
use crate::{refusal, sealed};

use super::register::Chain;

/// How much of a payload is kept in quarantine.
const EXCERPT: usize = 4096;

/// The present batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Grows with each drain; chains of an earlier batch are void.
    pub(super) number: u64,
    pub(super) first: Seq,
    pub(super) cursor: Seq,
    pub(super) readings: Vec<Reading>,
    /// For each reading, the reading of the same stream before it.
    pub(super) before: Vec<u32>,
    pub(super) twins: Vec<usize>,
    pub(super) devices: Vec<usize>,
    pub(super) alerts: BTreeSet<Arc<str>>,
    pub(super) transitions: Vec<Transition>,
    pub(super) registry: Vec<Change>,
    pub(super) texts: Vec<TextRow>,
    pub(super) notices: Vec<Notice>,
    pub(super) quarantined: Vec<Quarantined>,
    pub(super) commands: BTreeMap<Arc<str>, Command>,
    pub(super) released: Vec<Origin>,
    pub(super) audit: Vec<AuditEntry>,
    pub(super) answers: Vec<Answer>,
    pub(super) presence: Vec<PresenceChange>,
    pub(super) counts: Counts,
    /// What may be kept aside of the record under way, if it came sealed.
    pub(super) sealed: Vec<u8>,
}

/// No earlier reading.
const NONE: u32 = u32::MAX;

impl Batch {
    /// Adds a reading to the batch and to the chain of its stream; `newest`: none of the stream was taken later.
    pub(super) fn push(&mut self, reading: Reading, chain: &mut Chain, newest: bool) {
        let number = u32::try_from(self.readings.len()).unwrap_or(NONE);
        if chain.batch != self.number {
            *chain = Chain { batch: self.number, last: NONE, newest: None };
        }
        self.before.push(chain.last);
        self.readings.push(reading);
        chain.last = number;
        if newest {
            chain.newest = Some(number);
        }
        self.counts.readings += 1;
    }

    /// The reading of a stream that was taken last, when it is in this batch.
    pub(super) fn newest(&self, chain: Option<&Chain>) -> Option<&Reading> {
        let chain = chain.filter(|chain| chain.batch == self.number)?;
        self.readings.get(chain.newest? as usize)
    }

    /// The readings of a stream in this batch, last first.
    pub(super) fn of_stream(&self, chain: Option<Chain>) -> impl Iterator<Item = &Reading> {
        let mut next = chain.filter(|chain| chain.batch == self.number).map_or(NONE, |chain| chain.last);
        std::iter::from_fn(move || {
            let reading = self.readings.get(next as usize)?;
            next = self.before.get(next as usize).copied().unwrap_or(NONE);
            Some(reading)
        })
    }

    /// Writes down what must be provable, behind what the same record has caused before.
    pub(super) fn audit(&mut self, mut entry: AuditEntry) {
        let before = self.audit.last().filter(|last| last.seq == entry.seq);
        entry.index = before.map_or(0, |last| last.index.saturating_add(1));
        self.audit.push(entry);
    }

    /// The body of the record that is handled next, if it came sealed: quarantine keeps nothing else of it.
    pub(super) fn hold_sealed(&mut self, body: &[u8]) {
        self.sealed.clear();
        self.sealed.extend_from_slice(sealed::kept(body, EXCERPT));
    }

    /// Puts an input aside with the reason.
    pub(super) fn quarantine(
        &mut self,
        record: &Record<'_>,
        index: u16,
        code: &'static str,
        reason: String,
        excerpt: &[u8],
    ) {
        self.counts.quarantined += 1;
        let is_sealed = record.entry.flags.has(Flags::SEALED);
        let lines = record.entry.flags.has(Flags::LINE_PROTOCOL);
        // What is wrong with a payload is often told in its own words.
        let reason = if is_sealed && (lines || !refusal::names_no_content(code)) {
            refusal::SEALED_REASON.to_owned()
        } else {
            reason
        };
        let excerpt = if is_sealed { self.sealed.as_slice() } else { &excerpt[..excerpt.len().min(EXCERPT)] };
        self.quarantined.push(Quarantined {
            seq: record.seq,
            index,
            received_at: record.now.wall,
            source: record.entry.source.to_owned(),
            address: record.entry.address.to_owned(),
            code,
            reason,
            excerpt: excerpt.to_vec(),
        });
    }

    /// An empty batch that follows this one.
    pub(super) fn next(&self) -> Self {
        // Under load the next one is about as large: growing step by step would copy each reading twice.
        let expected = self.readings.len();
        Self {
            number: self.number + 1,
            readings: Vec::with_capacity(expected),
            before: Vec::with_capacity(expected),
            ..Self::default()
        }
    }
}
