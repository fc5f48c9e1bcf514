//! Whether a poll is worth a record: something changed by more than its deadband, or it is time again. A poll that
//! is not is still a sign of life.

use orderly_core::profile::{Input, Profile};
use orderly_core::reading::Measured;
use orderly_core::record::Flags;
use orderly_core::time::Now;
use orderly_core::value::Value;

/// What was reported last of one device.
#[derive(Debug, Clone, Default)]
pub(super) struct Reported {
    last: Option<Last>,
}

#[derive(Debug, Clone)]
struct Last {
    body: Vec<u8>,
    values: Vec<Measured>,
    at: u64,
}

impl Reported {
    /// What was handed over did not become durable: the next poll reports.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Whether this poll must be reported.
    pub(super) fn is_news(
        &self,
        profile: &Profile,
        body: &[u8],
        values: Option<&[Measured]>,
        now: Now,
    ) -> bool {
        let Some(last) = &self.last else { return true };
        let since = now.steady_ms.saturating_sub(last.at);
        let due = profile.metrics().iter().any(|metric| match metric.report {
            None => true,
            Some(report) => report.every_ms.is_some_and(|every| since >= every),
        });
        if due || last.body == body {
            return due;
        }
        let Some(values) = values else { return true };
        // A profile decides which metrics a body has; with others than last time there is news for sure.
        values.len() != last.values.len()
            || values.iter().zip(&last.values).any(|(new, old)| {
                let report = profile.metric(&new.metric).and_then(|m| m.report);
                let (band, changes) = report.map_or((0.0, true), |r| (r.deadband, r.on_change));
                new.metric != old.metric
                    || changes && (new.quality != old.quality || moved(&new.value, &old.value, band))
            })
    }

    /// It was handed to the journal.
    pub(super) fn set(&mut self, body: Vec<u8>, values: Option<Vec<Measured>>, now: Now) {
        self.last = Some(Last { body, values: values.unwrap_or_default(), at: now.steady_ms });
    }
}

fn moved(new: &Value, old: &Value, band: f64) -> bool {
    match (new.number(), old.number()) {
        // Decimal steps such as 0.1 are not exact in binary: a step of just the deadband counts.
        (Some(new), Some(old)) if band > 0.0 => (new - old).abs() >= band * (1.0 - 1e-9),
        _ => new != old,
    }
}

/// The values of a body; `None` when the profile cannot read it (the engine will say why).
pub(super) fn values(profile: &Profile, topic: &str, body: &[u8], now: Now) -> Option<Vec<Measured>> {
    let input = Input { address: topic, payload: body, received_at: now.wall, flags: Flags::default() };
    let decoded = profile.decode(input).ok()?;
    decoded.into_iter().next().map(|d| d.values.into_vec())
}
