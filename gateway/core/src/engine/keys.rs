//! Idempotency keys: the same key twice is one action and gets the same answer.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::ids::ActorId;
use crate::time::Timestamp;

/// How long an answer is remembered.
const KEPT_MS: i64 = 24 * 3_600_000;

/// How many answers are remembered.
const MAX_KEYS: usize = 256;

/// The answers that were given lately.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Keys(VecDeque<Key>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    actor: ActorId,
    key: String,
    at: Timestamp,
    result: Result<String, String>,
}

impl Keys {
    /// The answer that was given under this key.
    pub(super) fn find(&self, actor: &ActorId, key: &str, now: Timestamp) -> Option<Result<String, String>> {
        let valid =
            |known: &&Key| known.key == key && known.actor == *actor && now.since(known.at) <= KEPT_MS;
        self.0.iter().find(valid).map(|known| known.result.clone())
    }

    /// Remembers an answer.
    pub(super) fn remember(
        &mut self,
        actor: &ActorId,
        key: &str,
        at: Timestamp,
        result: &Result<String, String>,
    ) {
        while self.0.len() >= MAX_KEYS || self.0.front().is_some_and(|old| at.since(old.at) > KEPT_MS) {
            self.0.pop_front();
        }
        self.0.push_back(Key { actor: actor.clone(), key: key.to_owned(), at, result: result.clone() });
    }
}
