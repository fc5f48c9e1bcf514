//! What people order, and the answer that comes back after the commit.

use std::pin::Pin;

use orderly_core::output::Answer;
use orderly_core::record::Action;

/// Why an order got no answer. The order may still be carried out: the same idempotency key finds out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The journal or the state store cannot take it now.
    #[error("the gateway cannot take orders now")]
    Unavailable,
    /// It was taken, but its answer did not come in time.
    #[error("the order was taken, its answer is still out")]
    Unanswered,
}

/// Takes people's orders: journals the action and gives the answer once it is committed and audited.
pub trait Orders: Send + Sync + 'static {
    /// Whether the site's list allows a command.
    fn allows(&self, device: &str, class: &str, command: &str) -> bool;

    /// Carries one order.
    fn submit<'a>(
        &'a self,
        action: Action,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, OrderError>> + Send + 'a>>;
}
