//! Tests of the journal: whole ways here, damage and power cuts in their own files.

mod damage;
mod keeping;
mod power;
mod ways;
mod worn;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orderly_core::record::{Entry, Flags, Kind, Seq};
use orderly_core::time::{Clock, Now, Timestamp};

use super::{Appended, Durable, Journal, JournalError, JournalOptions, Recovered, Tail};
use crate::disk::Disk;

/// A clock that counts how often it was asked.
#[derive(Default)]
pub(super) struct Ticks(pub AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Now {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        Now { wall: Timestamp(1_790_000_000_000 + n.cast_signed()), steady_ms: n, boot: 7 }
    }
}

/// Salts that differ; the tests need no more.
pub(super) fn salts(seed: u64) -> Box<dyn FnMut() -> u128 + Send> {
    let mut n = u128::from(seed) << 64 | 0x5eed;
    Box::new(move || {
        n = n.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(0x5851_f42d_4c95_7f2d);
        n
    })
}

pub(super) fn options(dir: &Path) -> JournalOptions {
    let mut options = JournalOptions::new(dir.to_owned(), salts(1));
    options.retry = Duration::from_millis(1);
    options
}

pub(super) fn open(
    options: JournalOptions,
    disk: &Arc<dyn Disk>,
) -> Result<(Journal, Recovered), JournalError> {
    open_watched(options, disk, Box::new(|_| {}))
}

pub(super) fn open_watched(
    options: JournalOptions,
    disk: &Arc<dyn Disk>,
    watch: Box<dyn Fn(Durable) + Send + Sync>,
) -> Result<(Journal, Recovered), JournalError> {
    Journal::open(options, Arc::clone(disk), Arc::new(Ticks::default()), watch)
}

pub(super) fn entry<'a>(address: &'a str, body: &'a [u8]) -> Entry<'a> {
    Entry { kind: Kind::Envelope, flags: Flags::DUP, source: "listener", connection: 3, address, body }
}

/// A number from the environment: how long to test is a setting of the test run.
#[expect(clippy::disallowed_methods, reason = "the tests have no configuration file")]
pub(super) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// A body from which its place in the test can be told.
pub(super) fn body(n: u64, length: usize) -> Vec<u8> {
    let mut body = format!("{n:08} ").into_bytes();
    body.extend((0..length).map(|i| b'a' + ((n as usize * 7 + i * i) % 26) as u8));
    body
}

/// All that a tail gives until it waits: numbers and bodies.
pub(super) fn drain(tail: &mut Tail) -> Result<Vec<(Seq, Vec<u8>)>, JournalError> {
    let mut all = Vec::new();
    loop {
        match tail.next(Duration::ZERO) {
            Ok(Some(group)) => all.extend(group.iter().map(|r| (r.seq, r.entry.body.to_vec()))),
            Ok(None) | Err(JournalError::Closed) => return Ok(all),
            Err(error) => return Err(error),
        }
    }
}
