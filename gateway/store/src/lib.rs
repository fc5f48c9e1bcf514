//! Everything in Orderly that must survive a power cut: journal, state, series, audit.
//!
//! Blocking code, no tokio. Files that we write ourselves go through a [`disk::Disk`], so that the tests can
//! cut the power and fail every call; time and randomness are arguments.

pub mod audit;
pub mod batch;
pub mod disk;
pub mod journal;
pub mod keys;
pub mod lock;
pub mod series;
pub mod sqlite;
pub mod state;
pub mod version;
