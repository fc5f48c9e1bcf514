//! The reader of the journal, given files in which any bytes were changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orderly_core::record::{Entry, Flags, Kind};
use orderly_core::time::{Clock, Now, Timestamp};
use orderly_store::disk::Disk;
use orderly_store::disk::sim::SimDisk;
use orderly_store::journal::{Journal, JournalOptions, check, dump};

const DIR: &str = "/journal";
const RECORDS: usize = 24;

/// A small journal of some segments, and what it holds.
pub struct KeptJournal {
    disk: SimDisk,
    files: Vec<PathBuf>,
    bodies: BTreeSet<Vec<u8>>,
}

#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Now {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        Now { wall: Timestamp(1_790_000_000_000 + n.cast_signed()), steady_ms: n, boot: 1 }
    }
}

impl KeptJournal {
    /// Three segments; those that are full are sealed.
    pub fn write() -> Self {
        let disk = SimDisk::new();
        let bodies: Vec<Vec<u8>> = (0..RECORDS).map(|n| vec![n.to_le_bytes()[0]; 7 * n]).collect();
        for (life, some) in (0u128..).zip(bodies.chunks(RECORDS / 3)) {
            let mut options =
                JournalOptions::new(PathBuf::from(DIR), Box::new(move || 0x5EED_0000_0000_0001 + life));
            options.background = false;
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let (journal, _) = Journal::open(options, shared, Arc::new(Ticks::default()), Box::new(|_| {}))
                .expect("a new disk has room");
            for body in some {
                let entry = Entry {
                    kind: Kind::Envelope,
                    flags: Flags::default(),
                    source: "fuzz",
                    connection: 1,
                    address: "a/topic",
                    body,
                };
                journal.append(&[entry]).expect("a new disk has room");
            }
            journal.maintain().expect("a new disk has room");
            journal.close();
        }
        let disk = disk.settled();
        let files = disk.files().into_iter().map(|(path, _)| path).collect();
        Self { disk, files, bodies: bodies.into_iter().collect() }
    }

    /// The bytes say what is changed: of four, the file, the place (two bytes), the new value. What is shown then was
    /// written, and the report fits what is shown.
    pub fn damaged(&self, bytes: &[u8]) {
        let disk = self.disk.settled();
        for patch in bytes.chunks_exact(4) {
            let file = &self.files[usize::from(patch[0]) % self.files.len()];
            let place = usize::from(u16::from_le_bytes([patch[1], patch[2]]));
            disk.corrupt(file, |whole| {
                let length = whole.len().max(1);
                if let Some(byte) = whole.get_mut(place % length) {
                    *byte = patch[3];
                }
            });
        }
        let dir = Path::new(DIR);
        if let Ok(report) = check(&disk, dir) {
            assert!(report.records <= RECORDS as u64, "{report:?}");
        }
        let shown = dump(&disk, dir, 0, u64::MAX, |record| {
            assert!(self.bodies.contains(record.entry.body), "a record that nobody wrote: {record:?}");
        });
        assert!(shown.is_ok_and(|shown| shown <= RECORDS as u64) || !bytes.is_empty());
    }
}
