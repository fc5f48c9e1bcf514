//! Waits until everything acknowledged went the whole way: engine, series.db, every sink.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use crate::gateway::Site;

/// Waits until engine and sinks have no lag behind the journal.
///
/// # Errors
/// When that takes longer than `bound`; the last status is in the error.
pub async fn wait(site: &Site, bound: Duration) -> anyhow::Result<()> {
    let mut last = Value::Null;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let rounds = bound.as_millis() / 50;
    for _ in 0..rounds {
        tick.tick().await;
        last = site.get("/api/v1/status").await?;
        if is_drained(&last) {
            return Ok(());
        }
    }
    bail!(
        "not drained within {bound:?}: {last:#}\n{}",
        site.log().lines().rev().take(30).collect::<Vec<_>>().join("\n")
    )
}

fn is_drained(status: &Value) -> bool {
    let none = |v: &Value| v.as_u64() == Some(0);
    none(&status["engine"]["lag"])
        && none(&status["series"]["lag"])
        && status["sinks"].as_array().is_some_and(|sinks| sinks.iter().all(|sink| none(&sink["lag"])))
}
