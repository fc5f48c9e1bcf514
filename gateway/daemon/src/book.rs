//! The registry of places and things as it is committed, for all who read it beside the engine.

use std::sync::{Arc, PoisonError, RwLock};

use orderly_core::registry::{Change, Registry, Row};

/// Where the committed registry is looked up.
#[derive(Debug, Default)]
pub struct Book(RwLock<Arc<Registry>>);

impl Book {
    /// Begins with the rows that are committed.
    pub fn begin(&self, rows: &[Row]) {
        let registry = Arc::new(Registry::restore(rows.iter().cloned()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }

    /// Follows a commit.
    pub fn follow(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut registry = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Who reads meanwhile keeps what it has.
        let registry = Arc::make_mut(&mut registry);
        for change in changes {
            if let Err(fault) = registry.apply(change) {
                tracing::error!(why = fault.message, "a committed row of the registry does not fit");
            }
        }
    }

    /// The registry as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<Registry> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
