//! What the engine decided: everything that one state transaction writes, and the answers that follow it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Transition};
use crate::command::Command;
use crate::ids::{ActorId, ClassId, DeviceId, FirmwareId, ProfileId, ZoneId};
use crate::reading::{Origin, Reading};
use crate::record::{ConfigKind, Credential, Seq};
use crate::registry;
use crate::task::{Step, Task};
use crate::time::Timestamp;

/// All that one state transaction writes. Nothing in it leaves the daemon before the commit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// First record that was handled for it; 0 in an empty output.
    pub first: Seq,
    /// Last record that was handled: the engine's cursor after the commit.
    pub cursor: Seq,
    /// The decoded batch, in order of origin; those who read it after the commit share it.
    pub readings: Arc<Vec<Reading>>,
    /// Rows of the register that changed.
    pub devices: Vec<DeviceRow>,
    /// Twins that changed, once each.
    pub twins: Vec<TwinRow>,
    /// Alerts that changed, whole, once each.
    pub alerts: Vec<Alert>,
    /// Steps that alerts made, in order.
    pub transitions: Vec<Transition>,
    /// Rows of the registry that came, changed or went, in order.
    pub registry: Vec<registry::Change>,
    /// Texts that came into force or were taken away.
    pub texts: Vec<TextRow>,
    /// Notices to send, in order.
    pub notices: Vec<Notice>,
    /// Inputs that could not be read, each with its reason.
    pub quarantined: Vec<Quarantined>,
    /// Commands that changed, whole, once each. Those that were ordered by a record of this batch and are `Sent` go
    /// out after the commit, and never at another time.
    pub commands: Vec<Command>,
    /// Tasks that changed, whole, once each.
    pub tasks: Vec<Task>,
    /// Steps that tasks made, in order.
    pub task_steps: Vec<Step>,
    /// Inputs of earlier records that could be read after all: they leave the quarantine.
    pub released: Vec<Origin>,
    /// What must be provable later, in order.
    pub audit: Vec<AuditEntry>,
    /// When devices will be missed, as far as it changed; never stored.
    pub presence: Vec<PresenceChange>,
    /// Engine-wide state (listening time, idempotency keys), when it changed; its own format.
    pub engine: Option<Vec<u8>>,
    /// Answers to people, released after the commit and never stored here.
    pub answers: Vec<Answer>,
    /// Counts for the gateway's own metrics; never stored.
    pub counts: Counts,
}

/// A device on the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Its class.
    pub class: ClassId,
    /// Its profile.
    pub profile: ProfileId,
    /// Where it is.
    pub zone: Option<ZoneId>,
    /// Version of its firmware, where somebody said it.
    #[serde(default)]
    pub firmware: Option<FirmwareId>,
    /// Its present epoch.
    pub epoch: u32,
    /// How its secret is kept; `None`: it has none.
    pub credential: Option<Credential>,
    /// It registered itself on loopback (DESIGN 7.12).
    pub self_registered: bool,
    /// It was taken off the register; readings are refused.
    pub revoked: bool,
    /// Readings before this moment have a clock that cannot be believed.
    pub commissioned_at: Option<Timestamp>,
}

/// The state of one device, as the engine wants it back after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinRow {
    /// The device.
    pub device: DeviceId,
    /// Encoded by `core::twin`; its first byte is the format version.
    pub blob: Vec<u8>,
}

/// A profile or rule text that came into force, or was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRow {
    /// What it describes.
    pub what: ConfigKind,
    /// The whole text; `None`: taken away.
    pub text: Option<String>,
}

/// A notice for people outside, sent at least once, always with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Hash of alert and transition number; the Idempotency-Key of every attempt.
    pub id: Arc<str>,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// What is told, as JSON; holds no patient identity.
    pub body: String,
}

/// An input that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The record.
    pub seq: Seq,
    /// Place within the record.
    pub index: u16,
    /// When it came.
    pub received_at: Timestamp,
    /// Source and address, for people.
    pub source: String,
    /// Topic or address.
    pub address: String,
    /// Stable code of the reason (`unknown_device`, `no_profile`, `malformed`, `oversize`, `bad_field` ...).
    pub code: &'static str,
    /// What is wrong and what would be right, in one sentence.
    pub reason: String,
    /// The first 4 KiB of the payload.
    pub excerpt: Vec<u8>,
}

/// Something that must be provable later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The record that caused it.
    pub seq: Seq,
    /// Place within the record.
    pub index: u16,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When the person did it.
    pub happened_at: Timestamp,
    /// Who.
    pub actor: ActorId,
    /// What was done (`device.register`, `alert.acknowledge` ...).
    pub verb: String,
    /// To what.
    pub subject: String,
    /// Details as JSON; never a secret, never a patient's name.
    pub detail: String,
}

/// The answer to a person's action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The record of the action.
    pub seq: Seq,
    /// `Ok`: done, with what there is to say as JSON. `Err`: refused, with the reason.
    pub result: Result<String, String>,
}

/// Until when a device counts as being there, before and now; `None`: it is not there, or that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceChange {
    /// Until when it was said to be.
    pub was: Option<Timestamp>,
    /// Until when it is.
    pub is: Option<Timestamp>,
}

/// What the gateway counts about its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records handled.
    pub records: u64,
    /// Readings decided (kept).
    pub readings: u64,
    /// Readings recognised as repeats and left out.
    pub repeats: u64,
    /// Readings behind their stream's watermark.
    pub late: u64,
    /// Stragglers inside their class's bound that came before the samples still kept: rules did not see them.
    pub unreplayed: u64,
    /// Readings marked `clock_suspect`.
    pub clock_suspect: u64,
    /// Readings marked `conflict`.
    pub conflicts: u64,
    /// Readings marked `correction`.
    pub corrections: u64,
    /// Inputs put into quarantine.
    pub quarantined: u64,
}

impl Output {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cursor == 0
    }
}

/// What the engine needs to go on after a restart: the decided tables of the state store.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Last record that was handled and committed.
    pub cursor: Seq,
    /// The register.
    pub devices: Vec<DeviceRow>,
    /// The twins.
    pub twins: Vec<TwinRow>,
    /// Alerts that are not over (still firing or pending, or not closed by a person).
    pub alerts: Vec<Alert>,
    /// Commands that are still waited for.
    pub commands: Vec<Command>,
    /// Tasks that are open, and at least those that ended within the last day.
    pub tasks: Vec<Task>,
    /// The rows of the registry.
    pub registry: Vec<registry::Row>,
    /// Profile and rule texts in force.
    pub texts: Vec<TextRow>,
    /// Engine-wide state.
    pub engine: Option<Vec<u8>>,
}
