//! What the start found in the data directory that a person should know.

use orderly_store::journal::Recovered;

use super::overview::warning;
use crate::api::dto::Warning;

/// Warnings about the journal, also written to the log.
#[must_use]
pub fn warnings(recovered: &Recovered) -> Vec<Warning> {
    let lost: u64 = recovered.damaged.iter().map(|d| d.records_lost).sum();
    let bytes: u64 = recovered.damaged.iter().map(|d| d.bytes).sum();
    if recovered.torn_bytes > 0 {
        tracing::info!(bytes = recovered.torn_bytes, "an interrupted write at the journal's end was cut off");
    }
    if recovered.damaged.is_empty() {
        return Vec::new();
    }
    tracing::error!(places = recovered.damaged.len(), bytes, records = lost, "the journal is damaged");
    vec![warning(
        "journal_damage",
        &format!("日志有损坏：{} 处，{bytes} 字节，{lost} 条记录丢失", recovered.damaged.len()),
        &format!(
            "the journal is damaged in {} place(s): {bytes} bytes, {lost} records lost",
            recovered.damaged.len()
        ),
    )]
}
