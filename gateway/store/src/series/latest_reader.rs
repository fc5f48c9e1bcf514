//! Reading the latest values: what is written, and what came in since.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use orderly_core::ids::DeviceId;
use orderly_core::reading::Reading;
use rusqlite::Row;

use super::bundle::STREAMS;
use super::part::Pick;
use super::reader::SeriesReader;
use super::rows::Singles;
use super::{SeriesError, latest, part};

/// A written blob in the buffer of all of them.
#[derive(Clone, Copy)]
struct Written {
    rank: u32,
    stream: u32,
    start: usize,
    end: usize,
}

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
                    let stream = self.catalog.stream(id)?;
                    part::of_stream(blob(row, 0)?, stream, &self.catalog, &Pick::ALL, &mut found)
                        .map_err(SeriesError::row("latest"))?;
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
        // Sorting by number and not by name: names of 100,000 devices are slow to compare. And before unpacking: a
        // reading is ten times as large as its blob, and moving 100,000 of them about costs as much as making them.
        let rank = self.catalog.ranks();
        let rank = |id: u32| rank.get(id as usize).copied().unwrap_or(u32::MAX);
        let (mut written, mut bytes) = (Vec::with_capacity(self.catalog.len() as usize), Vec::new());
        {
            let mut statement = tx.prepare_cached("SELECT stream, blob FROM latest ORDER BY stream")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (stream, start) = (row.get(0)?, bytes.len());
                bytes.extend_from_slice(blob(row, 1)?);
                written.push(Written { rank: rank(stream), stream, start, end: bytes.len() });
            }
        }
        written.sort_unstable_by_key(|w| (w.rank, w.stream));
        let mut since: Vec<(u32, Reading)> = Vec::new();
        latest::each_since(&tx, &self.catalog, latest::through(&tx)?, None, &mut |id, r| {
            if latest::counts(&r) {
                since.push((rank(id), r));
            }
        })?;
        tx.commit()?;
        since.sort_by_cached_key(|(rank, r)| (*rank, Reverse(latest::key(r))));
        since.dedup_by_key(|(rank, _)| *rank);
        let (mut since, mut newest) = (since.into_iter().peekable(), Newest::expecting(written.len()));
        let mut singles = Singles::default();
        for w in written {
            while let Some((rank, r)) = since.next_if(|(rank, _)| *rank < w.rank) {
                newest.add(rank, r);
            }
            let (blob, stream) = (&bytes[w.start..w.end], self.catalog.stream(w.stream)?);
            let r = singles.read(blob, stream, &self.catalog).map_err(SeriesError::row("latest"))?;
            newest.add(w.rank, r);
        }
        since.for_each(|(rank, r)| newest.add(rank, r));
        Ok(newest.found)
    }
}

/// Of readings that come in order of their ranks, the newest of each stream.
struct Newest {
    found: Vec<Reading>,
    rank: u32,
}

impl Newest {
    fn expecting(streams: usize) -> Self {
        Self { found: Vec::with_capacity(streams), rank: 0 }
    }

    fn add(&mut self, rank: u32, r: Reading) {
        match self.found.last_mut() {
            // The same epoch of the same stream.
            Some(last) if rank == self.rank => {
                if latest::key(&r) > latest::key(last) {
                    *last = r;
                }
            }
            // An earlier epoch.
            Some(last) if last.stream == r.stream && last.device == r.device => {}
            _ => {
                self.found.push(r);
                self.rank = rank;
            }
        }
    }
}

fn blob<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8], SeriesError> {
    Ok(row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?)
}
