//! How sinks and notifiers tell the state store how far they are. `runtime` implements it over the committer.

use futures_util::future::BoxFuture;
use orderly_store::state::DeliveryChange;

/// The way of a delivery result to the state store.
pub trait Delivery: Send + Sync + 'static {
    /// Stores the change; done when it is durable, an error when it is not stored.
    fn deliver(&self, change: DeliveryChange) -> BoxFuture<'_, Result<(), String>>;
}
