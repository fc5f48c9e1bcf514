//! The committed state as the API reads it: `state.db` and `series.db` through reading connections.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::alert::{Alert, Transition};
use orderly_core::command::Command;
use orderly_core::ids::{DeviceId, ProfileId, ZoneId};
use orderly_core::output::DeviceRow;
use orderly_core::reading::Reading;
use orderly_core::record::Order;
use orderly_core::registry::Registry;
use orderly_core::task::{Step, Task};
use orderly_core::time::{Clock, Timestamp};
use orderly_core::topic::is_claim;
use orderly_store::keys::KeyRing;
use orderly_store::series::{self, Query, SeriesReader};
use orderly_store::state::{AlertFilter, QuarantineFilter, StateReader, TaskFilter};

use super::claims::{Asked as Claimed, Claims};
use super::{shown, strangers};
use crate::api::{
    AlertQuery, Bucket, Claim, ClaimRefused, DeviceQuery, DeviceView, QuarantineQuery, ReadError,
    ReadingQuery, Reads, Stranger, TaskQuery, TwinView, Unreadable,
};
use crate::book::Book;
use crate::catalog::{Catalog, InForce};

/// Connections that are kept open for the next call.
const KEPT: usize = 8;

/// Reads the files of a data directory.
pub struct StoreReads {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    catalog: Arc<Catalog>,
    keys: Arc<KeyRing>,
    claims: Arc<Claims>,
    book: Arc<Book>,
    idle: Mutex<Vec<Connections>>,
}

/// What holds for one call.
struct Asked {
    now: Timestamp,
    in_force: Arc<InForce>,
    registry: Arc<Registry>,
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
    pub const fn new(
        dir: PathBuf,
        clock: Arc<dyn Clock>,
        catalog: Arc<Catalog>,
        keys: Arc<KeyRing>,
        claims: Arc<Claims>,
        book: Arc<Book>,
    ) -> Self {
        Self { dir, clock, catalog, keys, claims, book, idle: Mutex::new(Vec::new()) }
    }

    fn asked(&self) -> Asked {
        Asked { now: self.clock.now().wall, in_force: self.catalog.now(), registry: self.book.now() }
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

    fn views(&self, rows: Vec<DeviceRow>, asked: &Asked) -> Result<Vec<DeviceView>, ReadError> {
        let twins = self.twins(&rows)?;
        let view = |mut row: DeviceRow| {
            // Where it hangs by the registry, as its readings and alerts have it.
            if let Some(zone) = asked.registry.zone_at(&row.device, asked.now) {
                row.zone = Some(zone.clone());
            }
            let (twin, expect_ms) = (twins.get(&row.device), asked.expect(&row));
            shown::device(row, twin.map(Vec::as_slice), expect_ms, asked.now).map_err(failed)
        };
        rows.into_iter().map(view).collect()
    }
}

impl Asked {
    fn expect(&self, row: &DeviceRow) -> Option<i64> {
        self.in_force.expected.get(&row.profile).copied()
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
        let wanted = Query { newest_first: false, ..wanted(query) };
        let buckets = self.with(|c| c.series.gather(&wanted, every_ms.max(1)).map_err(failed))?;
        let of = |bucket: series::Bucket| Bucket {
            at: bucket.at,
            metric: bucket.metric,
            count: bucket.count,
            min: bucket.min,
            max: bucket.max,
            mean: bucket.mean,
        };
        Ok(buckets.into_iter().take(query.limit).map(of).collect())
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

    fn tasks(&self, query: &TaskQuery) -> Result<Vec<Task>, ReadError> {
        let TaskQuery { list, owner, ended_from, limit } = query.clone();
        let filter = TaskFilter { list, owner, ended_from, limit };
        self.with(|c| c.state.tasks(&filter).map_err(failed))
    }

    fn task(&self, id: &str) -> Result<Option<(Task, Vec<Step>)>, ReadError> {
        self.with(|c| c.state.task(id).map_err(failed))
    }

    fn commands(&self, device: &DeviceId, limit: usize) -> Result<Vec<Command>, ReadError> {
        self.with(|c| c.state.commands(device, limit).map_err(failed))
    }

    fn command(&self, id: &str) -> Result<Option<Command>, ReadError> {
        self.with(|c| c.state.command(id).map_err(failed))
    }

    fn quarantine(&self, query: &QuarantineQuery) -> Result<(Vec<Unreadable>, u64), ReadError> {
        let QuarantineQuery { code, before, limit } = query.clone();
        self.with(|c| {
            let rows = c.state.quarantine(&QuarantineFilter { code, before, limit }).map_err(failed)?;
            let all = c.state.status().map_err(failed)?.quarantined;
            let items = rows.into_iter().map(|row| Unreadable {
                // A claim code is for who holds the device.
                excerpt: if is_claim(&row.address) { Vec::new() } else { row.excerpt },
                seq: row.seq,
                index: row.index,
                received_at: row.received_at,
                source: row.source,
                address: row.address,
                code: row.code,
                reason: row.reason,
            });
            Ok((items.collect(), all))
        })
    }

    fn strangers(&self) -> Result<Vec<Stranger>, ReadError> {
        let in_force = self.catalog.now();
        self.with(|c| strangers::strangers(&c.state, &in_force.profiles, &self.keys).map_err(failed))
    }

    fn adoption(
        &self,
        device: &DeviceId,
        profile: Option<&ProfileId>,
        zone: Option<ZoneId>,
    ) -> Result<Result<Order, String>, ReadError> {
        let in_force = self.catalog.now();
        self.with(|c| {
            Ok(strangers::adoption(&c.state, &in_force.profiles, &self.keys, device, profile, zone))
        })
    }

    fn claim(&self, claim: Claim) -> Result<Result<Order, ClaimRefused>, ReadError> {
        let (in_force, now) = (self.catalog.now(), self.clock.now());
        let Claim { code, device, profile, zone } = claim;
        let asked = Claimed { code, device, profile, zone };
        self.with(|c| Ok(self.claims.order(&c.state, &in_force.profiles, &self.keys, now, asked)))
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
        superseded: query.superseded,
    }
}
