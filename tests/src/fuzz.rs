//! What is fuzzed: by name, something that takes any bytes from outside. `make test` hands it the kept seeds, `make fuzz`
//! lets libFuzzer look for more.

mod journal;
mod profiles;
mod readers;

use journal::KeptJournal;
use profiles::Profiles;

/// Readers that are no codec of a profile.
const READERS: [&str; 7] =
    ["config", "envelope", "journal", "line_protocol", "mqtt_packets", "profile_file", "rule_file"];

/// Everything that is fuzzed, made once and run many times.
pub struct Targets {
    profiles: Profiles,
    journal: KeptJournal,
    settings: readers::SettingsFile,
}

impl Targets {
    /// Reads the profiles and writes the journal that is going to be damaged.
    ///
    /// # Panics
    /// When a shipped profile cannot be read.
    #[must_use]
    pub fn new() -> Self {
        let settings = readers::SettingsFile::new();
        Self { profiles: Profiles::read(), journal: KeptJournal::write(), settings }
    }

    /// The names of all: each kind of codec for which there is a profile, and the other readers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = READERS.iter().map(ToString::to_string).collect();
        names.extend(self.profiles.kinds().map(str::to_owned));
        names.sort_unstable();
        names
    }

    /// Gives these bytes to one of them.
    ///
    /// # Panics
    /// When it does what it must not do with any bytes, or there is none of this name.
    pub fn run(&self, target: &str, bytes: &[u8]) {
        match target {
            "config" => self.settings.read(bytes),
            "envelope" => self.profiles.envelope(bytes),
            "journal" => self.journal.damaged(bytes),
            "line_protocol" => readers::line_protocol(bytes),
            "mqtt_packets" => readers::mqtt_packets(bytes),
            "profile_file" => readers::profile_file(bytes),
            "rule_file" => readers::rule_file(bytes, self.profiles.classes()),
            kind => self.profiles.payload(kind, bytes),
        }
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self::new()
    }
}
