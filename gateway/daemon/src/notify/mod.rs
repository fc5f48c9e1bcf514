//! Telling people outside: notices from the outbox, at least once, always with the same id.

mod outbox;
pub mod webhook;

pub use outbox::{Outbox, OutboxFile};
