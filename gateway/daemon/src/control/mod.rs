//! What a person at the box itself asks the daemon: a Unix socket with mode 0600 in the data directory, one JSON
//! object a line, one answer for each. Without a running daemon the same requests are carried out under its lock.

mod client;
mod desk;
mod protocol;
mod secret;
mod server;

pub use client::{Asked, ask};
pub use desk::Desk;
pub use protocol::{Reply, Request};
pub use secret::{DeviceSecret, matches};
pub use server::{SOCKET, listen};
