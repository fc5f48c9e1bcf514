//! The engine as its shell sees it.

mod adopt;
mod bench;
mod commands;
mod filed;
mod groups;
mod holds;
mod hours;
mod identity;
mod import;
mod join;
mod orders;
mod properties;
mod registry;
mod reload;
mod sealed;
mod silence;
mod split;
mod tasks;
mod technical;
mod told_times;
mod variants;
mod windows;
