//! The HTTP API over real sockets, on a committed state that is held in memory.

mod grafana;
mod live;
mod memory;
mod orders;
mod reads;
mod schema;
mod web;
