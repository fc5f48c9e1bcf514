//! Modbus on the wire: one request in flight, and an answer that is believed only when it is exactly what was asked.

mod call;
mod endpoint;
mod frame;
mod line;
mod names;
mod suspects;

pub use self::call::{Answer, Call};
pub use self::endpoint::{Dial, Endpoint, Stream};
pub use self::frame::Framing;
pub use self::line::{Line, Trouble};
pub use self::names::Names;
pub use self::suspects::Suspects;
