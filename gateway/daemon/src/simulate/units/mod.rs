//! The devices that are read over Modbus. Each keeps the registers that its shipped profile describes.

mod charger;
mod fridge;
mod powerbank;
mod sign;

use super::random::Random;
use super::world::World;

pub use charger::Charger;
pub use fridge::Fridge;
pub use powerbank::PowerBank;
pub use sign::Sign;

/// The registers of one unit, all from address 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registers {
    /// Input registers.
    pub input: Vec<u16>,
    /// Holding registers.
    pub holding: Vec<u16>,
    /// Discrete inputs.
    pub discrete: Vec<bool>,
    /// Coils; they stay as they were set last.
    pub coils: Vec<bool>,
    /// The first holding register can be set from outside.
    pub settable: bool,
}

/// A device behind a Modbus unit number.
pub trait Unit: std::fmt::Debug + Send {
    /// Lets `ms` milliseconds pass, until `now`.
    fn pass(&mut self, now: i64, ms: f64, random: &mut Random, world: &World, pace: f64);

    /// Its registers as they are.
    fn registers(&self) -> Registers;
}

/// A number with one decimal as a signed register.
fn tenths(value: f64) -> u16 {
    ((value * 10.0).round().clamp(-32_767.0, 32_767.0) as i16).cast_unsigned()
}

/// The two words of a number, high word first.
fn words(value: f64) -> [u16; 2] {
    let n = value.round().clamp(0.0, f64::from(u32::MAX)) as u32;
    [(n >> 16) as u16, n as u16]
}
