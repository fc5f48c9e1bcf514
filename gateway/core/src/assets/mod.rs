//! Shared items: where they are, whether they are free, what is to be done with them (DOMAIN section 5).
//!
//! A line of work: readings become facts that rules read. It never raises an alert.

pub mod location;
