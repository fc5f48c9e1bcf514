//! A wait that is in vain ends the test with a word instead of hanging the whole run.

use std::time::Duration;

/// Far longer than anything that is waited for takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for the event; names it when it does not come.
///
/// # Panics
/// When it does not come.
pub async fn in_time<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => unreachable!("waited in vain for {what}"),
    }
}
