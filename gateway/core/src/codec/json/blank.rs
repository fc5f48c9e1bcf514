//! Blanks places of a JSON text: what stood there is nowhere in what is left. Everything else stays as it was written.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json_path::JsonPath;

use super::Malformed;
use super::path::{Step, lower};
use super::pick::{PathError, check, steps_of};
use super::raw::Locator;

/// Places that are blanked, compiled once.
#[derive(Debug, Default)]
pub struct Blanks {
    /// Places that a path names without a document.
    places: Vec<Locator>,
    /// The others, with their texts.
    general: Vec<(String, JsonPath)>,
}

impl Blanks {
    /// Adds a path (RFC 9535).
    ///
    /// # Errors
    /// When it is none, or names the whole document.
    pub fn add(&mut self, path: &str) -> Result<(), PathError> {
        let parsed = check(path)?;
        match lower(path) {
            Some(steps) if steps.is_empty() => {
                let why = "it must name a part of the document".to_owned();
                return Err(PathError { path: path.to_owned(), why });
            }
            Some(steps) => self.places.push(Locator::at(steps)),
            None => self.general.push((path.to_owned(), parsed)),
        }
        Ok(())
    }

    /// Whether there is nothing to blank.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.general.is_empty()
    }

    /// Whether a path leads to such a place, through it, or past it to something that holds it. Paths that need a
    /// document to be followed are not told: blanking finds what they name.
    #[must_use]
    pub fn touches(&self, path: &str) -> bool {
        let Some(steps) = lower(path) else { return false };
        let begins = |one: &[Step], other: &[Step]| one.iter().zip(other).all(|(a, b)| a == b);
        self.places.iter().any(|place| begins(place.steps(), &steps))
    }

    /// Whether a path is written as one of those that need a document, or goes on behind it.
    #[must_use]
    pub fn names(&self, path: &str) -> bool {
        let begins = |whole: &str, head: &str| {
            whole.strip_prefix(head).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.general.iter().any(|(text, _)| begins(path, text) || begins(text, path))
    }

    /// The text with `null` in each of the places. The text is known to be JSON that is taken. Each part of the text is
    /// read once for each level it lies at, however many places there are.
    ///
    /// # Errors
    /// When a path that needs a document cannot be followed.
    pub fn blank(&self, text: &str) -> Result<String, Malformed> {
        let mut tree = Tree::default();
        self.places.iter().for_each(|place| tree.add(place.steps()));
        if !self.general.is_empty() {
            let document: serde_json::Value = serde_json::from_str(text)
                .map_err(|e| Malformed { at: e.column(), what: e.to_string().into() })?;
            for (_, path) in &self.general {
                path.query_located(&document).locations().for_each(|place| tree.add(&steps_of(place)));
            }
        }
        let mut found: Vec<&str> = Vec::new();
        tree.find(text, &mut found);
        // Each is a part of the text, so this is where it begins.
        let start = |part: &str| (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        found.sort_unstable_by_key(|part| start(part));
        let (mut blanked, mut done) = (String::with_capacity(text.len()), 0);
        for part in found {
            blanked.push_str(&text[done..start(part)]);
            blanked.push_str("null");
            done = start(part) + part.len();
        }
        blanked.push_str(&text[done..]);
        Ok(blanked)
    }
}

/// Places as a tree, so that a document is walked once for all of them.
#[derive(Debug, Default)]
struct Tree {
    /// This is a place; what lies below it goes with it.
    here: bool,
    members: BTreeMap<String, Self>,
    items: BTreeMap<usize, Self>,
}

impl Tree {
    fn add(&mut self, steps: &[Step]) {
        match steps.split_first() {
            None => self.here = true,
            Some((Step::Key(name), rest)) => self.members.entry(name.clone()).or_default().add(rest),
            Some((Step::Item(index), rest)) => self.items.entry(*index).or_default().add(rest),
        }
    }

    /// Adds the texts of the places; none lies within another.
    fn find<'t>(&self, text: &'t str, found: &mut Vec<&'t str>) {
        if self.here {
            return found.push(text);
        }
        if !self.members.is_empty()
            && let Ok(object) = serde_json::from_str::<BTreeMap<String, &'t RawValue>>(text)
        {
            let below = self.members.iter().filter_map(|(name, below)| Some((object.get(name)?, below)));
            below.for_each(|(value, below)| below.find(value.get(), found));
        }
        if !self.items.is_empty()
            && let Ok(list) = serde_json::from_str::<Vec<&'t RawValue>>(text)
        {
            let below = self.items.iter().filter_map(|(index, below)| Some((list.get(*index)?, below)));
            below.for_each(|(value, below)| below.find(value.get(), found));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blanks(paths: &[&str]) -> Blanks {
        let mut blanks = Blanks::default();
        paths.iter().for_each(|path| blanks.add(path).unwrap());
        blanks
    }

    #[test]
    fn what_stood_there_is_gone_and_the_rest_stays_as_it_was() {
        let text = r#"{"v": 1.50, "who":{"name":"张三","id":"110101199003072316"},"all":[{"n":"a","v":1e2},{"n":"b"}],"end":0}"#;
        for (paths, want) in [
            (vec!["$.who"], r#"{"v": 1.50, "who":null,"all":[{"n":"a","v":1e2},{"n":"b"}],"end":0}"#),
            (
                vec!["$.who.name", "$['who']['id']", "$.nobody"],
                r#"{"v": 1.50, "who":{"name":null,"id":null},"all":[{"n":"a","v":1e2},{"n":"b"}],"end":0}"#,
            ),
            (
                vec!["$.all[*].n", "$..name", "$.all[1]", "$.all[1].n"],
                r#"{"v": 1.50, "who":{"name":null,"id":"110101199003072316"},"all":[{"n":null,"v":1e2},null],"end":0}"#,
            ),
            (
                vec!["$.end", "$.v"],
                r#"{"v": null, "who":{"name":"张三","id":"110101199003072316"},"all":[{"n":"a","v":1e2},{"n":"b"}],"end":null}"#,
            ),
        ] {
            assert_eq!(blanks(&paths).blank(text).unwrap(), want, "{paths:?}");
        }
    }

    #[test]
    fn paths_to_it_through_it_and_around_it_are_told() {
        let who = blanks(&["$.who.name", "$.list[*]"]);
        for path in ["$.who.name", "$['who']", "$.who.name.first", "$"] {
            assert!(who.touches(path), "{path}");
        }
        for path in ["$.who.id", "$.name", "$.list", "$..name"] {
            assert!(!who.touches(path), "{path}");
        }
        assert!(Blanks::default().add("$").is_err());
        assert!(Blanks::default().add("who").is_err());
    }

    /// Looked for one by one, each of them would read the document again.
    #[test]
    fn many_places_cost_no_more_than_the_document() {
        let items = vec![r#"{"n":"who"}"#; 40_000].join(",");
        let blanked = blanks(&["$.all[*].n"]).blank(&format!(r#"{{"all":[{items}]}}"#)).unwrap();
        assert_eq!(blanked.matches(r#"{"n":null}"#).count(), 40_000);
        assert!(!blanked.contains("who"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn no_text_in_the_place_survives(name in "[^\\x00-\\x1f\"\\\\]{1,40}", more in "[ -~]{0,20}", deep in any::<bool>()) {
            let planted = format!("{name}-geheim-{name}");
            let body = serde_json::json!({"a": more, "p": {"n": [planted, {"x": planted}]}, "z": [{"p": planted}]}).to_string();
            let paths = if deep { vec!["$..p"] } else { vec!["$.p.n", "$.z[0]['p']"] };
            let blanked = blanks(&paths).blank(&body).unwrap();
            prop_assert!(!blanked.contains("geheim"), "{}", blanked);
            let value: serde_json::Value = serde_json::from_str(&blanked).unwrap();
            prop_assert_eq!(value["a"].as_str(), Some(more.as_str()));
        }
    }
}
