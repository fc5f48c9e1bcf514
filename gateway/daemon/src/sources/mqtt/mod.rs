//! What both sides of MQTT share: the codec, the cutting into packets, the queue of acknowledgements with
//! the disk behind it, and reading without a buffer.
//!
//! Nothing here knows a session, a login or a broker.

pub mod acks;
pub mod frames;
pub mod oversize;
pub mod pace;
pub mod socket;
pub mod wire;
