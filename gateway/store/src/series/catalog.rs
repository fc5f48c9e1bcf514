//! The names and streams of `series.db` in memory: on disk a stream is a number and so is a metric's name.

use std::collections::HashMap;
use std::sync::Arc;

use orderly_core::ids::{ClassId, DeviceId, MetricId, StreamId, ZoneId};
use orderly_core::reading::Reading;
use rusqlite::{Connection, Transaction, params};

use super::SeriesError;
use crate::batch::row::{Names, Texts};

/// Names beyond this many are written out in each blob.
const MAX_NAMES: usize = 65_536;

/// One stream: who measures, in which epoch, read as which class.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) device: DeviceId,
    pub(super) stream: StreamId,
    pub(super) epoch: u32,
    pub(super) class: ClassId,
}

impl Stream {
    fn is_of(&self, r: &Reading) -> bool {
        self.stream == r.stream && self.epoch == r.epoch && self.class == r.class
    }
}

/// A name with what it may stand for, made once so that reading a blob makes no names.
#[derive(Debug)]
struct Name {
    text: Arc<str>,
    metric: Option<MetricId>,
    zone: Option<ZoneId>,
    profile: Option<u64>,
}

impl Name {
    fn new(text: Arc<str>) -> Self {
        let profile = (text.len() == 16).then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        Self { metric: MetricId::new(&text).ok(), zone: ZoneId::new(&text).ok(), profile, text }
    }
}

/// All names and streams; ids are places in the lists.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    names: Vec<Name>,
    by_name: HashMap<Arc<str>, u32>,
    streams: Vec<Stream>,
    by_device: HashMap<DeviceId, Vec<u32>>,
    ranks: Arc<[u32]>,
    saved_names: usize,
    saved_streams: usize,
}

impl Catalog {
    /// Reads what the file has beyond what is known here.
    pub(super) fn refresh(&mut self, db: &Connection) -> Result<(), SeriesError> {
        let mut statement = db.prepare_cached("SELECT text FROM name WHERE id >= ?1 ORDER BY id")?;
        let mut rows = statement.query([self.names.len() as i64])?;
        while let Some(row) = rows.next()? {
            let text: Arc<str> = row.get::<_, String>(0)?.into();
            self.by_name.insert(Arc::clone(&text), self.names.len() as u32);
            self.names.push(Name::new(text));
        }
        let sql = "SELECT device, stream, epoch, class FROM stream WHERE id >= ?1 ORDER BY id";
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query([self.streams.len() as i64])?;
        while let Some(row) = rows.next()? {
            let text = |i| -> Result<String, SeriesError> { Ok(row.get(i)?) };
            let wrong =
                |e: orderly_core::ids::NameError| SeriesError::Row { table: "stream", why: e.to_string() };
            self.add(Stream {
                device: DeviceId::new(&text(0)?).map_err(wrong)?,
                stream: StreamId::new(&text(1)?).map_err(wrong)?,
                epoch: row.get(2)?,
                class: ClassId::new(&text(3)?).map_err(wrong)?,
            });
        }
        self.saved_names = self.names.len();
        self.saved_streams = self.streams.len();
        Ok(())
    }

    /// Writes the names and streams that came up since the last time.
    pub(super) fn save(&self, tx: &Transaction<'_>) -> Result<(), SeriesError> {
        for (id, name) in self.names.iter().enumerate().skip(self.saved_names) {
            tx.prepare_cached("INSERT INTO name(id, text) VALUES(?1, ?2)")?
                .execute(params![id as i64, &*name.text])?;
        }
        for (id, s) in self.streams.iter().enumerate().skip(self.saved_streams) {
            tx.prepare_cached(
                "INSERT INTO stream(id, device, stream, epoch, class) VALUES(?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                id as i64,
                s.device.as_str(),
                s.stream.as_str(),
                s.epoch,
                s.class.as_str()
            ])?;
        }
        Ok(())
    }

    /// To be called once what [`Self::save`] wrote is committed.
    pub(super) const fn saved(&mut self) {
        self.saved_names = self.names.len();
        self.saved_streams = self.streams.len();
    }

    /// The number of the stream of a reading; a new one when it is not known.
    pub(super) fn stream_of(&mut self, r: &Reading) -> u32 {
        let known = self.by_device.get(&r.device).and_then(|ids| {
            ids.iter().copied().find(|&id| self.streams.get(id as usize).is_some_and(|s| s.is_of(r)))
        });
        known.unwrap_or_else(|| {
            self.add(Stream {
                device: r.device.clone(),
                stream: r.stream.clone(),
                epoch: r.epoch,
                class: r.class.clone(),
            })
        })
    }

    fn add(&mut self, stream: Stream) -> u32 {
        let id = self.streams.len() as u32;
        self.by_device.entry(stream.device.clone()).or_default().push(id);
        self.streams.push(stream);
        id
    }

    /// The stream with this number.
    pub(super) fn stream(&self, id: u32) -> Result<&Stream, SeriesError> {
        self.streams
            .get(id as usize)
            .ok_or_else(|| SeriesError::Row { table: "stream", why: format!("there is no stream {id}") })
    }

    /// How many streams there are.
    pub(super) const fn len(&self) -> u32 {
        self.streams.len() as u32
    }

    /// The zone that a name stands for.
    pub(super) fn zone(&self, number: u32) -> Option<&ZoneId> {
        self.names.get(number as usize).and_then(|name| name.zone.as_ref())
    }

    /// The profile hash that a name stands for.
    pub(super) fn profile(&self, number: u32) -> Option<u64> {
        self.names.get(number as usize).and_then(|name| name.profile)
    }

    /// By stream: its place in the order of device, stream and epoch, the latest epoch first; the same place
    /// for streams that differ only in class.
    pub(super) fn ranks(&mut self) -> Arc<[u32]> {
        if self.ranks.len() != self.streams.len() {
            let mut order: Vec<(u32, &Stream)> = (0_u32..).zip(&self.streams).collect();
            let key = |s: &Stream| (s.device.clone(), s.stream.clone(), std::cmp::Reverse(s.epoch));
            order.sort_by_cached_key(|(_, s)| key(s));
            let mut ranks = vec![0; order.len()];
            let same = |a: &(u32, &Stream), b: &(u32, &Stream)| key(a.1) == key(b.1);
            for (rank, alike) in (0_u32..).zip(order.chunk_by(same)) {
                for (id, _) in alike {
                    if let Some(slot) = ranks.get_mut(*id as usize) {
                        *slot = rank;
                    }
                }
            }
            self.ranks = ranks.into();
        }
        Arc::clone(&self.ranks)
    }

    /// The streams of a device.
    pub(super) fn of_device(&self, device: &DeviceId) -> impl Iterator<Item = (u32, &Stream)> {
        let ids = self.by_device.get(device).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|&id| self.streams.get(id as usize).map(|s| (id, s)))
    }
}

impl Names for Catalog {
    fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(n) = self.by_name.get(text) {
            return Some(*n);
        }
        if self.names.len() >= MAX_NAMES {
            return None;
        }
        let n = self.names.len() as u32;
        let text: Arc<str> = Arc::from(text);
        self.by_name.insert(Arc::clone(&text), n);
        self.names.push(Name::new(text));
        Some(n)
    }
}

impl Texts for Catalog {
    fn text(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(number as usize).map(|name| &name.text)
    }

    fn metric(&self, number: u32) -> Option<MetricId> {
        self.names.get(number as usize).and_then(|name| name.metric.clone())
    }
}
