//! The one integration binary: every test against real parts.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where it cannot go on")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they skipped and measured")]

mod acceptance;
mod acks;
mod api;
mod brokers;
mod browser;
mod chirpstack;
mod commands;
mod corrections;
mod decode;
mod demo;
mod devices;
mod diagnostics;
mod fuzz;
mod glucose;
mod guide;
mod hooks;
mod http_ingest;
mod inventory;
mod kill;
mod modbus;
mod modbus_absent;
mod modbus_dead;
mod modbus_peers;
mod modbus_tls;
mod modbus_truth;
mod mqtt_client;
mod mqtt_door;
mod older;
mod powercut;
mod powercut_faults;
mod powercut_stores;
mod privacy;
mod profile_schema;
mod profiles;
mod redecode;
mod rules;
mod simulate;
mod simulate_all;
mod sink;
mod spine;
mod standing;
mod systemd_unit;
mod tidy;
mod webhook;
