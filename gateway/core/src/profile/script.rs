//! The script of a profile: in its text, or in a file beside it whose text is put in before the profile is read.

use crate::codec::javascript::Script;
use crate::diagnostic::Section;

/// The table that holds the text of the file; whoever reads files puts it at the end, so that lines keep their numbers.
const INLINED: &str = "inlined";

/// The file beside a profile that it wants, if it names one and does not have its text yet.
#[must_use]
pub fn script_file(profile: &str) -> Option<String> {
    if !profile.contains("javascript") {
        return None;
    }
    let table: toml::Table = profile.parse().ok()?;
    let codec = table.get("codec")?;
    let file = codec.get("file")?.as_str()?;
    (codec.get(INLINED).is_none() && plain(file)).then(|| file.to_owned())
}

/// The profile with the text of its script in it.
#[must_use]
pub fn with_script(profile: &str, script: &str) -> String {
    let text = toml::Value::String(script.to_owned());
    format!("{}\n\n[codec.{INLINED}]\ntext = {text}\n", profile.trim_end())
}

/// A name in the same folder: a profile reaches for nothing else.
fn plain(file: &str) -> bool {
    !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', '\0'])
}

/// Reads the script that `[codec]` gives or names.
pub(super) fn read(section: &Section<'_, '_>) -> Option<Script> {
    let mut variables = Vec::new();
    if let Some(table) = section.section("variables") {
        for name in table.keys() {
            variables.push((name.to_owned(), table.need_text(name)?.to_owned()));
        }
    }
    let (key, text) = match (section.has("script"), section.has("file")) {
        (true, true) => {
            section.wrong("file", "a script stands either in the profile or in a file", None);
            return None;
        }
        (true, false) => ("script", section.need_text("script")?),
        (false, true) => ("file", of_file(section)?),
        (false, false) => {
            let hint = "file = \"vendor.js\", a file beside the profile, or script = '''...'''".to_owned();
            section.wrong_here("a codec in JavaScript needs its script", Some(hint));
            return None;
        }
    };
    match Script::new(text, &variables) {
        Ok(script) => Some(script),
        Err(why) => {
            section.wrong(key, why.to_string(), None);
            None
        }
    }
}

fn of_file<'r>(section: &Section<'r, '_>) -> Option<&'r str> {
    let file = section.need_text("file")?;
    if !plain(file) {
        section.wrong("file", format!("{file:?} is no name of a file beside the profile"), None);
        return None;
    }
    if !section.has(INLINED) {
        section.wrong("file", format!("the file {file:?} is not beside the profile"), None);
        return None;
    }
    section.section(INLINED)?.need_text("text")
}
