//! The gateway's own figures, `orderly_<noun>_<unit>_total`, in the Prometheus text format.

use std::time::Duration;

use metrics::{counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use orderly_core::output::Counts;

/// Installs the recorder of this process, or finds the one that an earlier start installed.
#[must_use]
pub fn start() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("figures are recorded already; those of this start stay empty");
    }
    handle
}

/// Adds what one commit counted.
pub fn committed(counts: &Counts, alerts: usize) {
    counter!("orderly_commits_total").increment(1);
    counter!("orderly_records_handled_total").increment(counts.records);
    counter!("orderly_readings_kept_total").increment(counts.readings);
    counter!("orderly_readings_repeated_total").increment(counts.repeats);
    counter!("orderly_readings_late_total").increment(counts.late);
    counter!("orderly_stragglers_not_replayed_total").increment(counts.unreplayed);
    counter!("orderly_readings_clock_suspect_total").increment(counts.clock_suspect);
    counter!("orderly_readings_conflicting_total").increment(counts.conflicts);
    counter!("orderly_readings_corrections_total").increment(counts.corrections);
    counter!("orderly_inputs_quarantined_total").increment(counts.quarantined);
    counter!("orderly_alert_steps_total").increment(u64::try_from(alerts).unwrap_or(u64::MAX));
}

/// A commit failed and is done again.
pub fn commit_failed() {
    counter!("orderly_commits_failed_total").increment(1);
}

/// A place of the journal cannot be read; so many records are known to be lost.
pub fn journal_damaged(records: u64) {
    counter!("orderly_journal_damaged_places_total").increment(1);
    counter!("orderly_journal_records_lost_total").increment(records);
}

/// What was over and old was taken out of the state store.
pub fn trimmed(alerts: usize, notices: usize) {
    counter!("orderly_alerts_trimmed_total").increment(alerts as u64);
    counter!("orderly_notices_trimmed_total").increment(notices as u64);
}

/// Notices were given up because there is nobody to tell.
pub fn notices_untold(notices: usize) {
    counter!("orderly_notices_untold_total").increment(notices as u64);
}

/// What waits for the engine: records of the journal, and how long it will take for them.
pub fn engine_lag(records: u64, time: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is read by people; 2^53 records are enough")]
    gauge!("orderly_engine_lag_records").set(records as f64);
    gauge!("orderly_engine_lag_seconds").set(time.as_secs_f64());
}

/// The engine looked into the past: how often, and how long it took.
pub fn looked_up(times: usize, took: Duration) {
    counter!("orderly_engine_lookups_total").increment(times as u64);
    counter!("orderly_engine_lookup_microseconds_total")
        .increment(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
}
