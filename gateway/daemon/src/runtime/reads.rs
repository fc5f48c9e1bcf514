//! The committed state as the API reads it: `state.db` and `series.db` through reading connections.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use orderly_core::alert::{Alert, Transition};
use orderly_core::ids::{DeviceId, MetricId};
use orderly_core::output::{DeviceRow, Quarantined};
use orderly_core::reading::Reading;
use orderly_core::time::Timestamp;
use orderly_core::value::Quality;
use orderly_store::series::{Query, SeriesReader};
use orderly_store::state::{AlertFilter, QuarantineFilter, StateReader};

use crate::api::{
    AlertQuery, Bucket, DeviceQuery, DeviceView, QuarantineQuery, ReadError, ReadingQuery, Reads, TwinStream,
    TwinView,
};

/// Connections that are kept open for the next call.
const KEPT: usize = 8;
/// Readings that one page of buckets may be gathered from.
const BUCKET_READINGS: usize = 200_000;

/// Reads the files of a data directory.
#[derive(Default)]
pub struct StoreReads {
    dir: PathBuf,
    idle: Mutex<Vec<Connections>>,
}

struct Connections {
    state: StateReader,
    series: SeriesReader,
}

impl std::fmt::Debug for StoreReads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreReads").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn failed(error: impl std::fmt::Display) -> ReadError {
    ReadError(error.to_string())
}

impl StoreReads {
    /// Reads this data directory; both files must be there when the first call comes.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, idle: Mutex::new(Vec::new()) }
    }

    fn with<T>(&self, call: impl FnOnce(&mut Connections) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connections = match idle {
            Some(connections) => connections,
            None => Connections {
                state: StateReader::open(&self.dir).map_err(failed)?,
                series: SeriesReader::open(&self.dir).map_err(failed)?,
            },
        };
        // After an error the connections are dropped: the next call opens fresh ones.
        let answer = call(&mut connections)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(connections);
        }
        Ok(answer)
    }
}

impl Connections {
    fn view(&mut self, row: DeviceRow) -> Result<DeviceView, ReadError> {
        let latest = self.series.latest(&row.device).map_err(failed)?;
        Ok(seen(row, latest))
    }

    fn rows(&self, query: &DeviceQuery) -> Result<Vec<DeviceRow>, ReadError> {
        let rows = self.state.devices().map_err(failed)?.into_iter();
        let fits = rows.filter(|row| {
            query.class.as_ref().is_none_or(|class| row.class == *class)
                && query.after.as_ref().is_none_or(|after| row.device > *after)
        });
        Ok(fits.take(query.limit).collect())
    }

    /// Latest readings of these devices; of all at once when there are many.
    fn latest(&mut self, rows: &[DeviceRow]) -> Result<HashMap<DeviceId, Vec<Reading>>, ReadError> {
        const MANY: usize = 200;
        let mut latest: HashMap<DeviceId, Vec<Reading>> = HashMap::new();
        if rows.len() > MANY {
            for reading in self.series.latest_all().map_err(failed)? {
                latest.entry(reading.device.clone()).or_default().push(reading);
            }
        } else {
            for row in rows {
                latest.insert(row.device.clone(), self.series.latest(&row.device).map_err(failed)?);
            }
        }
        Ok(latest)
    }
}

fn seen(row: DeviceRow, latest: Vec<Reading>) -> DeviceView {
    let last_seen = latest.iter().map(|r| r.received_at).max();
    DeviceView { row, online: None, last_seen, expect_ms: None, latest }
}

impl Reads for StoreReads {
    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceView>, ReadError> {
        self.with(|c| {
            let rows = c.rows(query)?;
            let mut latest = c.latest(&rows)?;
            Ok(rows.into_iter().map(|row| {
                let latest = latest.remove(&row.device).unwrap_or_default();
                seen(row, latest)
            }).collect())
        })
    }

    fn devices_named(&self, names: &[DeviceId]) -> Result<Vec<DeviceView>, ReadError> {
        self.with(|c| {
            let mut views = Vec::with_capacity(names.len());
            for name in names {
                if let Some(row) = c.state.device(name).map_err(failed)? {
                    views.push(c.view(row)?);
                }
            }
            Ok(views)
        })
    }

    fn readings(&self, query: &ReadingQuery) -> Result<Vec<Reading>, ReadError> {
        self.with(|c| c.series.readings(&asked(query)).map_err(failed))
    }

    fn buckets(&self, query: &ReadingQuery, every_ms: i64) -> Result<Vec<Bucket>, ReadError> {
        let wanted = Query { limit: BUCKET_READINGS, newest_first: false, ..asked(query) };
        let readings = self.with(|c| c.series.readings(&wanted).map_err(failed))?;
        let mut buckets = gathered(&readings, query, every_ms.max(1));
        buckets.truncate(query.limit);
        Ok(buckets)
    }

    fn twins(&self, query: &DeviceQuery) -> Result<Vec<TwinView>, ReadError> {
        let devices = self.devices(query)?;
        Ok(devices.into_iter().map(|view| {
            let streams = view.latest.into_iter().map(|latest| TwinStream {
                stream: latest.stream.clone(),
                watermark: Some(latest.taken_at),
                latest: Some(latest),
            }).collect();
            TwinView { device: view.row.device, online: view.online, last_seen: view.last_seen, streams, rules: Vec::new() }
        }).collect())
    }

    fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>, ReadError> {
        let AlertQuery { condition, handling, class, severity, device, limit } = query.clone();
        let filter = AlertFilter { condition, handling, class, severity, device, live: false, limit };
        self.with(|c| c.state.alerts(&filter).map_err(failed))
    }

    fn alert(&self, id: &str) -> Result<Option<(Alert, Vec<Transition>)>, ReadError> {
        self.with(|c| {
            let Some(alert) = c.state.alert(id).map_err(failed)? else { return Ok(None) };
            Ok(Some((alert, c.state.transitions(id).map_err(failed)?)))
        })
    }

    fn quarantine(&self, query: &QuarantineQuery) -> Result<(Vec<Quarantined>, u64), ReadError> {
        // Records with several refused inputs may stand across a page: ask from the record itself and skip.
        let before = query.before.map(|(seq, _)| seq.saturating_add(1));
        let filter = QuarantineFilter { code: query.code.clone(), before, limit: query.limit.saturating_add(512) };
        self.with(|c| {
            let rows = c.state.quarantine(&filter).map_err(failed)?;
            let all = c.state.status().map_err(failed)?.quarantined;
            let behind = rows.into_iter().filter(|row| query.before.is_none_or(|before| (row.seq, row.index) < before));
            let items = behind.take(query.limit).map(|row| Quarantined {
                seq: row.seq,
                index: row.index,
                received_at: row.received_at,
                source: row.source,
                address: row.address,
                code: known(&row.code),
                reason: row.reason,
                excerpt: row.excerpt,
            });
            Ok((items.collect(), all))
        })
    }
}

fn asked(query: &ReadingQuery) -> Query {
    Query {
        device: query.device.clone(),
        stream: query.stream.clone(),
        metrics: query.metrics.clone(),
        from: query.from,
        to: query.to,
        limit: query.limit,
        after: query.after,
        newest_first: query.newest_first,
    }
}

/// Good numbers of the wanted metrics by spans of time, in order of time and metric.
fn gathered(readings: &[Reading], query: &ReadingQuery, every_ms: i64) -> Vec<Bucket> {
    let mut buckets: BTreeMap<(i64, MetricId), (u64, f64, f64, f64)> = BTreeMap::new();
    for reading in readings {
        let span = reading.taken_at.0.div_euclid(every_ms) * every_ms;
        for measured in &reading.values {
            let wanted = query.metrics.is_empty() || query.metrics.contains(&measured.metric);
            let Some(n) = measured.value.number().filter(|_| wanted && measured.quality == Quality::Good) else {
                continue;
            };
            let (count, min, max, sum) =
                buckets.entry((span, measured.metric.clone())).or_insert((0, f64::INFINITY, f64::NEG_INFINITY, 0.0));
            (*count, *min, *max, *sum) = (*count + 1, min.min(n), max.max(n), *sum + n);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a bucket never holds 2^53 readings")]
    let bucket = |((at, metric), (count, min, max, sum))| Bucket {
        at: Timestamp(at),
        metric,
        count,
        min,
        max,
        mean: sum / count as f64,
    };
    buckets.into_iter().map(bucket).collect()
}

/// The codes that the daemon writes; what an older version wrote and this one no longer knows is `other`.
fn known(code: &str) -> &'static str {
    const CODES: [&str; 14] = [
        "unknown_device", "no_profile", "malformed", "oversize", "bad_field", "revoked", "unknown_topic",
        "too_many_streams", "store_rejected", "store_too_large", "unwritable", "same_millisecond", "bad_time",
        "journal_damage",
    ];
    CODES.iter().find(|known| **known == code).copied().unwrap_or("other")
}
