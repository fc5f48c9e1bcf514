//! Why a connection to a broker ends.

use std::fmt;

use crate::sources::mqtt::pace::JournalFailed;
use crate::sources::mqtt::wire::Bad;

/// Why a connection ended, or did not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The socket could not be opened, or closed, or failed.
    Lost(String),
    /// The broker did not let us in; the code of its CONNACK.
    Refused(u8),
    /// No answer to CONNECT or SUBSCRIBE in time.
    NoAnswer(&'static str),
    /// The broker refused every filter.
    NothingGranted,
    /// The broker said DISCONNECT (MQTT 5), with this reason.
    Told(u8),
    /// Nothing came for one and a half keep-alives.
    Silent,
    /// The broker sent what cannot be read.
    Bad(Bad),
    /// The journal failed: nothing may be acknowledged any more on this connection.
    Journal,
    /// The session was thrown away, as was wanted.
    Cleared,
    /// The daemon is stopping.
    Stopping,
}

impl End {
    /// The label under which it is counted.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::Refused(_) => "refused",
            Self::NoAnswer(_) => "no_answer",
            Self::NothingGranted => "nothing_granted",
            Self::Told(_) => "told",
            Self::Silent => "silent",
            Self::Bad(_) => "unreadable",
            Self::Journal => "journal",
            Self::Cleared => "cleared",
            Self::Stopping => "stopping",
        }
    }

    /// Whether the broker is there and lets nobody in: settings must be mended, so there is no hurry to ask again.
    #[must_use]
    pub(super) const fn needs_a_person(&self) -> bool {
        matches!(self, Self::Refused(0x04 | 0x05 | 0x86 | 0x87) | Self::NothingGranted)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(why) => write!(f, "the connection is lost: {why}"),
            Self::Refused(0x01 | 0x84) => write!(f, "the broker does not speak this version of MQTT"),
            Self::Refused(0x04 | 0x05 | 0x86 | 0x87) => {
                write!(f, "the broker does not accept the user name, password or client id")
            }
            Self::Refused(code) => write!(f, "the broker refused the connection with code {code:#04x}"),
            Self::NoAnswer(what) => write!(f, "the broker did not answer {what}"),
            Self::NothingGranted => write!(f, "the broker refused every subscription"),
            Self::Told(0x8E) => write!(f, "another client connected with our client id"),
            Self::Told(code) => write!(f, "the broker ended the connection with reason {code:#04x}"),
            Self::Silent => write!(f, "the broker was silent for one and a half keep-alives"),
            Self::Bad(bad) => write!(f, "the broker sent what cannot be read: {bad}"),
            Self::Journal => write!(f, "the journal takes nothing or could not be synced"),
            Self::Cleared => write!(f, "the session was begun afresh"),
            Self::Stopping => write!(f, "Orderly was stopped"),
        }
    }
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
