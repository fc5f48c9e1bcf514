//! A gateway in memory around one sink: batches, cursor, holes, quarantine.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use orderly::config::Credentials;
use orderly::delivery::Delivery;
use orderly::sinks::influx::{self, InfluxConfig};
use orderly::sinks::{Batch, BatchSource, Hole, SinkState, SinkStatus, SourceError};
use orderly_core::ids::{ClassId, DeviceId, MetricId, SiteId, StreamId};
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::record::Seq;
use orderly_core::time::{Clock, Now, Timestamp};
use orderly_core::value::{Quality, Value};
use orderly_store::state::DeliveryChange;
use orderly_tests::patience::in_time;
use smallvec::smallvec;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a test can see and change.
#[derive(Default)]
pub struct Memory {
    pub batches: Mutex<Vec<Batch>>,
    pub history: Mutex<Vec<Reading>>,
    pub holes: Mutex<Vec<Hole>>,
    pub cursor: Mutex<Seq>,
    /// Record, code, line and reason of each point that the store refused.
    pub rejected: Mutex<Vec<(Seq, &'static str, String, String)>>,
    /// Every cursor that was stored, in order.
    pub moves: Mutex<Vec<Seq>>,
    /// Answers the next calls with an error.
    pub fail: Mutex<u32>,
    pub news: watch::Sender<u64>,
}

impl Memory {
    /// Waits until the sink has stored what is asked for.
    pub async fn until(&self, mut reached: impl FnMut(&Self) -> bool) {
        let mut news = self.news.subscribe();
        in_time("the sink's deliveries", news.wait_for(|_| reached(self))).await.unwrap();
    }

    fn failing(&self) -> bool {
        let mut fail = self.fail.lock().unwrap();
        *fail = fail.saturating_sub(1);
        *fail > 0
    }
}

impl BatchSource for Memory {
    fn cursor(&self, _: &str) -> Result<Seq, SourceError> {
        Ok(*self.cursor.lock().unwrap())
    }

    fn batches_after(&self, after: Seq, max_bytes: usize) -> Result<(Vec<Batch>, Seq), SourceError> {
        if self.failing() {
            return Err(SourceError("the disk is away".to_owned()));
        }
        let batches = self.batches.lock().unwrap();
        let mut left = max_bytes;
        let found: Vec<Batch> = batches
            .iter()
            .filter(|b| b.last > after)
            .take_while(|b| {
                let more = left > 0;
                left = left.saturating_sub(bytes(b));
                more
            })
            .cloned()
            .collect();
        let through = found.last().map_or(after, |b| b.last);
        Ok((found, through))
    }

    fn holes(&self, _: &str) -> Result<Vec<Hole>, SourceError> {
        Ok(self.holes.lock().unwrap().clone())
    }

    fn history(&self, from: Seq, to: Seq, limit: usize) -> Result<(Vec<Reading>, Seq), SourceError> {
        let history = self.history.lock().unwrap();
        let inside = |r: &&Reading| (from..=to).contains(&r.origin.seq);
        let found: Vec<Reading> = history.iter().filter(inside).take(limit).cloned().collect();
        let through = if found.len() < limit { to } else { found.last().unwrap().origin.seq };
        Ok((found, through))
    }

    fn over_cap(&self, after: Seq, keep_bytes: u64) -> Result<Option<Seq>, SourceError> {
        let batches = self.batches.lock().unwrap();
        let mut left = keep_bytes;
        for batch in batches.iter().rev().filter(|b| b.last > after) {
            match left.checked_sub(bytes(batch) as u64) {
                Some(rest) => left = rest,
                None => return Ok(Some(batch.last)),
            }
        }
        Ok(None)
    }
}

/// What a batch counts for.
fn bytes(batch: &Batch) -> usize {
    batch.readings.len() * 50
}

impl Delivery for Memory {
    fn deliver(&self, change: DeliveryChange) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            if self.failing() {
                return Err("the state store is away".to_owned());
            }
            match change {
                DeliveryChange::CursorMoved { seq, .. } => {
                    *self.cursor.lock().unwrap() = seq;
                    self.moves.lock().unwrap().push(seq);
                }
                DeliveryChange::HoleOpened { from, to, .. } => {
                    self.holes.lock().unwrap().push(Hole { first: from, last: to });
                    self.batches.lock().unwrap().retain(|b| b.last > to);
                    *self.cursor.lock().unwrap() = to;
                }
                DeliveryChange::HoleFilled { from, to, .. } => {
                    let mut holes = self.holes.lock().unwrap();
                    for hole in holes.iter_mut().filter(|h| h.first == from) {
                        hole.first = to + 1;
                    }
                    holes.retain(|h| h.first <= h.last);
                }
                DeliveryChange::Rejected { seq, code, reason, excerpt, .. } => {
                    let line = String::from_utf8(excerpt).unwrap();
                    self.rejected.lock().unwrap().push((seq, code, line, reason));
                }
                DeliveryChange::ConsumerAdded { seq, .. } => assert_eq!(seq, 0),
                other => panic!("a sink says {other:?}"),
            }
            self.news.send_modify(|n| *n += 1);
            Ok(())
        })
    }
}

/// A clock that moves by a step whenever it is asked: what waits for time goes on without waiting.
pub struct SteppingClock {
    pub step_ms: u64,
    now: Mutex<u64>,
}

impl Clock for SteppingClock {
    fn now(&self) -> Now {
        let mut now = self.now.lock().unwrap();
        *now += self.step_ms;
        Now { wall: Timestamp(1_700_000_000_000 + *now as i64), steady_ms: *now, boot: 1 }
    }
}

/// A running sink and its surroundings.
pub struct Rig {
    pub memory: Arc<Memory>,
    pub head: watch::Sender<Seq>,
    pub status: watch::Receiver<SinkStatus>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
    next: Seq,
}

impl Rig {
    pub fn start(config: InfluxConfig) -> Self {
        Self::with(config, Arc::default())
    }

    /// Starts over what an earlier run left.
    pub fn with(config: InfluxConfig, memory: Arc<Memory>) -> Self {
        let last = memory.batches.lock().unwrap().last().map_or(0, |b| b.last);
        let last = last.max(*memory.cursor.lock().unwrap());
        let head = watch::Sender::new(last);
        let status = watch::Sender::new(SinkStatus::default());
        let stop = CancellationToken::new();
        let deps = influx::Deps {
            source: Arc::clone(&memory) as Arc<dyn BatchSource>,
            delivery: Arc::clone(&memory) as Arc<dyn Delivery>,
            clock: Arc::new(SteppingClock { step_ms: 50, now: Mutex::new(0) }),
            head: head.subscribe(),
            status: status.clone(),
            site: SiteId::new("main").unwrap(),
            credentials: Credentials::default(),
        };
        let run = influx::run(config, deps, stop.clone());
        let task = tokio::spawn(async move { run.await.unwrap() });
        Self { memory, head, status: status.subscribe(), stop, task, next: last + 1 }
    }

    /// Commits a batch of `n` readings of `device`, each its own record; gives the last record.
    pub fn commit(&mut self, device: &str, n: u64) -> Seq {
        let readings: Vec<Reading> = (self.next..self.next + n).map(|seq| reading(device, seq)).collect();
        self.commit_these(readings)
    }

    pub fn commit_these(&mut self, readings: Vec<Reading>) -> Seq {
        let last = readings.last().unwrap().origin.seq;
        let batch = Batch { first: self.next, last, readings: Arc::new(readings) };
        self.memory.batches.lock().unwrap().push(batch);
        self.next = last + 1;
        self.head.send_replace(last);
        last
    }

    pub async fn until_state(&mut self, state: SinkState) -> SinkStatus {
        in_time("a state of the sink", self.status.wait_for(|s| s.state == state)).await.unwrap().clone()
    }

    pub async fn until_cursor(&mut self, seq: Seq) -> SinkStatus {
        in_time("the sink's cursor", self.status.wait_for(|s| s.cursor >= seq)).await.unwrap().clone()
    }

    /// Ends it as `kill -9` does: nothing more is stored.
    pub async fn kill(self) {
        self.task.abort();
        // It was aborted, which is what was wanted.
        drop(self.task.await);
    }

    pub async fn stop(self) -> Arc<Memory> {
        self.stop.cancel();
        self.task.await.unwrap();
        self.memory
    }
}

/// A reading whose value and time tell which record it came from.
pub fn reading(device: &str, seq: Seq) -> Reading {
    let taken_at = Timestamp(1_700_000_000_000 + seq as i64);
    let sys = Measured {
        metric: MetricId::new("sys").unwrap(),
        value: Value::Number(seq as f64),
        unit: "mm[Hg]".into(),
        quality: Quality::Good,
        reason: None,
        raw: None,
    };
    Reading {
        origin: Origin { seq, index: 0 },
        device: DeviceId::new(device).unwrap(),
        class: ClassId::new("bp_meter").unwrap(),
        epoch: 0,
        stream: StreamId::new("reading").unwrap(),
        device_time: Some(taken_at),
        taken_at,
        received_at: taken_at,
        sequence: Some(seq),
        offset_ns: (seq % 1_000_000) as u32,
        profile: 1,
        marks: Marks::default(),
        replaces: None,
        zone: None,
        values: smallvec![sys],
    }
}

/// Settings for a test: the waits are short, the limits as shipped.
pub fn config(url: String) -> InfluxConfig {
    InfluxConfig {
        url,
        retry_first: orderly::config::Span::ms(1),
        retry_most: orderly::config::Span::ms(20),
        hold: orderly::config::Span::ms(5),
        ..InfluxConfig::default()
    }
}
