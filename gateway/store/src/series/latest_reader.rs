//! Reading the latest values: what is written, and what came in since.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use orderly_core::ids::DeviceId;
use orderly_core::reading::Reading;
use rusqlite::Row;

use super::bundle::STREAMS;
use super::part::Pick;
use super::reader::SeriesReader;
use super::{SeriesError, latest, part};

impl SeriesReader {
    /// The latest reading of each stream of a device, by stream; of its latest epoch only.
    pub fn latest(&mut self, device: &DeviceId) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let ids: Vec<u32> = self.catalog.of_device(device).map(|(id, _)| id).collect();
        let mut found = Vec::new();
        {
            let mut statement = tx.prepare_cached("SELECT blob FROM latest WHERE stream = ?1")?;
            for &id in &ids {
                let mut rows = statement.query([id])?;
                if let Some(row) = rows.next()? {
                    self.one(row, 0, id, &mut found)?;
                }
            }
        }
        let through = latest::through(&tx)?;
        let buckets: BTreeSet<u32> = ids.iter().map(|id| id / STREAMS).collect();
        for bucket in buckets {
            latest::each_since(&tx, &self.catalog, through, Some(bucket), &mut |id, r| {
                if ids.contains(&id) && latest::counts(&r) {
                    found.push(r);
                }
            })?;
        }
        tx.commit()?;
        found.sort_by(|a, b| {
            let order = (&a.stream, Reverse(a.epoch)).cmp(&(&b.stream, Reverse(b.epoch)));
            order.then_with(|| latest::key(b).cmp(&latest::key(a)))
        });
        found.dedup_by(|later, first| later.stream == first.stream);
        Ok(found)
    }

    /// The latest reading of each stream of every device, by device and stream.
    pub fn latest_all(&mut self) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        // Sorting by number and not by name: names of 100,000 devices are slow to compare.
        let rank = self.catalog.ranks();
        let rank = |id: u32| rank.get(id as usize).copied().unwrap_or(u32::MAX);
        let mut found: Vec<(u32, Reading)> = Vec::with_capacity(self.catalog.len() as usize);
        {
            let mut one = Vec::with_capacity(1);
            let mut statement = tx.prepare_cached("SELECT stream, blob FROM latest ORDER BY stream")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                self.one(row, 1, id, &mut one)?;
                found.extend(one.drain(..).map(|r| (rank(id), r)));
            }
        }
        latest::each_since(&tx, &self.catalog, latest::through(&tx)?, None, &mut |id, r| {
            if latest::counts(&r) {
                found.push((rank(id), r));
            }
        })?;
        tx.commit()?;
        found.sort_by_cached_key(|(rank, r)| (*rank, Reverse(latest::key(r))));
        found.dedup_by(|(_, later), (_, first)| later.device == first.device && later.stream == first.stream);
        Ok(found.into_iter().map(|(_, r)| r).collect())
    }

    fn one(
        &self,
        row: &Row<'_>,
        column: usize,
        id: u32,
        found: &mut Vec<Reading>,
    ) -> Result<(), SeriesError> {
        let blob = row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?;
        let stream = self.catalog.stream(id)?;
        part::of_stream(blob, stream, &self.catalog, &Pick::ALL, found).map_err(SeriesError::row("latest"))
    }
}
