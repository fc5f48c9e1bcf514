//! Every flipped byte and every truncation: no panic, the loss bounded and counted.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::disk::DiskFile;
use crate::disk::sim::{Rng, SimDisk};
use crate::journal::format::{self, Header, HeaderRead, Key, ZONE};
use crate::journal::scan::{Next, Scanner};
use crate::journal::seal::{FrameReader, NextFrame};
use crate::journal::segment::Segment;
use crate::journal::{Form, Report, check, dump, segment};

const FRAME: usize = 700;

fn dir() -> PathBuf {
    PathBuf::from("/data/journal")
}

/// A journal of one segment, raw or sealed, its records, and how many bytes of the file each needs.
struct Sample {
    disk: SimDisk,
    path: PathBuf,
    bytes: Vec<u8>,
    records: BTreeMap<Seq, Vec<u8>>,
    /// End offset and last record of each unit that one flipped byte may cost: a record, or a frame.
    units: Vec<(u64, Seq)>,
}

fn sample(form: Form, count: u64, length: impl Fn(u64) -> usize, frame_bytes: usize) -> Sample {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut options = options(&dir());
    options.background = false;
    options.frame_bytes = frame_bytes;
    options.segment_bytes = 1 << 40;
    let (journal, _) = open(options, &shared).unwrap();
    let records: BTreeMap<Seq, Vec<u8>> = (1..=count).map(|n| (n, body(n, length(n)))).collect();
    for body in records.values() {
        journal.append(&[entry("orderly/v1/main/bp_meter/bp-0001/up/reading", body)]).unwrap();
    }
    journal.close();
    if form == Form::Sealed {
        // A second start makes another segment, so that the first can be sealed.
        let mut options = super::options(&dir());
        options.frame_bytes = frame_bytes;
        options.background = false;
        let (journal, _) = open(options, &shared).unwrap();
        journal.maintain().unwrap();
    }
    let path = segment::path(&dir(), 1, form);
    let file = disk.open(&path).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    let units = units(&bytes, form);
    assert_eq!(units.last().map(|u| u.1), Some(count));
    Sample { disk: disk.settled(), path, bytes, records, units }
}

fn key(bytes: &[u8]) -> Key {
    let HeaderRead::Good(header) = Header::read(&bytes[..ZONE]) else { panic!("the sample has a header") };
    header.key()
}

fn units(bytes: &[u8], form: Form) -> Vec<(u64, Seq)> {
    let key = key(bytes);
    let (mut at, mut units) = (ZONE, Vec::new());
    while bytes.len() > at + 4 && format::u32_at(bytes, at) == key.sync {
        let (length, last) = match form {
            Form::Raw => (format::length(&bytes[at..]), format::seq_of(&bytes[at..])),
            Form::Sealed => (32 + format::u32_at(bytes, at + 8) as usize, format::u64_at(bytes, at + 24)),
        };
        at += length;
        units.push((at as u64, last));
    }
    units
}

/// What is still there when the file holds these bytes.
fn read(sample: &Sample, bytes: Vec<u8>) -> (BTreeMap<Seq, Vec<u8>>, Report) {
    sample.disk.corrupt(&sample.path, |file| *file = bytes);
    let mut got = BTreeMap::new();
    let order = |r: &orderly_core::record::Record<'_>| {
        assert!(got.insert(r.seq, r.entry.body.to_vec()).is_none());
    };
    dump(&sample.disk, &dir(), 1, u64::MAX, order).unwrap();
    (got, check(&sample.disk, &dir()).unwrap())
}

fn only_what_was_written(sample: &Sample, got: &BTreeMap<Seq, Vec<u8>>, what: &str) {
    for (seq, body) in got {
        assert_eq!(sample.records.get(seq), Some(body), "{what}: record {seq}");
    }
}

fn flip(sample: &Sample, at: usize, mask: u8) {
    let mut bytes = sample.bytes.clone();
    bytes[at] ^= mask;
    let (got, report) = read(sample, bytes);
    let what = format!("byte {at} ^ {mask:#x}");
    only_what_was_written(sample, &got, &what);
    let missing: Vec<Seq> = sample.records.keys().copied().filter(|s| !got.contains_key(s)).collect();
    // The records of the unit in which the byte lies.
    let unit = sample.units.partition_point(|u| u.0 <= at as u64);
    let may = if at < ZONE { None } else { sample.units.get(unit) };
    let first = unit.checked_sub(1).map_or(1, |before| sample.units[before].1 + 1);
    assert!(
        missing.iter().all(|s| may.is_some_and(|u| (first..=u.1).contains(s))),
        "{what}: lost {missing:?}"
    );
    assert_eq!(report.records, got.len() as u64, "{what}");
    let known = report.records_lost == missing.len() as u64;
    // At the end of an open segment a damaged record and a torn write look alike.
    let at_the_end = report.torn_bytes > 0 && missing == [*sample.records.keys().last().unwrap()];
    assert!(known || at_the_end, "{what}: lost {missing:?}, reported {report:?}");
    assert!(missing.is_empty() || may.is_some());
}

fn truncate(sample: &Sample, to: usize) {
    let (got, report) = read(sample, sample.bytes[..to].to_vec());
    let what = format!("cut to {to}");
    only_what_was_written(sample, &got, &what);
    let whole = sample.units.partition_point(|u| u.0 <= to as u64);
    let last = whole.checked_sub(1).map_or(0, |i| sample.units[i].1);
    assert!(got.keys().copied().eq(1..=last), "{what}: got {:?}, expected up to {last}", got.keys());
    assert_eq!(report.records, last, "{what}");
}

fn every_byte(form: Form) {
    let sample = sample(form, 14, |n| (n as usize * 37) % 210, FRAME);
    for at in 0..sample.bytes.len() {
        flip(&sample, at, 1 << (at % 8));
        flip(&sample, at, 0xff);
        truncate(&sample, at);
    }
    truncate(&sample, sample.bytes.len());
}

#[test]
fn every_flip_and_cut_of_a_small_open_segment() {
    every_byte(Form::Raw);
}

#[test]
fn every_flip_and_cut_of_a_small_sealed_segment() {
    every_byte(Form::Sealed);
}

/// 1 MiB of records at some places, read as the program reads it; with `ORDERLY_LONG=1` also every byte, read from two
/// units before it to two units behind it: a reader between two good records has no other state.
fn a_mebibyte(form: Form) {
    let sample = sample(form, 3_400, |n| 120 + (n as usize * 61) % 180, 64 << 10);
    let plain: usize = sample.records.values().map(Vec::len).sum();
    assert!(plain + sample.records.len() * 100 > 1 << 20);
    let mut rng = Rng(0x51ce);
    let size = sample.bytes.len() as u64;
    for _ in 0..60 {
        let at = rng.below(size) as usize;
        flip(&sample, at, 1 << rng.below(8));
        truncate(&sample, at);
    }
    if super::setting("ORDERLY_LONG", 0) == 1 {
        let bytes: Arc<[u8]> = sample.bytes.clone().into();
        let end = sample.units.last().map_or(0, |u| u.0);
        for at in ZONE..end as usize {
            let mask = 1 << rng.below(8);
            nearby(&sample, form, &Worn { bytes: Arc::clone(&bytes), at, mask, size });
            nearby(&sample, form, &Worn { bytes: Arc::clone(&bytes), at, mask: 0, size: at as u64 });
        }
    }
}

/// A file with one wrong byte, or cut at it, without a copy.
#[derive(Clone)]
struct Worn {
    bytes: Arc<[u8]>,
    at: usize,
    mask: u8,
    size: u64,
}

impl DiskFile for Worn {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = offset.min(self.size) as usize;
        let n = buffer.len().min(self.size as usize - from);
        buffer[..n].copy_from_slice(&self.bytes[from..from + n]);
        if (from..from + n).contains(&self.at) {
            buffer[self.at - from] ^= self.mask;
        }
        Ok(n)
    }
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reads around the bad place: all units but the one that holds it must be there, and in order.
fn nearby(sample: &Sample, form: Form, worn: &Worn) {
    let hit = sample.units.partition_point(|u| u.0 <= worn.at as u64);
    let from = hit.saturating_sub(2);
    let first = |unit: usize| unit.checked_sub(1).map_or(1, |before| sample.units[before].1 + 1);
    let start = from.checked_sub(1).map_or(ZONE as u64, |before| sample.units[before].0);
    let beyond = if worn.mask == 0 { hit } else { (hit + 3).min(sample.units.len()) };
    let expected: Vec<Seq> = (from..beyond).filter(|u| *u != hit).map(|u| sample.units[u].1).collect();
    let HeaderRead::Good(header) = Header::read(&sample.bytes[..ZONE]) else { panic!("the header is good") };
    let file: Arc<dyn DiskFile> = Arc::new(worn.clone());
    let wanted = beyond.checked_sub(1).map_or(0, |u| sample.units[u].1);
    let mut got = Vec::new();
    match form {
        Form::Raw => {
            let end = worn.size.min(sample.units[beyond.saturating_sub(1)].0.max(worn.at as u64));
            let mut scanner = Scanner::from(file, header.key(), first(from), start, end);
            loop {
                match scanner.next().unwrap() {
                    Next::Record { seq, .. } => got.push(seq),
                    Next::Damage { lost, .. } => assert_eq!(lost, 1),
                    Next::End { .. } => break,
                }
            }
        }
        Form::Sealed => {
            let whole = Segment { last: wanted.max(1), ..Segment::new(header) };
            let mut frames = FrameReader::new(file, &whole, first(from)).unwrap();
            while let Some(next) = Some(frames.next().unwrap()).filter(|n| *n != NextFrame::End) {
                if let NextFrame::Records { last, .. } = next {
                    got.push(last);
                }
            }
            got.retain(|s| *s >= first(from));
        }
    }
    assert_eq!(got, expected, "byte {} ^ {:#x}, size {}", worn.at, worn.mask, worn.size);
}

#[test]
fn flips_and_cuts_of_an_open_mebibyte() {
    a_mebibyte(Form::Raw);
}

#[test]
fn flips_and_cuts_of_a_sealed_mebibyte() {
    a_mebibyte(Form::Sealed);
}

#[test]
fn a_payload_that_looks_like_a_record_never_reads_as_one() {
    let honest = sample(Form::Raw, 3, |_| 50, FRAME);
    let real = key(&honest.bytes);
    let guessed = Key { seed: real.seed ^ 1, ..real };
    let now = Now { wall: Timestamp(1), steady_ms: 2, boot: 3 };
    let mut forged = Vec::new();
    // Whole records with the right sync word and a fitting number, and a true copy of an earlier record.
    for seq in 2..6 {
        format::encode(&mut forged, guessed, false, seq, now, &entry("forged", b"forged"));
    }
    let first = ZONE..honest.units[0].0 as usize;
    forged.extend_from_slice(&honest.bytes[first]);

    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) = open(options(&dir()), &shared).unwrap();
    for body in [b"one".as_slice(), &forged, b"three"] {
        journal.append(&[entry("t", body)]).unwrap();
    }
    journal.close();
    let path = segment::path(&dir(), 1, Form::Raw);
    let at = ZONE + format::HEAD + "listener".len() + "t".len() + "one".len();
    for byte in at..at + format::HEAD {
        let settled = disk.settled();
        settled.corrupt(&path, |file| file[byte] ^= 0x10);
        let mut seen = Vec::new();
        dump(&settled, &dir(), 1, 10, |r| seen.push((r.seq, r.entry.body.to_vec()))).unwrap();
        assert_eq!(seen, [(1, b"one".to_vec()), (3, b"three".to_vec())], "byte {byte}");
    }
    // The same salts make the same key, so the sync word in the payload was the true one.
    assert_eq!(
        real,
        key(&{
            let mut bytes = vec![0; ZONE];
            disk.open(&path).unwrap().read_at(&mut bytes, 0).unwrap();
            bytes
        })
    );
}

#[test]
fn a_segment_that_is_gone_or_headless_is_counted() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    for _ in 0..3 {
        let (journal, _) = open(options(&dir()), &shared).unwrap();
        journal.append(&[entry("t", b"a"), entry("t", b"b")]).unwrap();
        journal.close();
    }
    let second = [Form::Raw, Form::Sealed].map(|f| segment::path(&dir(), 2, f));
    let second = second.into_iter().find(|p| disk.open(p).is_ok()).unwrap();
    let headless = disk.settled();
    headless.corrupt(&second, |file| {
        file[3] ^= 1;
        file[4096 + 3] ^= 1;
    });
    let gone = disk.settled();
    gone.remove(&second).unwrap();
    for damaged in [headless, gone] {
        let shared: Arc<dyn Disk> = Arc::new(damaged);
        let (journal, found) = open(options(&dir()), &shared).unwrap();
        let told: Vec<_> = found.damaged.iter().map(|d| (d.segment, d.records_lost)).collect();
        assert_eq!((told, found.records, found.last), (vec![(2, 2)], 4, 6));
        let seqs: Vec<Seq> = drain(&mut journal.tail(0)).unwrap().into_iter().map(|r| r.0).collect();
        assert_eq!(seqs, [1, 2, 5, 6]);
    }
}

#[test]
fn a_number_that_somebody_may_have_seen_is_never_given_out_again() {
    let sample = sample(Form::Raw, 5, |_| 30, FRAME);
    let at = sample.bytes.len() - 1;
    sample.disk.corrupt(&sample.path, |file| file[at] ^= 1);
    let shared: Arc<dyn Disk> = Arc::new(sample.disk.clone());
    let (journal, found) = open(options(&dir()), &shared).unwrap();
    assert_eq!((found.last, found.torn_bytes > 0), (4, true));
    assert!(journal.append(&[entry("t", b"new")]).unwrap().first > 5);
}
