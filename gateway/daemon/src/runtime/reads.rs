//! The committed state as the API reads it: `state.db` and `series.db` through reading connections.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::alert::{Alert, Transition};
use orderly_core::ids::{DeviceId, MetricId, ProfileId};
use orderly_core::output::DeviceRow;
use orderly_core::reading::Reading;
use orderly_core::time::{Clock, Timestamp};
use orderly_core::value::Quality;
use orderly_store::series::{Query, SeriesReader};
use orderly_store::state::{AlertFilter, QuarantineFilter, StateReader};

use super::shown;
use crate::api::{
    AlertQuery, Bucket, DeviceQuery, DeviceView, QuarantineQuery, ReadError, ReadingQuery, Reads, TwinView,
    Unreadable,
};

/// Connections that are kept open for the next call.
const KEPT: usize = 8;
/// Readings that one page of buckets may be gathered from.
const BUCKET_READINGS: usize = 200_000;

/// How often a device of each profile is expected to report, in milliseconds.
pub type Expect = BTreeMap<ProfileId, i64>;

/// Reads the files of a data directory.
pub struct StoreReads {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    expect: Expect,
    idle: Mutex<Vec<Connections>>,
}

/// What holds for one call.
struct Asked<'a> {
    now: Timestamp,
    expect: &'a Expect,
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
    pub const fn new(dir: PathBuf, clock: Arc<dyn Clock>, expect: Expect) -> Self {
        Self { dir, clock, expect, idle: Mutex::new(Vec::new()) }
    }

    fn asked(&self) -> Asked<'_> {
        Asked { now: self.clock.now().wall, expect: &self.expect }
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
    fn rows(&self, query: &DeviceQuery) -> Result<Vec<DeviceRow>, ReadError> {
        let rows = self.state.devices().map_err(failed)?.into_iter();
        let fits = rows.filter(|row| {
            query.class.as_ref().is_none_or(|class| row.class == *class)
                && query.after.as_ref().is_none_or(|after| row.device > *after)
        });
        Ok(fits.take(query.limit).collect())
    }

    /// The twins of these devices; all in one read when there are many.
    fn twins(&self, rows: &[DeviceRow]) -> Result<HashMap<DeviceId, Vec<u8>>, ReadError> {
        const MANY: usize = 200;
        if rows.len() > MANY {
            let all = self.state.twins().map_err(failed)?;
            return Ok(all.into_iter().map(|twin| (twin.device, twin.blob)).collect());
        }
        let mut twins = HashMap::with_capacity(rows.len());
        for row in rows {
            if let Some(twin) = self.state.twin(&row.device).map_err(failed)? {
                twins.insert(twin.device, twin.blob);
            }
        }
        Ok(twins)
    }

    fn views(&self, rows: Vec<DeviceRow>, asked: &Asked<'_>) -> Result<Vec<DeviceView>, ReadError> {
        let twins = self.twins(&rows)?;
        let view = |row: DeviceRow| {
            let (twin, expect_ms) = (twins.get(&row.device), asked.expect(&row));
            shown::device(row, twin.map(Vec::as_slice), expect_ms, asked.now).map_err(failed)
        };
        rows.into_iter().map(view).collect()
    }
}

impl Asked<'_> {
    fn expect(&self, row: &DeviceRow) -> Option<i64> {
        self.expect.get(&row.profile).copied()
    }
}

impl Reads for StoreReads {
    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceView>, ReadError> {
        let asked = self.asked();
        self.with(|c| {
            let rows = c.rows(query)?;
            c.views(rows, &asked)
        })
    }

    fn devices_named(&self, names: &[DeviceId]) -> Result<Vec<DeviceView>, ReadError> {
        let asked = self.asked();
        self.with(|c| {
            let mut rows = Vec::with_capacity(names.len());
            for name in names {
                rows.extend(c.state.device(name).map_err(failed)?);
            }
            c.views(rows, &asked)
        })
    }

    fn readings(&self, query: &ReadingQuery) -> Result<Vec<Reading>, ReadError> {
        self.with(|c| c.series.readings(&wanted(query)).map_err(failed))
    }

    fn buckets(&self, query: &ReadingQuery, every_ms: i64) -> Result<Vec<Bucket>, ReadError> {
        let wanted = Query { limit: BUCKET_READINGS, newest_first: false, ..wanted(query) };
        let readings = self.with(|c| c.series.readings(&wanted).map_err(failed))?;
        let mut buckets = gathered(&readings, query, every_ms.max(1));
        buckets.truncate(query.limit);
        Ok(buckets)
    }

    fn twins(&self, query: &DeviceQuery) -> Result<Vec<TwinView>, ReadError> {
        let asked = self.asked();
        self.with(|c| {
            let rows = c.rows(query)?;
            let twins = c.twins(&rows)?;
            let known = rows.iter().filter_map(|row| Some((row, twins.get(&row.device)?)));
            known
                .map(|(row, blob)| shown::twin(row, blob, asked.expect(row), asked.now).map_err(failed))
                .collect()
        })
    }

    fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>, ReadError> {
        let AlertQuery { condition, handling, class, severity, device, live, limit } = query.clone();
        let filter = AlertFilter { condition, handling, class, severity, device, live, limit };
        self.with(|c| c.state.alerts(&filter).map_err(failed))
    }

    fn alert(&self, id: &str) -> Result<Option<(Alert, Vec<Transition>)>, ReadError> {
        self.with(|c| {
            let Some(alert) = c.state.alert(id).map_err(failed)? else { return Ok(None) };
            Ok(Some((alert, c.state.transitions(id).map_err(failed)?)))
        })
    }

    fn quarantine(&self, query: &QuarantineQuery) -> Result<(Vec<Unreadable>, u64), ReadError> {
        let QuarantineQuery { code, before, limit } = query.clone();
        self.with(|c| {
            let rows = c.state.quarantine(&QuarantineFilter { code, before, limit }).map_err(failed)?;
            let all = c.state.status().map_err(failed)?.quarantined;
            let items = rows.into_iter().map(|row| Unreadable {
                seq: row.seq,
                index: row.index,
                received_at: row.received_at,
                source: row.source,
                address: row.address,
                code: row.code,
                reason: row.reason,
                excerpt: row.excerpt,
            });
            Ok((items.collect(), all))
        })
    }
}

fn wanted(query: &ReadingQuery) -> Query {
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
            let Some(n) = measured.value.number().filter(|_| wanted && measured.quality == Quality::Good)
            else {
                continue;
            };
            let (count, min, max, sum) = buckets.entry((span, measured.metric.clone())).or_insert((
                0,
                f64::INFINITY,
                f64::NEG_INFINITY,
                0.0,
            ));
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
