//! The Orderly daemon as a library: sources, sinks, notices, API and the runtime that joins them.

pub mod api;
pub mod config;
pub mod delivery;
pub mod notify;
pub mod outbound;
pub mod retry;
pub mod sinks;
pub mod sources;
