//! Readers of texts and packets.

use std::path::PathBuf;

use orderly::config::Loaded;
use orderly::sources::mqtt::wire::{self, Version};
use orderly_core::codec::line::{self, Precision};
use orderly_core::profile::Profile;
use orderly_core::rule::{ClassTable, RuleFile};

/// A settings file that is written anew for each run.
pub struct SettingsFile {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SettingsFile {
    pub fn new() -> Self {
        let folder = crate::scratch::scratch();
        Self { path: folder.path().join("orderly.toml"), _folder: folder }
    }

    /// Settings, or problems that can be drawn.
    pub fn read(&self, bytes: &[u8]) {
        std::fs::write(&self.path, bytes).expect("the scratch folder takes a small file");
        if let Err(problems) = Loaded::read(Some(&self.path), &[]) {
            assert!(!problems.is_empty() && !orderly::config::draw(&problems).is_empty());
        }
    }
}

/// Lines, or errors with a line number that is there.
pub fn line_protocol(bytes: &[u8]) {
    match line::parse(bytes, Precision::Ns) {
        Ok(lines) => {
            for line in &lines {
                assert!(!line.measurement.is_empty() && !line.fields.is_empty());
            }
        }
        Err(errors) => assert!(!errors.is_empty()),
    }
}

/// The first byte chooses version and side; then packets as long as there are any.
pub fn mqtt_packets(bytes: &[u8]) {
    let Some((&choice, mut rest)) = bytes.split_first() else { return };
    let version = if choice & 1 == 0 { Version::V4 } else { Version::V5 };
    while let Ok(Some(header)) = wire::header(rest) {
        let Some(body) = rest.get(header.head..header.head + header.body) else { return };
        if header.is_connect() {
            drop(wire::Connect::read(body));
        } else if choice & 2 == 0 {
            drop(wire::packet(version, header.first, body));
        } else {
            drop(wire::broker::from_broker(version, header.first, body));
        }
        rest = &rest[header.head + header.body..];
    }
}

/// A profile, or what is wrong with it.
pub fn profile_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(found) = Profile::parse(text, "fuzz.toml") {
        assert!(!found.is_empty());
        assert!(found.iter().all(|problem| !problem.to_string().is_empty()));
    }
}

/// A rule file, or what is wrong with it.
pub fn rule_file(bytes: &[u8], classes: &ClassTable) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(found) = RuleFile::parse(text, "fuzz.toml", classes) {
        assert!(!found.is_empty());
        assert!(found.iter().all(|problem| !problem.to_string().is_empty()));
    }
}
