//! The path of a record behind the journal: engine thread, committer thread, series thread.
//!
//! Nothing leaves the daemon before its commit, and nobody but these three threads writes a store.

mod answers;
mod census;
mod committer;
mod engine_loop;
mod heard;
mod lane;
mod lookup;
mod opening;
mod recent;
mod refused;
mod series_loop;
mod signals;
mod stores;
mod timers;
mod trimming;

pub use answers::{Answers, Unanswered};
pub use census::Census;
pub use committer::{Committer, Done, Event, Observer, StateCommand};
pub use engine_loop::EngineLoop;
pub use heard::Heard;
pub use lane::Lane;
pub use lookup::Lookups;
pub use opening::Opener;
pub use recent::{Decided, Recent};
pub use refused::Refusals;
pub use series_loop::SeriesLoop;
pub use signals::{Progress, Signals};
pub use stores::{AuditCopy, DeliveryChange, OpenState, StateFile, StateWrite};
pub use timers::Timers;
pub use trimming::Trimming;
