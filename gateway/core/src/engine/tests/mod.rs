//! The engine as its shell sees it.

mod bench;
mod filed;
mod commands;
mod holds;
mod identity;
mod orders;
mod properties;
mod reload;
mod silence;
mod split;
mod technical;
mod told_times;
