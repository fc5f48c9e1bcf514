//! What `state.db` must hold: kept beside the store from the engine's outputs alone, and read back from the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use orderly_core::alert::{Alert, Transition};
use orderly_core::ids::DeviceId;
use orderly_core::output::{AuditEntry, DeviceRow, Output, Snapshot};
use orderly_core::record::{ConfigKind, Seq};
use orderly_core::registry::{self, Change};
use orderly_core::time::Timestamp;
use orderly_store::batch;
use orderly_store::state::{
    AlertFilter, DeliveryChange, QuarantineFilter, QuarantineRow, StateError, StateReader,
};

use crate::powercut_plan::Step;

/// A notice that waits: when it was decided, what it says, how often it was tried.
pub type Waiting = (Timestamp, String, u32);

/// The content of `state.db`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    /// Cursor of the last commit.
    pub cursor: Seq,
    /// Its number.
    pub commit_no: u64,
    /// State of the engine as a whole.
    pub engine: Option<Vec<u8>>,
    /// The register.
    pub devices: BTreeMap<DeviceId, DeviceRow>,
    /// The twins.
    pub twins: BTreeMap<DeviceId, Vec<u8>>,
    /// Every alert.
    pub alerts: BTreeMap<Arc<str>, Alert>,
    /// Every step of every alert.
    pub transitions: BTreeMap<(Arc<str>, u32), Transition>,
    /// Rows of the registry.
    pub registry: BTreeMap<registry::Key, registry::Row>,
    /// Texts in force.
    pub texts: BTreeMap<ConfigKind, String>,
    /// Stored batches by their last record: the first one, and a hash of the readings.
    pub batches: BTreeMap<Seq, (Seq, blake3::Hash)>,
    /// Audit entries that are not copied yet.
    pub audit: BTreeMap<(Seq, u16), AuditEntry>,
    /// Notices that wait.
    pub notices: BTreeMap<String, Waiting>,
    /// Inputs in quarantine.
    pub quarantine: BTreeMap<(Seq, u16), QuarantineRow>,
    /// Inputs ever put there.
    pub quarantined: u64,
    /// Cursors of the consumers.
    pub consumers: BTreeMap<String, Seq>,
    /// Holes of the one sink.
    pub holes: Vec<(Seq, Seq)>,
    /// Audit entries that were ever copied; not in the file.
    pub copied: u64,
}

impl Model {
    /// Does what a step does.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Commit(out) => self.commit(out),
            Step::Deliver(changes) => changes.iter().for_each(|change| self.deliver(change)),
            Step::CopyAudit => {
                let last = self.audit.last_key_value().map(|((seq, _), _)| *seq);
                self.consumers.insert("audit".to_owned(), last.unwrap_or_default());
                self.copied += self.audit.len() as u64;
                self.audit.clear();
            }
            _ => {}
        }
    }

    fn commit(&mut self, out: &Output) {
        self.cursor = out.cursor;
        self.commit_no += 1;
        self.engine = out.engine.clone().or(self.engine.take());
        self.devices.extend(out.devices.iter().map(|row| (row.device.clone(), row.clone())));
        self.twins.extend(out.twins.iter().map(|row| (row.device.clone(), row.blob.clone())));
        self.alerts.extend(out.alerts.iter().map(|alert| (Arc::clone(&alert.id), alert.clone())));
        let key = |t: &Transition| (Arc::clone(&t.alert), t.number);
        self.transitions.extend(out.transitions.iter().map(|t| (key(t), t.clone())));
        for change in &out.registry {
            match change {
                Change::Put(row) => self.registry.insert(row.key(), row.clone()),
                Change::Remove(key) => self.registry.remove(key),
            };
        }
        for row in &out.texts {
            match &row.text {
                Some(text) => self.texts.insert(row.what.clone(), text.clone()),
                None => self.texts.remove(&row.what),
            };
        }
        if !out.readings.is_empty() {
            let hash = blake3::hash(&batch::encode(&out.readings));
            self.batches.insert(out.cursor, (out.first, hash));
        }
        self.audit.extend(out.audit.iter().map(|entry| ((entry.seq, entry.index), entry.clone())));
        for notice in &out.notices {
            self.notices.insert(notice.id.to_string(), (notice.decided_at, notice.body.clone(), 0));
        }
        self.quarantined += out.quarantined.len() as u64;
        for q in &out.quarantined {
            let row = QuarantineRow {
                seq: q.seq,
                index: q.index,
                received_at: q.received_at,
                source: q.source.clone(),
                address: q.address.clone(),
                code: q.code.to_owned(),
                reason: q.reason.clone(),
                excerpt: q.excerpt.clone(),
            };
            self.quarantine.insert((q.seq, q.index), row);
        }
    }

    fn deliver(&mut self, change: &DeliveryChange) {
        match change {
            DeliveryChange::ConsumerAdded { consumer, seq } => {
                self.consumers.entry(consumer.clone()).or_insert(*seq);
            }
            DeliveryChange::CursorMoved { consumer, seq } => self.advance(consumer, *seq),
            DeliveryChange::HoleOpened { consumer, from, to } => {
                match self.holes.iter_mut().find(|hole| hole.0 == *from) {
                    Some(hole) => hole.1 = hole.1.max(*to),
                    None => self.holes.push((*from, *to)),
                }
                self.holes.sort_unstable();
                self.advance(consumer, *to);
            }
            DeliveryChange::NoticeAttempted { id, .. } => {
                if let Some(notice) = self.notices.get_mut(id) {
                    notice.2 += 1;
                }
            }
            DeliveryChange::NoticeDelivered { id } => {
                self.notices.remove(id);
            }
            DeliveryChange::BatchesTrimmed { seq } => {
                let sinks = self.consumers.iter().filter(|(name, _)| *name != "audit").map(|(_, seq)| *seq);
                let until = sinks.min().unwrap_or(*seq).min(*seq);
                self.batches.retain(|last, _| *last > until);
            }
            other => debug_assert!(false, "no plan has {other:?}"),
        }
    }

    fn advance(&mut self, consumer: &str, seq: Seq) {
        let known = self.consumers.entry(consumer.to_owned()).or_default();
        *known = seq.max(*known);
    }

    /// What the file holds; `copied` is not in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(dir: &Path, snapshot: &Snapshot) -> Result<Self, StateError> {
        let state = StateReader::open(dir)?;
        let cursors = state.cursors()?;
        let every = AlertFilter { limit: 100_000, ..AlertFilter::default() };
        let all = QuarantineFilter { limit: 100_000, ..QuarantineFilter::default() };
        let notices = state.outbox_due(Timestamp(i64::MAX), usize::MAX >> 1)?;
        let batches = state.batches_after(0, usize::MAX)?.batches;
        let text =
            |row: &orderly_core::output::TextRow| (row.what.clone(), row.text.clone().unwrap_or_default());
        Ok(Self {
            cursor: snapshot.cursor,
            commit_no: cursors.commit,
            engine: snapshot.engine.clone(),
            devices: snapshot.devices.iter().map(|row| (row.device.clone(), row.clone())).collect(),
            twins: snapshot.twins.iter().map(|row| (row.device.clone(), row.blob.clone())).collect(),
            alerts: state.alerts(&every)?.into_iter().map(|a| (Arc::clone(&a.id), a)).collect(),
            transitions: state
                .all_transitions()?
                .into_iter()
                .map(|t| ((Arc::clone(&t.alert), t.number), t))
                .collect(),
            registry: snapshot.registry.iter().map(|row| (row.key(), row.clone())).collect(),
            texts: snapshot.texts.iter().map(text).collect(),
            batches: batches.iter().map(|b| (b.last, (b.first, blake3::hash(&b.blob)))).collect(),
            audit: state
                .audit_from((0, 0), usize::MAX >> 1)?
                .into_iter()
                .map(|e| ((e.seq, e.index), e))
                .collect(),
            notices: notices.into_iter().map(|n| (n.id, (n.decided_at, n.body, n.tries))).collect(),
            quarantine: state.quarantine(&all)?.into_iter().map(|q| ((q.seq, q.index), q)).collect(),
            quarantined: state.status()?.quarantined,
            consumers: cursors.consumers.into_iter().collect(),
            holes: state.holes("sink:a")?,
            copied: 0,
        })
    }

    /// The parts in which the file differs from what it must hold.
    #[must_use]
    pub fn differs(&self, found: &Self) -> Vec<&'static str> {
        let parts = [
            ("cursor", self.cursor == found.cursor && self.commit_no == found.commit_no),
            ("engine", self.engine == found.engine),
            ("devices", self.devices == found.devices),
            ("twins", self.twins == found.twins),
            ("alerts", self.alerts == found.alerts),
            ("transitions", self.transitions == found.transitions),
            ("registry", self.registry == found.registry),
            ("texts", self.texts == found.texts),
            ("batches", self.batches == found.batches),
            ("audit_out", self.audit == found.audit),
            ("outbox", self.notices == found.notices),
            ("quarantine", self.quarantine == found.quarantine && self.quarantined == found.quarantined),
            ("consumers", self.consumers == found.consumers && self.holes == found.holes),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}
