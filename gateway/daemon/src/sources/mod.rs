//! Where readings come in. A source appends to the journal and answers its sender; it never imports a sink.

pub mod http;
pub mod intake;
pub mod links;
pub mod modbus;
pub mod mqtt;
pub mod mqtt_client;
pub mod mqtt_door;
pub mod outgoing;
