//! The worlds as texts: what a class goes through, and how its values move meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

/// The texts, by line of work.
const TEXTS: [(&str, &str); 6] = [
    ("home.toml", include_str!("home.toml")),
    ("ward.toml", include_str!("ward.toml")),
    ("transport.toml", include_str!("transport.toml")),
    ("parking.toml", include_str!("parking.toml")),
    ("pharmacy.toml", include_str!("pharmacy.toml")),
    ("facility.toml", include_str!("facility.toml")),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    scene: Vec<Script>,
}

/// What devices of one kind go through.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The class.
    pub class: String,
    /// The profile of those that name none; without it there are only models of makers.
    pub profile: Option<String>,
    /// Models of makers that live in the same world, one device each.
    #[serde(default)]
    pub makers: Vec<String>,
    /// What their names begin with.
    pub prefix: String,
    /// How many there are in the reference hospital.
    #[serde(default)]
    pub full: f64,
    /// A report at least every so many seconds.
    pub every: f64,
    /// What is said in every phase.
    #[serde(default)]
    pub always: BTreeMap<String, Behaviour>,
    /// The phases, in the order in which they follow one another.
    pub phase: Vec<Phase>,
    /// Which phase a command begins.
    #[serde(default)]
    pub command: BTreeMap<String, String>,
}

/// One phase.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it lasts, in seconds of an ordinary day; without it until a command.
    pub stay: Option<[f64; 2]>,
    /// It is the machine that takes so long, however busy the day.
    #[serde(default)]
    pub fixed: bool,
    /// What may follow, each as likely; else the next in the list, and after the last the first.
    #[serde(default)]
    pub next: Vec<String>,
    /// What is said in it.
    #[serde(default)]
    pub set: BTreeMap<String, Behaviour>,
}

/// How a value moves.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Behaviour {
    /// Always this state or text.
    Word(String),
    /// Always this number.
    Number(f64),
    /// One of these states, another one in each phase.
    OneOf {
        /// The states.
        one_of: Vec<String>,
    },
    /// Somewhere in between, a step of about `by` for each report.
    Walk {
        /// The lowest and the highest.
        walk: [f64; 2],
        /// The usual step.
        by: f64,
        /// Decimals.
        #[serde(default)]
        digits: i32,
        /// In steps of this.
        #[serde(default)]
        step: Option<f64>,
    },
    /// Anywhere in between, another one for each report.
    About {
        /// The lowest and the highest.
        about: [f64; 2],
        /// Decimals.
        #[serde(default)]
        digits: i32,
    },
    /// Grows by so many an hour, begins at random below `from`.
    Count {
        /// An hour.
        count: f64,
        /// Where it begins at most.
        from: f64,
        /// Decimals.
        #[serde(default)]
        digits: i32,
    },
    /// From the first to the second, then again from the first.
    Run {
        /// Where it begins and where it is renewed.
        run: [f64; 2],
        /// How much an hour.
        per_hour: f64,
        /// Decimals.
        #[serde(default)]
        digits: i32,
    },
    /// How long the phase has lasted, in units of so many seconds.
    Elapsed {
        /// The unit.
        elapsed: f64,
        /// Decimals.
        #[serde(default)]
        digits: i32,
    },
    /// The first less the second, never below 0.
    Minus {
        /// Names of two metrics.
        minus: [String; 2],
    },
    /// The first for each of the second, times a factor.
    Ratio {
        /// Names of two metrics.
        ratio: [String; 2],
        /// The factor: 100 for a share in percent.
        times: f64,
        /// Decimals.
        #[serde(default)]
        digits: i32,
    },
}

/// All scripts.
///
/// # Errors
/// The file that cannot be read.
pub fn all() -> Result<Vec<Arc<Script>>, String> {
    let mut scripts = Vec::new();
    for (name, text) in TEXTS {
        let text: Text = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        scripts.extend(text.scene.into_iter().map(Arc::new));
    }
    Ok(scripts)
}

impl Script {
    /// The place of a phase.
    pub fn phase_named(&self, name: &str) -> Option<usize> {
        self.phase.iter().position(|phase| phase.name == name)
    }
}
