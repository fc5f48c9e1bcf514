//! Values as registers of a Modbus unit.

use std::collections::BTreeMap;

use orderly_core::codec::registers::{Register, Table, encode};
use orderly_core::value::Value;

use super::super::value::Values;
use super::sheet::{Metric, Place, Shape, Sheet};

/// The registers of one unit that hold something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registers {
    /// Input registers.
    pub input: BTreeMap<u16, u16>,
    /// Holding registers.
    pub holding: BTreeMap<u16, u16>,
    /// Discrete inputs.
    pub discrete: BTreeMap<u16, bool>,
    /// Coils; they stay as they were set last.
    pub coils: BTreeMap<u16, bool>,
    /// Holding registers that can be set from outside.
    pub settable: Vec<u16>,
}

/// The registers of a device that means these values, and the values that they hold.
pub(crate) fn registers(sheet: &Sheet, values: &Values) -> (Registers, Values) {
    let mut registers = Registers::default();
    let mut carried = Values::new();
    for (table, first, last) in &sheet.writable {
        for at in *first..=*last {
            match table.as_str() {
                "coil" => _ = registers.coils.insert(at, true),
                _ => registers.settable.push(at),
            }
        }
    }
    for (name, value) in values {
        let Some(metric) = sheet.metric(name) else { continue };
        let Place::Register(register) = &metric.place else { continue };
        if let Some(number) = sent(metric, value)
            && registers.put(register, number).is_some()
        {
            carried.push((name.clone(), value.clone()));
        }
    }
    fill(&mut registers.input, sheet.max_gap);
    fill(&mut registers.holding, sheet.max_gap);
    (registers, carried)
}

/// The number that stands in the register for a value.
fn sent(metric: &Metric, value: &Value) -> Option<f64> {
    match (value, &metric.shape) {
        (Value::Number(number), Shape::Number { .. }) => metric.shape.sent(*number),
        (Value::State(state), Shape::State(_)) => match metric.shape.word(state)? {
            "true" => Some(1.0),
            "false" => Some(0.0),
            word => word.parse().ok(),
        },
        (Value::Missing(reason), _) => {
            metric.missing.iter().find(|(known, _)| known == reason).and_then(|(_, word)| word.parse().ok())
        }
        _ => None,
    }
}

impl Registers {
    fn put(&mut self, register: &Register, number: f64) -> Option<()> {
        let at = register.address;
        match register.table {
            Table::Discrete => _ = self.discrete.insert(at, number != 0.0),
            Table::Coil => _ = self.coils.insert(at, number != 0.0),
            table => {
                let words = encode(&Register { table: Table::Holding, ..*register }, number).ok()?.words;
                let into = if table == Table::Input { &mut self.input } else { &mut self.holding };
                into.extend((at..).zip(words));
            }
        }
        Some(())
    }
}

/// Devices answer 0 for what they leave out between two values.
fn fill(words: &mut BTreeMap<u16, u16>, max_gap: u16) {
    let used: Vec<u16> = words.keys().copied().collect();
    for pair in used.windows(2) {
        if pair[1] - pair[0] - 1 <= max_gap {
            words.extend((pair[0] + 1..pair[1]).map(|at| (at, 0)));
        }
    }
}
