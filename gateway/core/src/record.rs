//! A journal record: every input of the engine is one first.

use serde::{Deserialize, Serialize};

use crate::ids::{ActorId, ClassId, DeviceId, FirmwareId, ListId, ProfileId, RuleId, ZoneId};
use crate::inventory::Listed;
use crate::registry;
use crate::time::{Now, Timestamp};

/// Sequence number of a journal record; the first is 1, and 0 stands for "before all".
pub type Seq = u64;

/// What kind of input a record holds. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A message of a device; `address` is its topic, `body` its payload.
    Envelope = 1,
    /// What a person did or ordered; `body` is an [`Action`] in MessagePack.
    Action = 2,
    /// Texts of profiles and rules that are in force from here on; `body` is a [`Reload`] in MessagePack.
    Config = 3,
    /// Time passed; `body` is a [`TimerRun`] in MessagePack.
    TimerRun = 4,
    /// What a door found out about a command that it was to send; `body` is an [`Outcome`] in MessagePack.
    Outcome = 5,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_u8(n: u8) -> Option<Self> {
        match n {
            1 => Some(Self::Envelope),
            2 => Some(Self::Action),
            3 => Some(Self::Config),
            4 => Some(Self::TimerRun),
            5 => Some(Self::Outcome),
            _ => None,
        }
    }
}

/// What a source noticed about an envelope; a set of bits that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// MQTT DUP: the sender says that it may have sent this before.
    pub const DUP: Self = Self(1);
    /// MQTT RETAIN: kept by the broker, of unknown age.
    pub const RETAINED: Self = Self(2);
    /// From a client without credential on loopback; may register its device (DESIGN 7.12).
    pub const ANONYMOUS: Self = Self(4);
    /// A last will.
    pub const WILL: Self = Self(8);
    /// Too large to keep: `body` is an [`Oversize`] in MessagePack.
    pub const OVERSIZE: Self = Self(16);
    /// Arrived within 60 s of a reconnect, so an equal payload may be a repeat (DESIGN 7.2).
    pub const AFTER_RECONNECT: Self = Self(32);
    /// `body` is line protocol: lines that were already checked at the door.
    pub const LINE_PROTOCOL: Self = Self(64);
    /// `body` is sealed with the key of its day, see [`crate::sealed`]: it may say who somebody is.
    pub const SEALED: Self = Self(128);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a source hands to the journal; the journal adds number and time under its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What kind of input it is.
    pub kind: Kind,
    /// What the source noticed.
    pub flags: Flags,
    /// Name of the source: `listener`, `http`, `mqtt:<name>`, `modbus:<name>`, `control`, `engine`. At most 255 bytes.
    pub source: &'a str,
    /// Which connection of the source: grows with each connection, so acks and gaps can be told apart.
    pub connection: u32,
    /// Topic or address. At most 65,535 bytes.
    pub address: &'a str,
    /// The payload, or a MessagePack body as `kind` says.
    pub body: &'a [u8],
}

/// A record as it comes back from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub seq: Seq,
    /// Both clocks when it was appended; the engine uses this `now` and no other (DESIGN 7.5).
    pub now: Now,
    /// What the source handed over.
    pub entry: Entry<'a>,
}

/// Body of an oversize envelope: the payload was read through, not kept (DESIGN 7.9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oversize {
    /// Length of the whole payload in bytes.
    pub bytes: u64,
    /// BLAKE3 of the whole payload.
    #[serde(with = "serde_bytes")]
    pub blake3: Vec<u8>,
    /// Its first 4 KiB.
    #[serde(with = "serde_bytes")]
    pub head: Vec<u8>,
}

/// Body of a person's action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Who; an opaque reference, `local-admin` for somebody at the box itself.
    pub actor: ActorId,
    /// When the person did it, by the clock of the client.
    pub happened_at: Timestamp,
    /// Chosen by the client: the same key twice is one action and gets the same answer.
    pub idempotency_key: String,
    /// What is ordered.
    pub order: Order,
}

/// What a person can order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Put a device on the register, or change its row.
    RegisterDevice {
        /// The device.
        device: DeviceId,
        /// Its class.
        class: ClassId,
        /// Its profile; `None`: the only one of the class.
        profile: Option<ProfileId>,
        /// Where it is.
        zone: Option<ZoneId>,
        /// Salted SHA-256 of its secret, `None` leaves the present one.
        credential: Option<Credential>,
        /// Readings before this moment have a clock that cannot be believed.
        commissioned_at: Option<Timestamp>,
        /// Version of its firmware, `None` leaves what is known.
        #[serde(default)]
        firmware: Option<FirmwareId>,
    },
    /// Enter lines of the hospital's list into the register.
    ImportDevices {
        /// The lines.
        lines: Vec<Listed>,
        /// Only say what would become of them.
        dry_run: bool,
    },
    /// Change rows of the registry. One that cannot be changed holds up no other.
    ChangeRegistry {
        /// The changes, each possible after those before it.
        changes: Vec<registry::Change>,
    },
    /// Put a device on the register that spoke without being on it, and read what it said.
    AdoptDevice {
        /// The device.
        device: DeviceId,
        /// Its class.
        class: ClassId,
        /// Its profile.
        profile: ProfileId,
        /// Where it is.
        zone: Option<ZoneId>,
        /// What it said, from quarantine, the oldest first.
        samples: Vec<Sample>,
        /// The person typed the code that is printed on it.
        #[serde(default)]
        claimed: bool,
    },
    /// Somebody typed a code that no unknown device at hand has.
    WrongClaim {
        /// Wrong codes within the last ten minutes, this one included.
        tries: u32,
    },
    /// Take a device off the register; its readings stay.
    RevokeDevice {
        /// The device.
        device: DeviceId,
    },
    /// The device was replaced or reset: its epoch grows by one.
    NewEpoch {
        /// The device.
        device: DeviceId,
    },
    /// Acknowledge an alert: somebody has seen it.
    AcknowledgeAlert {
        /// The alert.
        alert: String,
    },
    /// Close an alert with an outcome code (DOMAIN 9.5).
    CloseAlert {
        /// The alert.
        alert: String,
        /// The outcome code.
        outcome: String,
    },
    /// Tell a device to do something.
    CommandDevice {
        /// The device.
        device: DeviceId,
        /// Which command of its profile.
        command: String,
        /// What the person says with it, where the command asks for something.
        value: Option<String>,
        /// Why, in the person's words.
        reason: String,
        /// The entry of the site's list that allows it; `None`: the site allows nobody to do this.
        grant: Option<String>,
        /// A number used once, drawn by the shell.
        nonce: String,
    },
    /// Put a task on a list by hand, or one more reason on the open one of the same subject.
    CreateTask {
        /// The list.
        list: ListId,
        /// What it is about: the name of a device, or words.
        subject: String,
        /// What is to be done.
        text: String,
        /// How urgent: 1 to 4 for P1 to P4.
        urgency: u8,
    },
    /// Do something about a task.
    WorkTask {
        /// The task.
        task: String,
        /// For whom it is done; `None`: the actor.
        #[serde(default)]
        who: Option<ActorId>,
        /// What.
        work: Work,
    },
    /// At the change of shift: give all tasks that somebody has to the next one, or back to the list.
    HandOverTasks {
        /// Only those of this list.
        #[serde(default)]
        list: Option<ListId>,
        /// Who has them; `None`: the actor.
        #[serde(default)]
        who: Option<ActorId>,
        /// Who takes them; `None`: nobody yet.
        #[serde(default)]
        to: Option<ActorId>,
        /// What the next one should know.
        #[serde(default)]
        note: String,
    },
}

/// What a person does about a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Take it.
    Claim,
    /// Give it back to the list.
    Release {
        /// Why.
        note: String,
    },
    /// Give it to somebody.
    HandOver {
        /// To whom.
        to: ActorId,
        /// What they should know.
        note: String,
    },
    /// It was tried in vain.
    Attempt {
        /// What was found.
        note: String,
        /// When it is tried again.
        next_at: Option<Timestamp>,
    },
    /// Put it off.
    Snooze {
        /// Until when.
        until: Timestamp,
        /// Why.
        note: String,
    },
    /// End it.
    Finish {
        /// The outcome code (DOMAIN 9.5).
        outcome: String,
        /// What is to be said with it.
        note: String,
        /// Who signs as the second.
        second: Option<ActorId>,
    },
    /// Open it again.
    Reopen {
        /// Why.
        note: String,
    },
}

/// Body of an outcome: what a door found out about a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Name of the command.
    pub command: String,
    /// What it found out.
    pub found: Found,
}

/// What a door found out about a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It was not sent: the device is not there.
    NotConnected {
        /// How that is known.
        why: String,
    },
    /// It was not sent: it was void before it could be.
    Void,
    /// It was written, and reads back as it should where that was asked for.
    Written {
        /// It was read back.
        read_back: bool,
    },
    /// It was written, but something else reads back.
    ReadsOtherwise {
        /// What was expected.
        expected: String,
        /// What was read.
        read: String,
    },
    /// The device refused it.
    Refused {
        /// With what.
        why: String,
    },
    /// It went out and no usable answer came: it may have been carried out.
    Unanswered {
        /// What came instead.
        why: String,
    },
}

/// What stands in quarantine of a device that nobody knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The record.
    pub seq: Seq,
    /// Place within the record.
    pub index: u16,
    /// When it came.
    pub received_at: Timestamp,
    /// The source that took it in.
    pub source: String,
    /// Topic or address.
    pub address: String,
    /// The payload.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

/// How a device's secret is kept: never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// 16 random bytes.
    #[serde(with = "serde_bytes")]
    pub salt: Vec<u8>,
    /// SHA-256 of salt and secret.
    #[serde(with = "serde_bytes")]
    pub sha256: Vec<u8>,
}

/// Body of a configuration record: all that one reload changes comes into force together.
///
/// The whole texts are kept, so a replay uses what was in force (DESIGN 7.6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reload {
    /// What changes.
    pub texts: Vec<ConfigText>,
}

impl Reload {
    /// Reads the body of a configuration record; journals of earlier versions hold one text in each.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(body: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
        let single = |error| match rmp_serde::from_slice::<ConfigText>(body) {
            Ok(text) => Ok(Self { texts: vec![text] }),
            Err(_) => Err(error),
        };
        rmp_serde::from_slice(body).or_else(single)
    }
}

/// A profile or a file of rules, as it shall be from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigText {
    /// What the text is.
    pub what: ConfigKind,
    /// The whole text; `None`: it was taken away.
    pub text: Option<String>,
}

/// What a configuration text describes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigKind {
    /// A device profile.
    Profile(ProfileId),
    /// A rule.
    Rule(RuleId),
}

/// Body of a timer run: the shell says what the engine cannot see in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TimerRun {
    /// Devices that answered without a report since the last run (good silent Modbus polls).
    pub heard: Vec<DeviceId>,
    /// Links that came up or went down since the last run.
    pub links: Vec<LinkChange>,
    /// Devices whose connection was ended for a packet too large to take, and how often since the last run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub too_large: Vec<(DeviceId, u32)>,
}

/// A source came up or went down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// Name of the source.
    pub source: String,
    /// Whether it is up now.
    pub up: bool,
    /// The broker had forgotten the session: messages may be missing since the last one.
    pub session_lost: bool,
}
