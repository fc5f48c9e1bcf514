//! The Orderly daemon as a library: sources, sinks, notices, API and the runtime that joins them.

pub mod api;
pub mod book;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod control;
pub mod delivery;
pub mod import;
pub mod notify;
pub mod observe;
pub mod outbound;
pub mod pipeline;
pub mod retry;
pub mod runtime;
mod shipped;
pub mod simulate;
pub mod sinks;
pub mod sources;
pub mod tls;
