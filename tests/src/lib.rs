//! The testkit: the real binary, real brokers and stores, a scripted fake store, fault proxies and the ledger.
//!
//! A fake stands here only for faults that a real part cannot be made to show.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they skipped and measured")]

pub mod aedes;
pub mod aim;
pub mod api;
pub mod broker;
pub mod broker_tap;
pub mod certificates;
pub mod door;
pub mod drained;
pub mod fakestore;
pub mod fault_proxy;
pub mod fuzz;
pub mod gateway;
pub mod generator;
pub mod json_schema;
pub mod ledger;
pub mod lock;
pub mod memory_intake;
pub mod modbus_bus;
pub mod modbus_peer;
pub mod modbus_truth;
pub mod mosquitto;
pub mod mqtt_load;
pub mod mqtt_raw;
pub mod nats;
pub mod patience;
pub mod planted;
pub mod powercut;
pub mod powercut_judge;
pub mod powercut_model;
pub mod powercut_plan;
pub mod powercut_play;
pub mod rabbitmq;
pub mod reference;
pub mod scratch;
pub mod scripted_broker;
pub mod strace;
pub mod victoria;
pub mod wal;
