//! The script that a profile names: a file beside it, whose text becomes part of the profile's.

use std::path::Path;

use orderly_core::profile::{script_file, with_script};

/// A profile with the script in it that it names; without it where there is no such file, which reading it tells.
pub(super) fn complete(text: String, beside: impl Fn(&str) -> Option<String>) -> String {
    match script_file(&text).and_then(|name| beside(&name)) {
        Some(script) => with_script(&text, &script),
        None => text,
    }
}

/// Reads one profile's file, with the script in it that it names.
///
/// # Errors
/// When it cannot be read.
pub fn read_profile(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(complete(text, |name| std::fs::read_to_string(path.with_file_name(name)).ok()))
}
