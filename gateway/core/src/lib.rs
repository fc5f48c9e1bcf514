//! Everything in Orderly that decides: readings, profiles, twins, rules, alerts and the engine.
//!
//! This crate never opens a file or a socket, never asks for the time, never draws a random number and
//! knows no tokio: time and answers are arguments, so every decision can be replayed and tested.

pub mod alert;
pub mod assets;
pub mod codec;
pub mod command;
pub mod dedupe;
pub mod diagnostic;
pub mod duration;
pub mod engine;
pub mod expr;
pub mod ids;
pub mod inventory;
pub mod output;
pub mod overlay;
pub mod profile;
pub mod reading;
pub mod record;
pub mod redecode;
pub mod refusal;
pub mod registry;
pub mod rule;
pub mod sealed;
pub mod task;
pub mod time;
pub mod topic;
pub mod twin;
pub mod unit;
pub mod value;
pub mod wire;
pub mod worklist;
