//! Payloads of every codec, read by the shipped profiles and by some that are here for codecs that none of them uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orderly_core::profile::{Input, Profile};
use orderly_core::record::Flags;
use orderly_core::refusal;
use orderly_core::rule::ClassTable;
use orderly_core::time::Timestamp;
use orderly_core::value::Value;

/// The profiles by the kind of their codec, and those with an envelope once more.
pub struct Profiles {
    kinds: BTreeMap<String, Vec<Profile>>,
    enveloped: Vec<Profile>,
    classes: ClassTable,
}

impl Profiles {
    pub fn read() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Beside the folders of the classes stands what is no profile: the calendar.
        let mut files = toml_files(&here.join("../device-profiles"));
        files.retain(|file| !file.ends_with("device-profiles/calendar.toml"));
        files.extend(toml_files(&here.join("fuzz/profiles")));
        let (mut kinds, mut enveloped) = (BTreeMap::<String, Vec<Profile>>::new(), Vec::new());
        for file in files.iter().filter(|file| !file.ends_with("rules.toml")) {
            let (profile, text) = parsed(file);
            let section = |name: &str| text.get(name).and_then(toml::Value::as_table);
            let kind = section("codec").and_then(|codec| codec.get("kind")).and_then(toml::Value::as_str);
            if section("envelope").is_some() {
                enveloped.push(parsed(file).0);
            }
            kinds.entry(kind.expect("a codec has a kind").to_owned()).or_default().push(profile);
        }
        let classes = ClassTable::new(kinds.values().flatten());
        Self { kinds, enveloped, classes }
    }

    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    pub const fn classes(&self) -> &ClassTable {
        &self.classes
    }

    /// The first byte chooses the profile, the rest is the payload.
    pub fn payload(&self, kind: &str, bytes: &[u8]) {
        let profiles = self.kinds.get(kind).expect("a kind that the names have");
        decode(profiles, bytes);
    }

    /// The first byte chooses a profile with an envelope, the rest is the envelope.
    pub fn envelope(&self, bytes: &[u8]) {
        decode(&self.enveloped, bytes);
    }
}

fn parsed(file: &Path) -> (Profile, toml::Table) {
    let text = std::fs::read_to_string(file).expect("a file that was just listed");
    let profile = Profile::parse(&text, &file.display().to_string()).expect("a profile without mistakes");
    (profile, text.parse().expect("a profile is TOML"))
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of profiles") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            files.extend(toml_files(&path));
        } else if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Whatever comes is decoded or refused; a number is a number, and a refusal can be said in Chinese.
fn decode(profiles: &[Profile], bytes: &[u8]) {
    let Some((&which, payload)) = bytes.split_first() else { return };
    let profile = &profiles[usize::from(which) % profiles.len()];
    let address = format!("orderly/v1/main/{}/fuzz-1/up/reading", profile.class());
    let received_at = Timestamp::EARLIEST_PLAUSIBLE;
    let flags = Flags::default();
    match profile.decode(Input { address: &address, payload, received_at, flags }) {
        Ok(readings) => {
            for measured in readings.iter().flat_map(|reading| &reading.values) {
                if let Value::Number(number) = measured.value {
                    assert!(number.is_finite(), "{}: {} is {number}", profile.id(), measured.metric);
                }
            }
        }
        Err(error) => {
            assert!(refusal::read(&error.reason).is_some(), "no Chinese for: {}", error.reason);
        }
    }
}
