//! The engine as its shell sees it.

mod bench;
mod holds;
mod identity;
