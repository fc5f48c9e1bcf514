//! What the daemon says about itself: log, figures, health. Never a payload, never a person.

pub mod health;
pub mod log;
pub mod metrics;
