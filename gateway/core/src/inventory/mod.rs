//! The hospital's own list of devices: a table of which each line asks for one device of the register.
//!
//! Here stands what a line can say. Whether it fits the profiles and the register is the engine's to decide, so that a
//! line and `orderly device add` are judged by the same code.

pub mod sheet;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ClassId, DeviceId, FirmwareId, ProfileId, ZoneId};
use crate::time::Timestamp;

pub use sheet::MAX_BYTES;
pub use table::Table;

/// So many lines go into one order: it is decided and committed as a whole.
pub const TOGETHER: usize = 500;

/// What a line says about one thing of its device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change<T> {
    /// Nothing: what stands stays.
    #[default]
    Keep,
    /// There is none.
    Clear,
    /// This.
    Set(T),
}

impl<T: Clone> Change<T> {
    /// What stands after it.
    #[must_use]
    pub fn over(&self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// A line that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its number in the file, from 1.
    pub line: u64,
    /// The device.
    pub device: DeviceId,
    /// Its class; that of the profile, or of the register, if left out.
    pub class: Option<ClassId>,
    /// Its profile; that of the register, or the only one of the class, if left out.
    pub profile: Option<ProfileId>,
    /// Where it is.
    #[serde(default)]
    pub zone: Change<ZoneId>,
    /// Version of its firmware.
    #[serde(default)]
    pub firmware: Change<FirmwareId>,
    /// Readings before this moment have a clock that cannot be believed.
    #[serde(default)]
    pub commissioned_at: Change<Timestamp>,
}

/// A line that cannot be entered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refused {
    /// Its number in the file, from 1.
    pub line: u64,
    /// The column, as the file calls it; empty: the whole line.
    pub column: String,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty when the message says it.
    pub hint: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.column.is_empty() {
            write!(f, "column {}: ", self.column)?;
        }
        f.write_str(&self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; {}", self.hint) }
    }
}

/// What became of lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entered {
    /// Devices that were not on the register.
    pub created: u64,
    /// Devices whose row changed.
    pub changed: u64,
    /// Devices whose row said the same already.
    pub unchanged: u64,
    /// Lines that were not entered, in order.
    pub refused: Vec<Refused>,
}

impl Entered {
    /// Adds what became of further lines.
    pub fn add(&mut self, more: Self) {
        self.created += more.created;
        self.changed += more.changed;
        self.unchanged += more.unchanged;
        self.refused.extend(more.refused);
    }
}
