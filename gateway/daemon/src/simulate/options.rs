//! What is simulated, how large and with which faults.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Options {
    /// The site in the topics.
    pub site: String,
    /// The same seed gives the same hospital.
    pub seed: u64,
    /// 1 is the reference hospital of 1,200 beds; 0.1 a tenth of it, but at least one of each.
    pub scale: f64,
    /// How many times as busy as a real day; clocks stay as they are.
    pub pace: f64,
    /// What goes wrong.
    pub faults: Faults,
    /// A pressure crisis, a fridge that warms up and a cabinet that falls silent, all within the first minute.
    pub incidents: bool,
    /// Host and port of the broker or listener; none: nothing is published.
    pub mqtt: Option<String>,
    /// Name and password for it.
    pub credentials: Option<(String, String)>,
    /// One device of each shipped model of a maker too; they must be on the register.
    pub makers: bool,
    /// Host and port of the broker on which they use the topics of their makers; none: they use ours, and those of
    /// which half stands in the topic stay away.
    pub broker: Option<String>,
    /// Where the Modbus server listens; none: there is none.
    pub modbus: Option<SocketAddr>,
    /// Whether the same devices are on a serial line too: RTU on a pseudo-terminal.
    pub modbus_rtu: bool,
    /// The file that gets a line for every message.
    pub ledger: Option<PathBuf>,
    /// Ends by itself after so many milliseconds.
    pub duration_ms: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            site: "main".to_owned(),
            seed: 1,
            scale: 0.1,
            pace: 1.0,
            faults: Faults::default(),
            incidents: false,
            mqtt: None,
            credentials: None,
            makers: false,
            broker: None,
            modbus: None,
            modbus_rtu: false,
            ledger: None,
            duration_ms: None,
        }
    }
}

/// What goes wrong with devices and their links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// One message in twenty is sent twice.
    pub dup: bool,
    /// One device in twenty keeps its messages for a while and sends them together.
    pub late: bool,
    /// Three home meters in a hundred have a wrong clock.
    pub clock: bool,
    /// One device in a hundred falls silent for good.
    pub dead: bool,
    /// One bay sensor in two hundred cannot make up its mind.
    pub flap: bool,
    /// One message in a hundred is followed by one that nobody can read.
    pub poison: bool,
}

impl Faults {
    /// The names, as they are typed.
    pub const NAMES: [&'static str; 6] = ["dup", "late", "clock", "dead", "flap", "poison"];

    /// Everything at once.
    pub const ALL: Self = Self { dup: true, late: true, clock: true, dead: true, flap: true, poison: true };

    /// Reads a list such as `dup,late`; `all` and `none` are known too.
    ///
    /// # Errors
    /// A sentence with the names that are known.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "all" => faults = Self::ALL,
                "none" => faults = Self::default(),
                "dup" => faults.dup = true,
                "late" => faults.late = true,
                "clock" => faults.clock = true,
                "dead" => faults.dead = true,
                "flap" => faults.flap = true,
                "poison" => faults.poison = true,
                other => {
                    let near = orderly_core::diagnostic::nearest(other, Self::NAMES);
                    let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                    return Err(format!(
                        "{other:?} is no fault; known: {}, all{hint}",
                        Self::NAMES.join(", ")
                    ));
                }
            }
        }
        Ok(faults)
    }
}

impl std::str::FromStr for Faults {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        Self::parse(list)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [self.dup, self.late, self.clock, self.dead, self.flap, self.poison];
        let names: Vec<_> =
            Self::NAMES.iter().zip(set).filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

/// How many of each thing there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Patients with a pressure meter at home.
    pub bp_meters: usize,
    /// Patients with a glucose meter at home.
    pub glucose_meters: usize,
    /// Bedside monitors.
    pub monitors: usize,
    /// Shared wheelchairs.
    pub wheelchairs: usize,
    /// Docks for them, one in each zone.
    pub docks: usize,
    /// Parking bays.
    pub bays: usize,
    /// Drug cabinets.
    pub cabinets: usize,
    /// Drug fridges, by Modbus.
    pub fridges: usize,
    /// Guidance signs, by Modbus.
    pub signs: usize,
    /// Power-bank cabinets, by Modbus.
    pub powerbanks: usize,
    /// Charging piles, by Modbus.
    pub chargers: usize,
}

impl Sizes {
    /// The reference hospital times a scale; at least one of each, two where one of them will fail.
    #[must_use]
    pub fn at(scale: f64) -> Self {
        let of = |full: f64, least: usize| ((full * scale).round() as usize).max(least);
        // One Modbus link has 247 unit numbers.
        let unit = |full: f64, most: usize| of(full, 1).min(most);
        Self {
            bp_meters: of(2_000.0, 2),
            glucose_meters: of(1_200.0, 1),
            monitors: of(200.0, 2),
            wheelchairs: of(160.0, 2),
            docks: of(14.0, 1),
            bays: of(4_000.0, 4),
            cabinets: of(6.0, 2),
            fridges: unit(60.0, 90),
            signs: unit(24.0, 36),
            powerbanks: unit(20.0, 33),
            chargers: unit(40.0, 60),
        }
    }
}
