//! One command to one device: who ordered it, what was decided, what became of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::Text;
use crate::codec::registers::Written;
use crate::ids::{ActorId, ClassId, DeviceId};
use crate::record::Seq;
use crate::time::Timestamp;

/// Where a command stands. All but `Sent` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was not sent, for a reason.
    Refused,
    /// It was not sent: the person's order came too late.
    Expired,
    /// It is out, or about to go out; nobody knows yet what became of it.
    Sent,
    /// The device carried it out.
    Done,
    /// The device says that it could not.
    Failed,
    /// The device took it, but what should have changed has not.
    Mismatch,
    /// It was not sent: the device is not there.
    NotConnected,
    /// No answer came in time; it may have been carried out.
    Unknown,
}

impl State {
    /// Whether an answer is still waited for.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sent)
    }

    /// Its name, as it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Mismatch => "mismatch",
            Self::NotConnected => "not_connected",
            Self::Unknown => "unknown",
        }
    }
}

/// One command, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// 16 hex digits of the hash of its record and nonce: the same in every replay, and never used again.
    pub id: Arc<str>,
    /// The device.
    pub device: DeviceId,
    /// Its class.
    pub class: ClassId,
    /// Which command of the profile.
    pub command: Arc<str>,
    /// What the person said with it.
    pub value: Option<String>,
    /// Who ordered it.
    pub actor: ActorId,
    /// By which right: the entry of the site's list.
    pub grant: Option<String>,
    /// Why, in the person's words.
    pub reason: String,
    /// Who looks after it when it does not come off.
    pub role: Arc<str>,
    /// When the person ordered it.
    pub happened_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// From then on the device must not carry it out any more.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// Why, where there is a reason to tell.
    pub why: Option<Text>,
    /// The device said that it carried it out; what it measures has not shown it yet.
    pub acked: bool,
    /// What the metric that should show it has been since.
    pub seen: Option<String>,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
    /// The source on which the device was last heard; `None`: never.
    pub via: Option<Arc<str>>,
    /// It was there when the command was decided, as far as that is known.
    pub present: bool,
    /// What goes out.
    pub send: Option<Send>,
    /// The record that ordered it.
    pub seq: Seq,
    /// The run of the daemon in which it was ordered: no other sends it.
    pub boot: u64,
    /// Until when an answer is waited for, by the engine's even clock.
    pub deadline: i64,
}

/// What goes out to the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// A message.
    Message {
        /// The topic.
        topic: String,
        /// The payload.
        payload: String,
        /// It is a desired state that may be kept for a device that is not there, never a movement.
        keep: bool,
    },
    /// Coils or registers.
    Registers {
        /// What is written.
        write: Written,
        /// What must be read afterwards; `None`: a metric shows it, or nothing.
        expect: Option<Written>,
    },
}
