//! Overlays: what a site changes of a shipped text without editing it.
//!
//! An overlay is a file of its own that names a profile or a file of rules and says other parameters. What comes into
//! force is one text: the shipped one, and behind a marking line each overlay as it stands in its file. So a record of
//! the journal holds all of it, the shipped tests are run on what was shipped, and a mistake is told at its own place.

use crate::diagnostic::{Diagnostic, nearest, read};

/// Begins the line before an overlay; its file's name follows.
const MARK: &str = "#:overlay ";

/// One overlay within a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer<'t> {
    /// Its file.
    pub name: &'t str,
    /// What stands in it.
    pub text: &'t str,
}

/// What an overlay is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The profile of this name.
    Profile(String),
    /// The file of rules of this name.
    Rules(String),
}

/// A text with an overlay behind it.
#[must_use]
pub fn lay_over(text: &str, name: &str, overlay: &str) -> String {
    let mut whole = String::with_capacity(text.len() + overlay.len() + name.len() + MARK.len() + 3);
    whole.push_str(text);
    if !text.ends_with('\n') {
        whole.push('\n');
    }
    whole.push_str(MARK);
    whole.extend(name.chars().map(|c| if c.is_control() { ' ' } else { c }));
    whole.push('\n');
    whole.push_str(overlay);
    whole
}

/// A text without its overlays, and they in order.
#[must_use]
pub fn split(text: &str) -> (&str, Vec<Layer<'_>>) {
    let mut starts: Vec<usize> = text.match_indices(MARK).map(|(at, _)| at).collect();
    starts.retain(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n');
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let layer = |(start, end): (&usize, usize)| {
        let layer = &text[start + MARK.len()..end];
        let (name, text) = layer.split_once('\n').unwrap_or((layer, ""));
        Layer { name, text }
    };
    let layers = starts.iter().zip(ends).map(layer).collect();
    (&text[..starts.first().copied().unwrap_or(text.len())], layers)
}

/// What an overlay is for, among these profiles and files of rules. Only that is read.
///
/// # Errors
/// When it names nothing that is there.
pub fn target(file: &str, text: &str, profiles: &[&str], rules: &[&str]) -> Result<Target, Vec<Diagnostic>> {
    read(file, text, |root| {
        // What else stands in it is read when it is laid over.
        drop(root.keys());
        let (key, known) = match (root.has("profile"), root.has("rules")) {
            (true, false) => ("profile", profiles),
            (false, true) => ("rules", rules),
            _ => {
                let hint = "profile = \"orderly-bp-1\" or rules = \"bp_meter\"".to_owned();
                root.wrong_here("an overlay names one profile or one file of rules", Some(hint));
                return None;
            }
        };
        let name = root.text(key)?;
        if !known.contains(&name) {
            let near = nearest(name, known.iter().copied()).map(|near| format!("did you mean {near:?}?"));
            let what = if key == "profile" { "profile" } else { "file of rules" };
            root.wrong(key, format!("there is no {what} {name:?}"), near);
            return None;
        }
        Some(if key == "profile" { Target::Profile(name.to_owned()) } else { Target::Rules(name.to_owned()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_its_overlays_come_apart_as_they_were_put_together() {
        let one = lay_over("a = 1", "b.toml", "b = 2\n# x #:overlay no\n");
        let two = lay_over(&one, "c\n.toml", "c = 3");
        let (text, layers) = split(&two);
        assert_eq!(text, "a = 1\n");
        let want = [
            Layer { name: "b.toml", text: "b = 2\n# x #:overlay no\n" },
            Layer { name: "c .toml", text: "c = 3" },
        ];
        assert_eq!(layers, want);
        assert_eq!(split("a = 1\n"), ("a = 1\n", vec![]));
    }

    #[test]
    fn an_overlay_says_what_it_is_for() {
        let of = |text| {
            let found = target("o.toml", text, &["orderly-bp-1"], &["bp_meter"]);
            found.map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            of("profile = \"orderly-bp-1\"\n[x]\ny = 1"),
            Ok(Target::Profile("orderly-bp-1".to_owned()))
        );
        assert_eq!(of("rules = \"bp_meter\""), Ok(Target::Rules("bp_meter".to_owned())));
        assert_eq!(
            of("profile = \"orderly-bp-2\""),
            Err(vec![
                "o.toml:1:11: profile: there is no profile \"orderly-bp-2\" (did you mean \"orderly-bp-1\"?)"
                    .to_owned()
            ])
        );
        assert!(of("x = 1").unwrap_err()[0].contains("an overlay names one profile or one file of rules"));
        assert!(of("profile = 1").unwrap_err()[0].contains("expected a text"));
    }
}
