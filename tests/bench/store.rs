//! A line-protocol store that only counts: how many (series, timestamp) came, and how many came again.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What has come in.
#[derive(Debug, Default)]
pub struct Seen {
    /// Lines whose (series, timestamp) was new.
    pub lines: usize,
    /// Lines whose (series, timestamp) was known.
    pub again: usize,
    keys: HashSet<(u64, i64)>,
    /// (hash of the device, ms of the timestamp) -> when it arrived, if that is asked for.
    pub arrivals: Option<HashMap<(u64, i64), Instant>>,
}

/// A counting store on loopback.
#[derive(Debug, Clone)]
pub struct CountingStore {
    /// Its port.
    pub port: u16,
    shared: Arc<(Mutex<Seen>, Condvar)>,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

/// What it does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// Takes it.
    #[default]
    Up,
    /// Answers 503.
    Refuses,
    /// Reads it and says nothing.
    Stalls,
}

impl CountingStore {
    /// Starts it.
    ///
    /// # Errors
    /// When loopback has no port.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let store =
            Self { port: listener.local_addr()?.port(), shared: Arc::default(), mood: Arc::default() };
        let server = store.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(&stream));
            }
        });
        Ok(store)
    }

    /// What it does from now on.
    pub fn set(&self, mood: Mood) {
        *self.mood.0.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        self.mood.1.notify_all();
    }

    /// Waits as long as it stalls; then says whether the request is taken.
    fn takes(&self) -> bool {
        let mood = self.mood.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mood = self.mood.1.wait_while(mood, |mood| *mood == Mood::Stalls);
        *mood.unwrap_or_else(PoisonError::into_inner) == Mood::Up
    }

    /// Notes when each line arrives from now on.
    pub fn note_arrivals(&self) {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).arrivals = Some(Default::default());
    }

    /// Asks about what has come in.
    pub fn ask<T>(&self, question: impl FnOnce(&Seen) -> T) -> T {
        question(&self.shared.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until so many different lines are there; `false` when nothing came for a minute.
    #[must_use]
    pub fn wait_lines(&self, lines: usize) -> bool {
        let mut seen = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.lines < lines {
            let before = seen.lines;
            let (guard, timed_out) = self
                .shared
                .1
                .wait_timeout(seen, Duration::from_secs(60))
                .unwrap_or_else(PoisonError::into_inner);
            seen = guard;
            if timed_out.timed_out() && seen.lines == before {
                return false;
            }
        }
        true
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::with_capacity(256 * 1024, stream);
        loop {
            let (mut length, mut gzip, mut first) = (0usize, false, true);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() && !first {
                    break;
                }
                first = false;
                if let Some(n) = line.strip_prefix("content-length:") {
                    length = n.trim().parse().ok()?;
                }
                gzip |= line.starts_with("content-encoding:") && line.contains("gzip");
            }
            let mut body = vec![0u8; length];
            reader.read_exact(&mut body).ok()?;
            if !self.takes() {
                (&*stream)
                    .write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                    .ok()?;
                continue;
            }
            if gzip {
                let mut plain = Vec::with_capacity(length * 8);
                flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).ok()?;
                body = plain;
            }
            self.take(&body);
            (&*stream).write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").ok()?;
        }
    }

    fn take(&self, body: &[u8]) {
        let arrived = crate::flood::now();
        let mut seen = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in body.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let Some(key) = key_of(line) else { continue };
            if seen.keys.insert(key) {
                seen.lines += 1;
            } else {
                seen.again += 1;
            }
            if let Some(arrivals) = &mut seen.arrivals {
                arrivals.entry((key.0, key.1 / 1_000_000)).or_insert(arrived);
            }
        }
        self.shared.1.notify_all();
    }
}

/// (hash of the device, nanoseconds of the timestamp).
fn key_of(line: &[u8]) -> Option<(u64, i64)> {
    let at = line.windows(7).position(|w| w == b"device=")? + 7;
    let rest = &line[at..];
    let name = &rest[..rest.iter().position(|b| *b == b',' || *b == b' ')?];
    let stamp = &line[line.iter().rposition(|b| *b == b' ')? + 1..];
    Some((hash(name), std::str::from_utf8(stamp).ok()?.parse().ok()?))
}

/// FNV-1a: the devices of a bench are few, and the store must not take the daemon's processor.
pub fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
