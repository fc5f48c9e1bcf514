//! What devices share: docks with chairs, bays with cars. Signs show what sensors saw.

/// The zones of wheelchairs, each with a dock.
pub const ZONES: [&str; 14] = [
    "outpatient_hall",
    "emergency",
    "inpatient_lobby",
    "garage_exit",
    "drop_off",
    "north_gate",
    "south_gate",
    "surgery_tower",
    "imaging",
    "laboratory",
    "health_check",
    "rehabilitation",
    "pediatrics",
    "dialysis",
];

/// Bays of one parking zone.
pub const PARKING_ZONES: usize = 12;

/// A dock as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DockState {
    /// Places for chairs.
    pub slots: u32,
    /// Chairs in it.
    pub docked: u32,
    /// Chairs in it that can be lent.
    pub available: u32,
    /// Chairs whose lock was opened and that still stand in it.
    pub unlocked: u32,
}

/// The place in which all devices stand.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The docks, by zone.
    pub docks: Vec<DockState>,
    /// Free bays, by parking zone.
    pub free_bays: [u32; PARKING_ZONES],
}
