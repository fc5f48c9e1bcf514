//! What the API wants to know: one trait over whatever holds the committed state.

use orderly_core::alert::{Alert, Condition, Handling, Severity, Transition};
use orderly_core::command::Command;
use orderly_core::ids::{ActorId, ClassId, DeviceId, ListId, MetricId, ProfileId, RuleId, StreamId, ZoneId};
use orderly_core::output::DeviceRow;
use orderly_core::profile::Suggestion;
use orderly_core::reading::{Origin, Reading};
use orderly_core::record::{Order, Seq};
use orderly_core::task::{Step, Task};
use orderly_core::time::Timestamp;

/// Why something could not be read. The text is for the log; people outside are told only that it failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// A device as the register, its twin and its latest readings show it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceView {
    /// Its row of the register.
    pub row: DeviceRow,
    /// Whether it reports as its profile expects; `None` when that is not known.
    pub online: Option<bool>,
    /// When the gateway last heard from it.
    pub last_seen: Option<Timestamp>,
    /// How often it is expected to report, in milliseconds.
    pub expect_ms: Option<i64>,
    /// The latest reading of each of its streams.
    pub latest: Vec<Reading>,
}

/// Which devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceQuery {
    /// Only this class.
    pub class: Option<ClassId>,
    /// Only those whose name sorts after this one.
    pub after: Option<DeviceId>,
    /// At most so many.
    pub limit: usize,
}

/// Which readings of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingQuery {
    /// The device.
    pub device: DeviceId,
    /// Only this stream.
    pub stream: Option<StreamId>,
    /// Only these metrics; empty: all.
    pub metrics: Vec<MetricId>,
    /// Taken at this moment or later.
    pub from: Timestamp,
    /// Taken before this moment.
    pub to: Timestamp,
    /// Where an earlier page ended: only readings beyond it in the asked order.
    pub after: Option<(Timestamp, Origin)>,
    /// Newest first (`true`) or oldest first.
    pub newest_first: bool,
    /// At most so many.
    pub limit: usize,
    /// Also those that a correction has replaced.
    pub superseded: bool,
}

/// The readings of one metric in one span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Where the span begins.
    pub at: Timestamp,
    /// The metric.
    pub metric: MetricId,
    /// How many good numbers it holds.
    pub count: u64,
    /// The smallest of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
}

/// Which alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertQuery {
    /// Only with this condition.
    pub condition: Option<Condition>,
    /// Only with this handling.
    pub handling: Option<Handling>,
    /// Only of devices of this class.
    pub class: Option<ClassId>,
    /// Only this severity.
    pub severity: Option<Severity>,
    /// Only of this device.
    pub device: Option<DeviceId>,
    /// Only those that are not over: still so, or not closed by a person.
    pub live: bool,
    /// At most so many, the newest first.
    pub limit: usize,
}

/// Which tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskQuery {
    /// Only of this list.
    pub list: Option<ListId>,
    /// Only those that somebody has or had last.
    pub owner: Option<ActorId>,
    /// Those that ended since this moment, the last first; `None`: those that are open.
    pub ended_from: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
}

/// Which of the inputs that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuarantineQuery {
    /// Only with this reason code.
    pub code: Option<String>,
    /// Only those before this record and place; the newest come first.
    pub before: Option<(Seq, u16)>,
    /// At most so many.
    pub limit: usize,
}

/// An input that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
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
    /// Stable code of the reason.
    pub code: String,
    /// What is wrong and what would be right, in one sentence.
    pub reason: String,
    /// The first 4 KiB of the payload.
    pub excerpt: Vec<u8>,
}

/// The state of one device as the engine keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinView {
    /// The device.
    pub device: DeviceId,
    /// Whether it reports as expected; `None` when that is not known.
    pub online: Option<bool>,
    /// When the gateway last heard from it.
    pub last_seen: Option<Timestamp>,
    /// Its streams.
    pub streams: Vec<TwinStream>,
    /// What its rules hold.
    pub rules: Vec<TwinRule>,
}

/// One stream of a twin.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinStream {
    /// The stream.
    pub stream: StreamId,
    /// The newest `taken_at` that was believed.
    pub watermark: Option<Timestamp>,
    /// Its latest reading.
    pub latest: Option<Reading>,
}

/// One rule on a twin.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinRule {
    /// The rule.
    pub rule: RuleId,
    /// Whether what it describes is so.
    pub condition: Condition,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A device that speaks and is on no register.
#[derive(Debug, Clone, PartialEq)]
pub struct Stranger {
    /// Its name.
    pub device: DeviceId,
    /// The class that its topic says.
    pub class: Option<ClassId>,
    /// How many of its messages stand in quarantine.
    pub samples: usize,
    /// When the oldest of them came.
    pub first_at: Timestamp,
    /// When the newest came.
    pub last_at: Timestamp,
    /// Where the newest came from.
    pub address: String,
    /// The beginning of the newest.
    pub excerpt: Vec<u8>,
    /// Profiles that read it, the best first.
    pub suggestions: Vec<Suggestion>,
}

/// What a person says to claim an unknown device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is printed on it.
    pub code: String,
    /// Its name, where several have the same code.
    pub device: Option<DeviceId>,
    /// Its profile; without it the only one that fits.
    pub profile: Option<ProfileId>,
    /// Where it is.
    pub zone: Option<ZoneId>,
}

/// Why a claim comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRefused {
    /// Too many wrong codes were typed lately.
    pub limited: bool,
    /// Why, in a sentence.
    pub why: String,
}

impl ClaimRefused {
    /// Refused for what was said.
    pub fn wrong(why: impl Into<String>) -> Self {
        Self { limited: false, why: why.into() }
    }
}

/// Reads of the committed state. The calls block; the API makes them on a blocking thread, a few at a time.
///
/// The caller caps every `limit`; an implementation must honour it.
pub trait Reads: Send + Sync + 'static {
    /// The devices that fit, in the order of their names.
    ///
    /// # Errors
    /// When the store cannot be read. The same holds for all calls of this trait.
    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceView>, ReadError>;
    /// These devices, those that exist, in any order.
    fn devices_named(&self, names: &[DeviceId]) -> Result<Vec<DeviceView>, ReadError>;
    /// Readings of one device.
    fn readings(&self, query: &ReadingQuery) -> Result<Vec<Reading>, ReadError>;
    /// Readings of one device, gathered by spans of `every_ms`, oldest first; spans without a good number are
    /// left out. `limit` counts buckets.
    fn buckets(&self, query: &ReadingQuery, every_ms: i64) -> Result<Vec<Bucket>, ReadError>;
    /// The states that the engine keeps, in the order of the devices' names.
    fn twins(&self, query: &DeviceQuery) -> Result<Vec<TwinView>, ReadError>;
    /// Alerts, the newest first.
    fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>, ReadError>;
    /// One alert and its steps in order.
    fn alert(&self, id: &str) -> Result<Option<(Alert, Vec<Transition>)>, ReadError>;
    /// What a device was told to do, the newest first.
    fn commands(&self, device: &DeviceId, limit: usize) -> Result<Vec<Command>, ReadError>;
    /// One command.
    fn command(&self, id: &str) -> Result<Option<Command>, ReadError>;
    /// Tasks.
    fn tasks(&self, _query: &TaskQuery) -> Result<Vec<Task>, ReadError> {
        Ok(Vec::new())
    }
    /// One task and its steps in order.
    fn task(&self, _id: &str) -> Result<Option<(Task, Vec<Step>)>, ReadError> {
        Ok(None)
    }
    /// Inputs that could not be read, the newest first, and how many there are in all.
    fn quarantine(&self, query: &QuarantineQuery) -> Result<(Vec<Unreadable>, u64), ReadError>;
    /// Devices that speak and are on no register, by name.
    fn strangers(&self) -> Result<Vec<Stranger>, ReadError> {
        Ok(Vec::new())
    }
    /// The order that takes such a device on, or why it cannot be: by this profile, or by the only one that fits.
    fn adoption(
        &self,
        device: &DeviceId,
        _profile: Option<&ProfileId>,
        _zone: Option<ZoneId>,
    ) -> Result<Result<Order, String>, ReadError> {
        Ok(Err(format!("{device:?} is no unknown device")))
    }
    /// The order that takes on the device with a code, or why none comes of it. A wrong code is an order, too.
    fn claim(&self, claim: Claim) -> Result<Result<Order, ClaimRefused>, ReadError> {
        Ok(Err(ClaimRefused::wrong(format!("no unknown device has the code {:?}", claim.code))))
    }
}
