//! The devices that are read over Modbus. Their registers are written after the shipped profile.

mod charger;
mod fridge;
mod powerbank;
mod sign;

pub use super::frame::Registers;
use super::models::Moment;
use super::value::Values;

pub use charger::Charger;
pub use fridge::Fridge;
pub use powerbank::PowerBank;
pub use sign::Sign;

/// A device behind a Modbus unit number.
pub trait Unit: std::fmt::Debug + Send {
    /// Lets `ms` milliseconds pass; gives what its registers mean then.
    fn pass(&mut self, moment: &mut Moment<'_>, ms: f64) -> Values;

    /// Somebody wrote a register or coil, as in `coil 0`.
    fn written(&mut self, register: &str, value: u16, moment: &mut Moment<'_>) {
        _ = (register, value, moment);
    }
}
