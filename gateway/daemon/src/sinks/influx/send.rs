//! Sends one chunk until the store has every line of it, or has refused it by itself.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::Report;
use super::answers::{Verdict, verdict};
use super::client::{Reply, Store};
use super::config::InfluxConfig;
use super::encode::{Chunk, gzip};
use super::split::Split;
use crate::retry::Asking;
use crate::sinks::SinkState;

/// So many points refused in a row, with nothing accepted between, and the store itself is doubted.
const DOUBT_AFTER: u32 = 16;

/// Lines of the first request after a start. Requests double from there: what is under way when the gateway is
/// killed goes again, and a gateway that is killed again and again must get on.
const FIRST_LINES: usize = 256;

/// Fewer bytes than this are compressed faster than a thread is found.
const PACK_AT_ONCE: usize = 32 * 1024;

/// A line that the store does not take: its place in the chunk, a stable code, and why.
pub(super) type Refused = (usize, &'static str, String);

/// While the store does not answer, requests are halved down to this: a slow one gets them through sooner, and one that is
/// away is asked with little.
const LEAST_LINES: usize = 100;

/// When one size was too much and half of it was not, so many requests of that half go before the double is tried again: a
/// request that is given up costs the whole time-out.
const CONTENT_FOR: u32 = 32;

/// The sending half of the sink.
pub(super) struct Sender {
    store: Store,
    asking: Asking,
    hold: Duration,
    engine: super::config::Engine,
    most: usize,
    limit: usize,
    /// Requests in a row that were too large, or not answered well.
    in_vain: u32,
    /// Requests of this size that go before larger ones are tried.
    content_for: u32,
    refused_in_a_row: u32,
    /// A line that the store took: sent again to see whether it still takes anything.
    known_good: Option<Vec<u8>>,
}

/// A chunk on its way.
pub(super) struct Sending {
    chunk: Arc<Chunk>,
    split: Split,
    /// The lines that the store does not take.
    pub(super) refused: Vec<Refused>,
}

/// How far a chunk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// Every line was accepted or found to be refused.
    Through,
    /// The store does not take it now: go on after this time.
    Wait(Duration),
}

/// The sink was told to stop before the chunk was through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped;

impl Sender {
    pub(super) fn new(config: &InfluxConfig, store: Store, seed: u64) -> Self {
        let limit = config.max_lines.max(1);
        Self {
            store,
            asking: Asking::new(config.retry_first.0, config.retry_most.0, seed),
            hold: config.hold.0,
            engine: config.engine,
            most: limit.min(FIRST_LINES),
            limit,
            in_vain: 0,
            content_for: 0,
            refused_in_a_row: 0,
            known_good: None,
        }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// How many lines a request may hold at present.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Puts a chunk on its way.
    pub(super) fn begin(&self, chunk: &Arc<Chunk>) -> Sending {
        Sending { chunk: Arc::clone(chunk), split: Split::new(chunk.len(), self.most), refused: Vec::new() }
    }

    /// Sends until the chunk is through or there is something to wait for.
    pub(super) async fn go_on(
        &mut self,
        sending: &mut Sending,
        report: &Report,
        stop: &CancellationToken,
    ) -> Result<Went, Stopped> {
        let Sending { chunk, split, refused } = sending;
        loop {
            split.set_most(self.most);
            let Some(lines) = split.next() else { return Ok(Went::Through) };
            let body = packed(chunk, lines.clone()).await;
            let reply = tokio::select! {
                reply = self.store.write(body) => reply,
                () = stop.cancelled() => return Err(Stopped),
            };
            report.change(|s| s.requests += 1);
            let (verdict, why, pause) = self.judge(reply);
            match verdict {
                Verdict::Accepted => {
                    split.accepted();
                    self.accepted(chunk.bytes(lines.start..lines.start + 1), lines.len());
                    report.accepted(lines.len() as u64);
                }
                Verdict::Bisect => {
                    if lines.len() == 1 && !self.refusal_counts(report).await {
                        let why = format!("it refuses every point: {why}");
                        return Ok(self.wait(Verdict::Hold, &why, None, report));
                    }
                    if let Some(line) = split.refused() {
                        self.refused_in_a_row += 1;
                        refused.push((line, "store_rejected", why));
                    }
                }
                Verdict::Halve => {
                    self.in_vain += 1;
                    self.most = (lines.len() / 2).max(1);
                    if let Some(line) = split.too_large() {
                        refused.push((line, "store_too_large", why));
                    }
                }
                Verdict::Retry | Verdict::Unknown | Verdict::Hold => {
                    return Ok(self.wait(verdict, &why, pause, report));
                }
            }
        }
    }

    fn judge(&mut self, reply: Reply) -> (Verdict, String, Option<Duration>) {
        let (verdict, why, pause) = match reply {
            Reply::Status { code, retry_after, said } => {
                let (verdict, hint) = verdict(self.engine, code);
                (verdict, format!("{code}: {hint} (it said: {said})"), retry_after)
            }
            Reply::None(why) => (Verdict::Retry, why, None),
        };
        if matches!(verdict, Verdict::Retry | Verdict::Unknown) && pause.is_none() {
            self.in_vain = self.in_vain.saturating_add(1);
            self.most = (self.most / 2).max(self.most.min(LEAST_LINES));
        }
        (verdict, why, pause)
    }

    fn accepted(&mut self, first_line: &[u8], lines: usize) {
        self.asking.reset();
        self.refused_in_a_row = 0;
        self.known_good = Some(first_line.to_vec());
        // After many in vain the store was away, whatever the size.
        if std::mem::take(&mut self.in_vain) == 1 {
            self.content_for = CONTENT_FOR;
        }
        if lines >= self.most {
            match self.content_for.checked_sub(1) {
                Some(left) => self.content_for = left,
                None => self.most = (self.most * 2).min(self.limit),
            }
        }
    }

    /// Whether the refusal of a single point is the point's own fault. When too many were refused in a row, a
    /// line that was accepted before is sent again: a store that refuses even that is held, not obeyed, for it
    /// would empty the whole backlog into quarantine.
    async fn refusal_counts(&mut self, report: &Report) -> bool {
        if self.refused_in_a_row < DOUBT_AFTER {
            return true;
        }
        if let Some(line) = &self.known_good {
            report.change(|s| s.requests += 1);
            if let Reply::Status { code, .. } = self.store.write(gzip(line)).await
                && verdict(self.engine, code).0 == Verdict::Accepted
            {
                self.refused_in_a_row = 0;
                return true;
            }
        }
        false
    }

    fn wait(&mut self, verdict: Verdict, why: &str, pause: Option<Duration>, report: &Report) -> Went {
        let state = if verdict == Verdict::Hold { SinkState::Holding } else { SinkState::Retrying };
        report.failed(state, why);
        Went::Wait(match (verdict, pause) {
            (Verdict::Hold, _) => self.hold,
            (_, Some(pause)) => pause,
            (_, None) => self.asking.pause(),
        })
    }
}

/// The lines, compressed; a large request off the threads that answer everybody.
async fn packed(chunk: &Arc<Chunk>, lines: Range<usize>) -> Bytes {
    if chunk.bytes(lines.clone()).len() < PACK_AT_ONCE {
        return gzip(chunk.bytes(lines));
    }
    let (shared, part) = (Arc::clone(chunk), lines.clone());
    match tokio::task::spawn_blocking(move || gzip(shared.bytes(part))).await {
        Ok(body) => body,
        // The runtime is ending.
        Err(_) => gzip(chunk.bytes(lines)),
    }
}
