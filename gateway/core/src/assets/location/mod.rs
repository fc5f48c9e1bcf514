//! In which zone a Bluetooth tag is, from what the readers hear of it (DOMAIN 5.4).
//!
//! Zones, never metres: published accuracy in hospital rooms allows no more. All is computed in event time, in windows of
//! two seconds that close five seconds after their end, so that readers may deliver late, twice and out of order and the
//! same history comes out. A tag that nobody hears keeps its last zone, marked as not known any more.

mod signal;
pub mod table;
mod tag;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ids::{DeviceId, ZoneId};
use crate::time::Timestamp;

use tag::Tag;

/// Width of a window, in milliseconds.
pub const WINDOW_MS: i64 = 2_000;
/// A window closes so long after its end: what comes later is too late (DOMAIN 5.4, item 7).
pub const WATERMARK_MS: i64 = 5_000;
/// What claims to have been heard more than this after it was received has a wrong clock, and would close windows of others.
const AHEAD_MS: i64 = 10_000;
/// Weaker than this is not heard, in dBm (DOMAIN 5.4, item 2).
const FLOOR_DBM: i16 = -95;

/// What a reader stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderKind {
    /// A room, a hall, a part of a ward.
    Room,
    /// A lift, a stair, a door between zones: what passes is there for seconds.
    Passage,
    /// The gate of the campus: what is heard best here has left.
    Exit,
}

/// A reader that is fixed somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// Its name.
    pub id: DeviceId,
    /// The zone that it stands in.
    pub zone: ZoneId,
    /// The floor of the zone.
    pub floor: i16,
    /// Added to what it hears, in dB: so readers that hear better than others are level with them.
    pub offset_db: f64,
    /// What it stands at.
    pub kind: ReaderKind,
}

/// A tag was heard by a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The reader.
    pub reader: DeviceId,
    /// The tag.
    pub tag: DeviceId,
    /// How strong, in dBm: -20 to -120.
    pub rssi: i16,
    /// When.
    pub at: Timestamp,
    /// What the tag says of itself, if it does.
    pub moving: Option<bool>,
}

/// What became of where a tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is heard, for the first time or again.
    Seen,
    /// It came into another zone.
    Moved,
    /// It came onto another floor, and nobody saw it in a lift or on a stair: look at the readers.
    Jumped,
    /// Nobody hears it any more; the zone is the last known.
    Lost,
    /// It was heard best at a gate of the campus.
    Left,
}

/// One step of the history of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The tag.
    pub tag: DeviceId,
    /// What became of it.
    pub change: Change,
    /// The zone: where it is, or was last.
    pub zone: ZoneId,
    /// Since when: when the zone was first heard best, or the tag heard last.
    pub since: Timestamp,
    /// When that was certain enough.
    pub decided_at: Timestamp,
}

/// What was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unused {
    /// It came after its window was closed.
    pub late: u64,
    /// It says to have been heard long after it was received.
    pub ahead: u64,
    /// Weaker than the weakest that counts.
    pub weak: u64,
    /// Nobody knows the reader.
    pub stranger: u64,
}

/// Within a window: when, which tag, which reader; so a repeat is found, and the order of arrival says nothing.
type Place = (Timestamp, DeviceId, usize);

/// Finds the zone of each tag.
#[derive(Debug)]
pub struct Locator {
    readers: Vec<Reader>,
    numbers: HashMap<DeviceId, usize>,
    tags: BTreeMap<DeviceId, Tag>,
    waiting: BTreeMap<Place, (i16, Option<bool>)>,
    newest: Timestamp,
    /// End of the last window that was closed.
    closed: Timestamp,
    unused: Unused,
}

impl Locator {
    /// Finds tags by these readers; of two with one name the first counts.
    #[must_use]
    pub fn new(readers: Vec<Reader>) -> Self {
        let mut numbers = HashMap::new();
        for (number, reader) in readers.iter().enumerate() {
            numbers.entry(reader.id.clone()).or_insert(number);
        }
        Self {
            readers,
            numbers,
            tags: BTreeMap::new(),
            waiting: BTreeMap::new(),
            newest: Timestamp(i64::MIN),
            closed: Timestamp(i64::MIN),
            unused: Unused::default(),
        }
    }

    /// Takes what a reader heard, and gives what it makes certain.
    pub fn hear(&mut self, heard: Heard, received: Timestamp) -> Vec<Step> {
        let Some(reader) = self.numbers.get(&heard.reader).copied() else {
            self.unused.stranger += 1;
            return Vec::new();
        };
        let unused = match () {
            () if heard.at.since(received) > AHEAD_MS => &mut self.unused.ahead,
            () if heard.at < self.closed => &mut self.unused.late,
            () if heard.rssi < FLOOR_DBM => &mut self.unused.weak,
            () => {
                self.newest = self.newest.max(heard.at);
                self.waiting.entry((heard.at, heard.tag, reader)).or_insert((heard.rssi, heard.moving));
                return self.close(self.newest.plus_ms(-WATERMARK_MS));
            }
        };
        *unused += 1;
        Vec::new()
    }

    /// Time has passed: closes the windows that ended before this moment.
    pub fn advance(&mut self, to: Timestamp) -> Vec<Step> {
        self.newest = self.newest.max(to);
        self.close(self.newest.plus_ms(-WATERMARK_MS))
    }

    /// What was not used, and why.
    #[must_use]
    pub const fn unused(&self) -> Unused {
        self.unused
    }

    fn close(&mut self, until: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            let first = self.waiting.keys().next().map(|(at, ..)| window(*at));
            let awake = self.tags.values().any(|tag| !tag.is_settled());
            // While every tag is settled, nothing happens before the next is heard.
            let start = match first {
                Some(first) if !awake => first.max(self.closed),
                Some(first) if self.closed.0 == i64::MIN => first,
                Some(_) => self.closed,
                None if awake => self.closed,
                None => return steps,
            };
            let end = start.plus_ms(WINDOW_MS);
            if end > until {
                return steps;
            }
            self.closed = end;
            self.close_one(end, &mut steps);
        }
    }

    fn close_one(&mut self, end: Timestamp, steps: &mut Vec<Step>) {
        let mut heard_now = BTreeSet::new();
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().0 < end) {
            let ((at, tag, reader), (rssi, moving)) = entry.remove_entry();
            heard_now.insert(tag.clone());
            self.tags.entry(tag).or_default().hear(reader, at, rssi, moving);
        }
        for (name, tag) in &mut self.tags {
            if tag.is_settled() && !heard_now.contains(name) {
                continue;
            }
            if let Some((change, zone, since)) = tag.close(&self.readers, end) {
                let zone = zone.clone();
                steps.push(Step { tag: name.clone(), change, zone, since, decided_at: end });
            }
        }
    }
}

/// The beginning of the window of a moment.
const fn window(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(WINDOW_MS) * WINDOW_MS)
}
