//! What a source has to tell about its own link: it goes into the next timer run, so that the engine knows gaps.

use orderly_core::record::LinkChange;

/// Takes note of links that come up, go down, or lost their session. `runtime` collects them.
pub trait Links: Send + Sync + 'static {
    /// A link changed. Must not wait.
    fn changed(&self, change: LinkChange);
}
