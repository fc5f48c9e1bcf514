//! What stands in the folders: vendors, their devices, their codecs with cases.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Case;

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Folders {
    /// Devices, in order of vendor and name.
    pub devices: Vec<Device>,
    /// Codecs, in order of vendor and name.
    pub codecs: Vec<Codec>,
    /// Files that could not be read, and why.
    pub unread: Vec<(String, String)>,
}

/// A device model.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its file, from the folder that was given.
    pub name: String,
    /// Folder of its vendor.
    pub vendor: String,
    /// What its vendor is called.
    pub vendor_name: String,
    /// What it is called.
    pub model: String,
    /// The newest firmware that has a codec.
    pub firmware: String,
    /// Its codec, by [`Codec::name`].
    pub codec: Option<String>,
}

/// A codec and its cases.
#[derive(Debug, Clone)]
pub struct Codec {
    /// Its file, from the folder that was given.
    pub name: String,
    /// The script.
    pub script: String,
    /// What must come of it.
    pub cases: Vec<Case>,
    /// Files of cases that could not be read, with the reason.
    pub unread: Vec<String>,
}

impl Folders {
    /// Reads them.
    ///
    /// # Errors
    /// When there is no folder `vendors`.
    pub fn read(root: &Path) -> std::io::Result<Self> {
        let mut found = Self::default();
        for vendor in sorted(&root.join("vendors"), None)? {
            let folder = vendor.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = table(&vendor.join("vendor.toml"))
                .ok()
                .and_then(|table| table.get("vendor")?.get("name")?.as_str().map(str::to_owned));
            for path in sorted(&vendor.join("codecs"), Some("js")).unwrap_or_default() {
                let file = short(root, &path);
                match std::fs::read_to_string(&path) {
                    Ok(script) => found.codecs.push(Codec::with_cases(file, script, &path)),
                    Err(error) => found.unread.push((file, error.to_string())),
                }
            }
            for path in sorted(&vendor.join("devices"), Some("toml")).unwrap_or_default() {
                let file = short(root, &path);
                match table(&path) {
                    Ok(table) => {
                        let name = name.clone().unwrap_or_else(|| folder.clone());
                        found.devices.push(device(file, &folder, name, &table));
                    }
                    Err(error) => found.unread.push((file, error)),
                }
            }
        }
        Ok(found)
    }
}

impl Codec {
    fn with_cases(name: String, script: String, path: &Path) -> Self {
        let mut codec = Self { name, script, cases: Vec::new(), unread: Vec::new() };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for (what, encodes) in [("decode", false), ("encode", true)] {
            let file = format!("test_{what}_{stem}.json");
            let Ok(text) = std::fs::read_to_string(path.with_file_name(&file)) else { continue };
            match Case::read_all(&text, encodes) {
                Ok(cases) => codec.cases.extend(cases),
                Err(why) => codec.unread.push(format!("{file}: {why}")),
            }
        }
        codec
    }
}

fn device(name: String, vendor: &str, vendor_name: String, table: &Table) -> Device {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let device = table.get("device");
    let firmware = device.and_then(|device| device.get("firmware")).and_then(Value::as_array);
    let newest = firmware
        .into_iter()
        .flatten()
        .rev()
        .find(|one| one.get("codec").and_then(Value::as_str).is_some_and(|codec| !codec.is_empty()));
    let codec = text(newest.and_then(|one| one.get("codec")));
    Device {
        vendor: vendor.to_owned(),
        vendor_name,
        model: text(device.and_then(|device| device.get("name"))).unwrap_or_else(|| name.clone()),
        firmware: text(newest.and_then(|one| one.get("version"))).unwrap_or_else(|| "0".to_owned()),
        codec: codec.map(|codec| format!("vendors/{vendor}/codecs/{codec}")),
        name,
    }
}

fn table(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// What stands in a folder, in order: files with this ending, or folders.
fn sorted(folder: &Path, ending: Option<&str>) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let wanted = match ending {
            Some(ending) => path.extension().is_some_and(|e| e == ending),
            None => path.is_dir(),
        };
        if wanted {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn short(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
