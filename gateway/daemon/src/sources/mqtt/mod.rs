//! What both sides of MQTT share: the codec, the queue of acknowledgements, and reading without a buffer.
//!
//! Nothing here knows a session, a login or a broker.

pub mod acks;
pub mod oversize;
pub mod socket;
pub mod wire;
