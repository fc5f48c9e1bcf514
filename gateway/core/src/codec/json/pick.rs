//! A set of paths, compiled once, that picks its values out of payloads.

use serde_json_path::JsonPath;
use smallvec::{SmallVec, smallvec};

use super::path::{Step, lower};
use super::scan::Scan;
use super::{Limits, Malformed};
use crate::codec::Sent;

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not a JSON path: {why}")]
pub struct PathError {
    /// The path.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

/// One place of a document that is wanted, or lies on the way to one.
#[derive(Debug, Default)]
pub(super) struct Node {
    keys: Vec<(Box<str>, u16)>,
    items: Vec<(usize, u16)>,
    pub(super) slots: SmallVec<[u16; 2]>,
}

impl Node {
    /// The node below the key. Devices send their keys in one order, so the one after the last hit is tried first.
    pub(super) fn child(&self, key: &str, next: &mut usize) -> Option<u16> {
        if let Some((name, child)) = self.keys.get(*next)
            && **name == *key
        {
            *next += 1;
            return Some(*child);
        }
        let at = self.keys.iter().position(|(name, _)| **name == *key)?;
        *next = at + 1;
        Some(self.keys[at].1)
    }

    pub(super) fn item(&self, index: usize) -> Option<u16> {
        self.items.iter().find(|(item, _)| *item == index).map(|(_, child)| *child)
    }
}

/// What was picked, in the order of the paths.
pub type Picked<'a> = SmallVec<[Sent<'a>; 20]>;

/// Paths, compiled once. Those that name one value cost one pass together; others need a document.
#[derive(Debug)]
pub struct Paths {
    nodes: Vec<Node>,
    general: Vec<(usize, JsonPath)>,
    len: usize,
    limits: Limits,
}

impl Paths {
    /// Compiles paths (RFC 9535).
    ///
    /// # Errors
    /// The first path that is none.
    pub fn new<'t>(paths: impl IntoIterator<Item = &'t str>, limits: Limits) -> Result<Self, PathError> {
        Self::sparse(paths.into_iter().map(Some), limits)
    }

    /// As [`Paths::new`]; a place without a path stays absent.
    ///
    /// # Errors
    /// The first path that is none.
    pub fn sparse<'t>(
        paths: impl IntoIterator<Item = Option<&'t str>>,
        limits: Limits,
    ) -> Result<Self, PathError> {
        let mut compiled = Self { nodes: vec![Node::default()], general: Vec::new(), len: 0, limits };
        for path in paths {
            let slot = compiled.len;
            compiled.len += 1;
            let Some(path) = path else { continue };
            let parsed = check(path)?;
            match lower(path) {
                Some(steps) if slot < usize::from(u16::MAX) => compiled.add(&steps, slot),
                _ => compiled.general.push((slot, parsed)),
            }
        }
        Ok(compiled)
    }

    fn add(&mut self, steps: &[Step], slot: usize) {
        let mut at = 0;
        for step in steps {
            let known = match step {
                Step::Key(key) => self.nodes[at].child(key, &mut 0),
                Step::Item(index) => self.nodes[at].item(*index),
            };
            let child = known.unwrap_or_else(|| {
                let child = u16::try_from(self.nodes.len()).unwrap_or(u16::MAX);
                self.nodes.push(Node::default());
                match step {
                    Step::Key(key) => self.nodes[at].keys.push((key.as_str().into(), child)),
                    Step::Item(index) => self.nodes[at].items.push((*index, child)),
                }
                child
            });
            at = usize::from(child);
        }
        self.nodes[at].slots.push(u16::try_from(slot).unwrap_or(u16::MAX));
    }

    /// Reads a payload and picks the wanted values, in the order of the paths.
    ///
    /// A path that names several values gives a [`Sent::Structure`].
    ///
    /// # Errors
    /// When the payload is larger than the limits, or no JSON.
    pub fn pick<'a>(&self, payload: &'a [u8]) -> Result<Picked<'a>, Malformed> {
        if payload.len() > self.limits.bytes {
            let what =
                format!("the payload has {} bytes; at most {} are read", payload.len(), self.limits.bytes);
            return Err(Malformed { at: self.limits.bytes, what: what.into() });
        }
        let text = std::str::from_utf8(payload)
            .map_err(|e| Malformed { at: e.valid_up_to(), what: "the payload is not UTF-8".into() })?;
        let mut picked: Picked<'a> = smallvec![Sent::Absent; self.len];
        Scan::new(text, self.limits, &self.nodes, &mut picked).run()?;
        if !self.general.is_empty() {
            self.pick_general(text, &mut picked)?;
        }
        Ok(picked)
    }

    /// The general way: find the places in a document, then pick them from the text so that digits stay as sent.
    fn pick_general<'a>(&self, text: &'a str, picked: &mut Picked<'a>) -> Result<(), Malformed> {
        let document: serde_json::Value = serde_json::from_str(text)
            .map_err(|e| Malformed { at: e.column(), what: e.to_string().into() })?;
        for (slot, path) in &self.general {
            let found = path.query_located(&document);
            let mut found = found.locations();
            picked[*slot] = match (found.next(), found.next()) {
                (None, _) => Sent::Absent,
                (Some(_), Some(_)) => Sent::Structure("several values"),
                (Some(place), None) => {
                    let mut one = Self {
                        nodes: vec![Node::default()],
                        general: Vec::new(),
                        len: 1,
                        limits: self.limits,
                    };
                    one.add(&steps_of(place), 0);
                    let mut sent = [Sent::Absent];
                    Scan::new(text, self.limits, &one.nodes, &mut sent).run()?;
                    let [sent] = sent;
                    sent
                }
            };
        }
        Ok(())
    }
}

pub(super) fn check(path: &str) -> Result<JsonPath, PathError> {
    JsonPath::parse(path).map_err(|error| {
        let why = match path.starts_with('$') {
            true => error.to_string(),
            false => format!("it must begin with \"$\", for instance \"$.{path}\""),
        };
        PathError { path: path.to_owned(), why }
    })
}

pub(super) fn steps_of(place: &serde_json_path::NormalizedPath<'_>) -> Vec<Step> {
    place
        .iter()
        .map(|element| match (element.as_name(), element.as_index()) {
            (Some(name), _) => Step::Key(name.to_owned()),
            (None, index) => Step::Item(index.unwrap_or_default()),
        })
        .collect()
}
