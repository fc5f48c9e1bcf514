//! Start, stop and supervision: the only room that sees all others.

pub mod audit;
pub mod claims;
pub mod clock;
pub mod commands;
pub mod core;
pub mod daemon;
mod damage;
pub mod delivered;
pub mod doors;
pub mod intake;
pub mod keys;
pub mod links;
pub mod older;
pub mod orders;
pub mod outlets;
pub mod overview;
pub mod polls;
pub mod ports;
mod private;
pub mod random;
pub mod reads;
pub mod register;
mod registry;
pub mod reload;
pub mod salts;
pub mod service;
mod shown;
pub mod strangers;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod told;
pub mod watchdog;
mod worn;
