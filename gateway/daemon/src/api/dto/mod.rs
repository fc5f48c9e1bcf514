//! The shapes on the wire. They are written apart from the types of the core, so that a change inside
//! never changes the API by accident.

mod alert;
mod command;
mod device;
mod inventory;
mod profile;
mod quarantine;
mod reading;
mod registry;
mod status;
mod stranger;
mod task;
mod twin;

use orderly_core::time::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

pub use alert::{Alert, AlertDetail, Alerts, Condition, Handled, Handling, Severity, Text, Transition};
pub use command::{Command, Commands, Possible};
pub use device::{Device, Devices};
pub use inventory::{Imported, RefusedLine};
pub use profile::{Metric, MetricKind, Profile, Profiles};
pub use quarantine::{Quarantine, QuarantineItem, Why, WhyPart};
pub use reading::{
    Bucket, Latest, Older, OlderReading, OlderValue, Quality, Reading, Readings, Scalar, Value,
};
pub use registry::{Bay, Bays, Item, Items, Named, RegistryReport, Way, Zone, Zones};
pub use status::{
    AlertCounts, Counts, EngineStatus, JournalStatus, Rates, SeriesStatus, SinkStatus, SourceStatus, Status,
    Warning,
};
pub use stranger::{Adopt, Adopted, Claim, Stranger, Strangers, Suggestion};
pub use task::{
    HandedOver, ListFigures, Lists, Reason, Task, TaskDetail, TaskState, TaskStep, Tasks, Worked,
};
pub use twin::{Twin, TwinRule, TwinStream, Twins};

/// A point in time, written as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-20T23:30:00.000Z")]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl From<Timestamp> for Moment {
    fn from(moment: Timestamp) -> Self {
        Self(moment)
    }
}

/// The name of an id as the wire shows it.
fn name<K>(id: &orderly_core::ids::Id<K>) -> String {
    id.as_str().to_owned()
}

/// The board must read everything again: the changes since its last event are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Resync {
    /// The last commit.
    pub commit: u64,
}
