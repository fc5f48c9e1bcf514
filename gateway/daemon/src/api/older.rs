//! Readings from before the local retention, asked of a store outside.

use futures_util::future::BoxFuture;
use orderly_core::ids::{ClassId, DeviceId, MetricId, StreamId};
use orderly_core::time::Timestamp;

use super::dto::{Older, OlderReading, OlderValue};
use super::reads::{DeviceView, ReadingQuery};
use super::router::App;

/// Metrics that are asked for at once; each is a question of its own to the store.
const MOST_METRICS: usize = 16;
/// Readings that are asked for at once.
const MOST_READINGS: usize = 2_000;

/// What is asked of a store outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OlderQuery {
    /// The class of the device.
    pub class: ClassId,
    /// The device.
    pub device: DeviceId,
    /// Only this stream.
    pub stream: Option<StreamId>,
    /// These metrics.
    pub metrics: Vec<MetricId>,
    /// Taken at this moment or later.
    pub from: Timestamp,
    /// Taken before this moment.
    pub to: Timestamp,
    /// Newest first or oldest first.
    pub newest_first: bool,
    /// At most so many readings.
    pub limit: usize,
}

/// What a store outside answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FromStore {
    /// The name of the sink whose store it is.
    pub store: String,
    /// The readings, in the asked order.
    pub readings: Vec<OlderReading>,
    /// Nothing that was asked for is missing.
    pub complete: bool,
    /// Why the store could not be asked.
    pub error: Option<String>,
}

/// Stores outside that hold what the local history holds no more.
pub trait OldHistory: Send + Sync + 'static {
    /// When the local history of a class begins.
    fn local_from(&self, class: &ClassId) -> Timestamp;

    /// Asks a store; `None`: no store is set up.
    fn ask(&self, query: OlderQuery) -> BoxFuture<'_, Option<FromStore>>;
}

/// What a store outside has for this page: only when `from` lies before the local history, and only on the page on
/// which the local history ends. `local` are the readings of the page.
pub(super) async fn of_page(
    app: &App,
    device: &DeviceView,
    query: &ReadingQuery,
    local: &[orderly_core::reading::Reading],
) -> Option<Older> {
    let class = &device.row.class;
    let is_end = if query.newest_first { local.len() < query.limit } else { query.after.is_none() };
    let begins = app.parts.older.local_from(class);
    if !is_end || query.from >= begins {
        return None;
    }
    // What is past its time may still be here for a while: it is not told twice.
    let before = query.after.filter(|_| query.newest_first).map(|(at, _)| at);
    let to = local.iter().map(|r| r.taken_at).chain(before).fold(begins.min(query.to), Ord::min);
    if query.from >= to {
        return None;
    }
    let (metrics, all) = metrics(device, query);
    let asked = OlderQuery {
        class: class.clone(),
        device: query.device.clone(),
        stream: query.stream.clone(),
        metrics,
        from: query.from,
        to,
        newest_first: query.newest_first,
        limit: query.limit.min(MOST_READINGS),
    };
    let units = units(device);
    let mut found = app.parts.older.ask(asked).await?;
    for (metric, value) in found.readings.iter_mut().flat_map(|r| r.values.iter_mut()) {
        OlderValue::set_unit(
            value,
            units.iter().find(|(name, _)| name == metric).map(|(_, unit)| unit.as_str()),
        );
    }
    let error = found.error.or_else(|| {
        (!all)
            .then(|| format!("only the first {MOST_METRICS} metrics were asked for: name others in `metric`"))
    });
    Some(Older {
        store: found.store,
        to: to.into(),
        complete: found.complete && error.is_none(),
        readings: found.readings,
        error,
    })
}

/// The metrics to ask for, and whether they are all.
fn metrics(device: &DeviceView, query: &ReadingQuery) -> (Vec<MetricId>, bool) {
    let mut metrics = query.metrics.clone();
    if metrics.is_empty() {
        metrics = device.latest.iter().flat_map(|r| r.values.iter().map(|m| m.metric.clone())).collect();
        metrics.sort_unstable();
        metrics.dedup();
    }
    let all = metrics.len() <= MOST_METRICS;
    metrics.truncate(MOST_METRICS);
    (metrics, all)
}

/// Units are not exported: they are those of the latest readings, which are canonical too.
fn units(device: &DeviceView) -> Vec<(String, String)> {
    let values = device.latest.iter().flat_map(|r| r.values.iter());
    values.map(|m| (m.metric.to_string(), m.unit.to_string())).collect()
}
