//! Why a connection ends.

use super::sessions::Kick;
use crate::sources::mqtt::pace::JournalFailed;
use crate::sources::mqtt::wire::{Bad, Leave};

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client said DISCONNECT.
    Left(Leave),
    /// The socket closed or failed.
    Lost,
    /// The client broke the rules.
    Bad(Bad),
    /// A client of 3.1.1 published to a topic that is not its own; there is no code to tell it with.
    Foreign,
    /// More QoS 2 ids are held than were announced.
    Quota,
    /// Nothing came for one and a half keep-alives.
    Silent,
    /// Told to end from outside.
    Kicked(Kick),
    /// The journal failed: nothing may be acknowledged any more.
    Journal,
    /// The daemon is stopping.
    Stopping,
}

impl From<JournalFailed> for End {
    fn from(_: JournalFailed) -> Self {
        Self::Journal
    }
}

impl From<Bad> for End {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

impl End {
    /// The reason code of the DISCONNECT that tells it (MQTT 5).
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Left(_) | Self::Lost => None,
            Self::Bad(bad) => Some(bad.code()),
            Self::Foreign | Self::Kicked(Kick::Revoked) => Some(0x87),
            Self::Quota => Some(0x93),
            Self::Silent => Some(0x8D),
            Self::Kicked(Kick::TakenOver) => Some(0x8E),
            Self::Journal => Some(0x80),
            Self::Stopping => Some(0x8B),
        }
    }

    /// The label under which it is counted.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Left(_) => "left",
            Self::Lost => "lost",
            Self::Bad(bad) => bad.label(),
            Self::Foreign => "foreign_topic",
            Self::Quota => "quota",
            Self::Silent => "silent",
            Self::Kicked(Kick::TakenOver) => "taken_over",
            Self::Kicked(Kick::Revoked) => "revoked",
            Self::Journal => "journal",
            Self::Stopping => "stopping",
        }
    }

    /// Whether the last will is due. When the fault is ours the device is not gone, and nothing is said for it.
    pub const fn wants_will(self) -> bool {
        match self {
            Self::Left(leave) => leave.with_will,
            Self::Kicked(Kick::Revoked) | Self::Journal | Self::Stopping => false,
            Self::Lost
            | Self::Bad(_)
            | Self::Foreign
            | Self::Quota
            | Self::Silent
            | Self::Kicked(Kick::TakenOver) => true,
        }
    }
}
