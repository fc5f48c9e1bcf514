//! Everything of Orderly that touches the world.

pub mod sources;
