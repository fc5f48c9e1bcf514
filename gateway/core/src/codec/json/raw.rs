//! Parts of a JSON text as they stand there: an object inside an envelope, the items of a list.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::path::{Step, lower};
use super::pick::{PathError, check};

/// Finds one part of a document, or the items of one list in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locator {
    path: String,
    steps: Vec<Step>,
}

impl Locator {
    /// A path that names one value, `$.a.b[0]`.
    ///
    /// # Errors
    /// When it is no path, or names several values.
    pub fn one(path: &str) -> Result<Self, PathError> {
        check(path)?;
        let why = "it must name one value, for instance \"$.a.b[0]\"".to_owned();
        let steps = lower(path).ok_or_else(|| PathError { path: path.to_owned(), why })?;
        Ok(Self { path: path.to_owned(), steps })
    }

    /// A path that names every item of one list, `$.samples[*]`.
    ///
    /// # Errors
    /// When it is another kind of path.
    pub fn items(path: &str) -> Result<Self, PathError> {
        check(path)?;
        let list = path.strip_suffix("[*]").map(Self::one);
        let why = || "it must name the items of one list, for instance \"$.samples[*]\"".to_owned();
        let found = list.ok_or_else(|| PathError { path: path.to_owned(), why: why() })?;
        found.map(|found| Self { path: path.to_owned(), ..found })
    }

    /// The place of these steps.
    pub(super) const fn at(steps: Vec<Step>) -> Self {
        Self { path: String::new(), steps }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The path as it was written.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text of the value; `None` when there is none at the place. The document is known to be JSON.
    #[must_use]
    pub fn value<'a>(&self, document: &'a str) -> Option<&'a str> {
        let mut at = document;
        for step in &self.steps {
            let next: &'a RawValue = match step {
                Step::Key(key) => {
                    serde_json::from_str::<BTreeMap<String, &'a RawValue>>(at).ok()?.get(key)?
                }
                Step::Item(index) => serde_json::from_str::<Vec<&'a RawValue>>(at).ok()?.get(*index)?,
            };
            at = next.get();
        }
        Some(at)
    }

    /// The texts of the items; `None` when there is no list at the place.
    #[must_use]
    pub fn list<'a>(&self, document: &'a str) -> Option<Vec<&'a str>> {
        let items: Vec<&'a RawValue> = serde_json::from_str(self.value(document)?).ok()?;
        Some(items.into_iter().map(RawValue::get).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_own_text() {
        let document = r#"{"a":{"b":[{"v": 4.50},{"v":1}]},"c":3}"#;
        let at = |path| Locator::one(path).unwrap().value(document);
        assert_eq!(at("$.a.b[0]"), Some(r#"{"v": 4.50}"#));
        assert_eq!(at("$"), Some(document));
        assert_eq!(at("$.c.d"), None);
        assert_eq!(at("$.a.b[2]"), None);
        let list = |path| Locator::items(path).unwrap().list(document);
        assert_eq!(list("$.a.b[*]"), Some(vec![r#"{"v": 4.50}"#, r#"{"v":1}"#]));
        assert_eq!(list("$.c[*]"), None);
    }

    #[test]
    fn other_paths_are_refused() {
        assert!(Locator::one("$.a[*]").unwrap_err().to_string().contains("one value"));
        assert!(Locator::items("$.a").unwrap_err().to_string().contains("items of one list"));
        assert!(Locator::items("$..a[*]").is_err());
        assert!(Locator::one("a").is_err());
    }
}
