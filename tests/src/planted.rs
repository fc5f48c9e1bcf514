//! Looks for texts that must not be where somebody could read them.

use std::fs;
use std::path::Path;

/// Every place below a folder, its names included, where one of the texts stands; the words say which.
///
/// # Errors
/// When a file cannot be read.
pub fn found_in(dir: &Path, planted: &[&str]) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        let bytes = match (kind.is_dir(), kind.is_file()) {
            (true, _) => {
                found.extend(found_in(&path, planted)?);
                Vec::new()
            }
            // A file may go while it is looked at, as those of SQLite do; a socket holds nothing.
            (false, true) => fs::read(&path).unwrap_or_default(),
            (false, false) => Vec::new(),
        };
        let place = path.display().to_string();
        found.extend(told(&bytes, planted).into_iter().map(|text| format!("{text:?} in {place}")));
        found.extend(
            told(place.as_bytes(), planted).into_iter().map(|text| format!("{text:?} names {place}")),
        );
    }
    Ok(found)
}

/// Those of the texts that stand in the bytes: as they are, or with their letters escaped as JSON may.
#[must_use]
pub fn told<'t>(bytes: &[u8], planted: &[&'t str]) -> Vec<&'t str> {
    let holds = |text: &[u8]| !text.is_empty() && bytes.windows(text.len()).any(|part| part == text);
    let escaped = |text: &str| {
        let one = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
        text.chars().map(one).collect::<String>()
    };
    planted.iter().copied().filter(|text| holds(text.as_bytes()) || holds(escaped(text).as_bytes())).collect()
}
