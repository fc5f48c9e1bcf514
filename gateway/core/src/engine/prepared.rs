//! A record that is read and not yet decided on.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::dedupe::Lookup;
use crate::ids::{ClassId, DeviceId};
use crate::profile::{Decoded, Profile};
use crate::record::Record;

/// A record on its way through the engine, with the look-ups that it needs.
#[derive(Debug)]
pub struct Prepared<'r> {
    /// With the opened body, if it was sealed.
    pub(super) record: Record<'r>,
    /// The body as it was sealed; empty when it was not.
    pub(super) sealed: &'r [u8],
    pub(super) work: Work,
    pub(super) lookups: Vec<Lookup>,
}

impl Prepared<'_> {
    /// The earlier readings that must be looked up before [`Engine::handle`].
    #[must_use]
    pub fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }
}

/// What a record asks for.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is a message, and a box costs each of them"
)]
pub(super) enum Work {
    /// A message of devices.
    Message(Message),
    /// A device, or its last will, says whether it is there.
    Status { device: usize, online: bool },
    /// A device answers the command with this id.
    Ack { device: usize, id: String },
    /// Everything else; the body says what.
    Other,
}

/// The readings of a message and the parts of it that could not be read.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) items: SmallVec<[Item; 1]>,
    pub(super) refused: Vec<Refused>,
}

/// One reading and whose it is.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) target: Target,
    pub(super) profile: Arc<Profile>,
    pub(super) decoded: Decoded,
    /// Its place in the message, the same whenever the message is sent.
    pub(super) index: u16,
    /// Its look-up, by number.
    pub(super) lookup: Option<usize>,
}

/// Whose reading it is.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A device on the register.
    Known(usize),
    /// A device that may register itself (DESIGN 7.12).
    New { device: DeviceId, class: ClassId },
}

/// Something that goes to quarantine.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) reason: String,
    /// What to show of it; `None`: the payload's beginning.
    pub(super) excerpt: Option<Vec<u8>>,
}

impl Refused {
    pub(super) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), excerpt: None }
    }
}
