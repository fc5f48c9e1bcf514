//! Device profiles of other systems become ours.
//!
//! So far: the folders of the ChirpStack device profiles, `vendors/<vendor>/{devices,codecs}`. Every device gets a profile
//! with its vendor's codec and the cases that prove it; what they hold says what it measures. A person looks at
//! class, names and units before it goes into force: the folders know none of them.

mod cases;
mod folders;
mod metrics;
mod write;

use std::path::Path;

use orderly_core::ids::ClassId;
use orderly_core::profile::{Profile, with_script};

pub use cases::{Case, Outcome};
pub use folders::{Codec, Device, Folders};

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// Profiles that were written, by file name.
    pub written: Vec<String>,
    /// Devices for which none was written, and why.
    pub left: Vec<(String, String)>,
    /// Cases of codecs that hold.
    pub holding: usize,
    /// Cases that do not, and why.
    pub failing: Vec<(String, String)>,
}

/// Imports the folders at `from`; profiles and codecs go to `to`, or are only tried.
///
/// # Errors
/// When the folders cannot be read or nothing can be written.
pub fn chirpstack(from: &Path, to: Option<&Path>, class: &ClassId) -> std::io::Result<Imported> {
    let folders = Folders::read(from)?;
    let mut imported = Imported { left: folders.unread.clone(), ..Imported::default() };
    if let Some(to) = to {
        std::fs::create_dir_all(to)?;
    }
    let tried: Vec<Vec<Outcome>> = folders.codecs.iter().map(Codec::run).collect();
    for (codec, outcomes) in folders.codecs.iter().zip(&tried) {
        imported.failing.extend(codec.unread.iter().map(|why| (codec.name.clone(), why.clone())));
        for (case, outcome) in codec.cases.iter().zip(outcomes) {
            match outcome {
                Outcome::Holds => imported.holding += 1,
                Outcome::Fails(why) => {
                    imported.failing.push((format!("{}: {}", codec.name, case.name), why.clone()));
                }
            }
        }
    }
    for device in &folders.devices {
        match one(device, &folders, &tried, class) {
            Ok((id, text, script)) => {
                if let Some(to) = to {
                    std::fs::write(to.join(format!("{id}.toml")), text)?;
                    std::fs::write(to.join(format!("{id}.js")), script)?;
                }
                imported.written.push(format!("{id}.toml"));
            }
            Err(why) => imported.left.push((device.name.clone(), why)),
        }
    }
    Ok(imported)
}

/// The name, text and script of one device's profile.
fn one<'f>(
    device: &Device,
    folders: &'f Folders,
    tried: &[Vec<Outcome>],
    class: &ClassId,
) -> Result<(String, String, &'f str), String> {
    let wanted = device.codec.as_deref().ok_or("it names no codec")?;
    let place = folders.codecs.iter().position(|codec| codec.name == wanted);
    let place = place.ok_or_else(|| format!("there is no {wanted}"))?;
    let (codec, outcomes) = (&folders.codecs[place], &tried[place]);
    let holding: Vec<&Case> = codec
        .cases
        .iter()
        .zip(outcomes)
        .filter(|(case, outcome)| **outcome == Outcome::Holds && case.decodes())
        .map(|(case, _)| case)
        .collect();
    if holding.is_empty() {
        return Err(match codec.cases.is_empty() {
            true => "its codec has no test cases, so nothing says what it measures".to_owned(),
            false => "none of the test cases of its codec holds".to_owned(),
        });
    }
    let (id, text) = write::profile(device, class, &holding)?;
    let whole = with_script(&text, &codec.script);
    Profile::parse(&whole, &format!("{id}.toml"))
        .map_err(|found| found.first().map(ToString::to_string).unwrap_or_default())?;
    Ok((id, text, &codec.script))
}

#[cfg(test)]
mod tests;
