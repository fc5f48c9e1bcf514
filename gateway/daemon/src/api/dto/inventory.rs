//! What became of the hospital's list, on the wire.

use serde::Serialize;
use utoipa::ToSchema;

/// What became of the lines of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Imported {
    /// Nothing was changed; the counts say what would have been.
    pub dry_run: bool,
    /// Devices that were not on the register.
    pub created: u64,
    /// Devices whose row changed.
    pub changed: u64,
    /// Devices whose row said the same already.
    pub unchanged: u64,
    /// Lines that were not entered.
    pub refused: u64,
    /// Those, in order; at most 1,000 are told.
    pub problems: Vec<RefusedLine>,
}

/// A line that was not entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusedLine {
    /// Its number in the table, from 1.
    pub line: u64,
    /// The column, as the table calls it; empty: the whole line.
    pub column: String,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty when the message says it.
    pub hint: String,
}
