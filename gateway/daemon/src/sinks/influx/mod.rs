//! InfluxDB and what speaks its line protocol (InfluxDB 1 to 3, VictoriaMetrics and others).
//!
//! The writer, the error table and the splitting are ours; the `influxdb2` crate serves health, buckets and old
//! history only, in one file (RELIABILITY 5.3).

#[cfg(feature = "influxdb2")]
pub mod admin;
pub mod answers;
mod client;
mod config;
pub mod encode;
mod lanes;
pub mod point;
mod prepare;
mod report;
mod send;
mod settle;
mod split;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderly_core::ids::SiteId;
use orderly_core::record::Seq;
use orderly_core::time::Clock;
use orderly_store::state::DeliveryChange;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::config::{Dialect, Engine, InfluxConfig};
use self::encode::Encoder;
use self::lanes::{Job, Lanes};
use self::prepare::{Prepared, Reader};
use self::report::Report;
use self::send::{Sender, Stopped};
use self::settle::Tail;
use super::{BatchSource, Hole, SinkState, SinkStatus, SourceError};
use crate::config::Credentials;
use crate::delivery::Delivery;
use crate::outbound::OutboundError;
use crate::retry::Backoff;

/// The cursor is stored at most this often while data flows: what lies between is sent again after a crash.
const CURSOR_EVERY_MS: u64 = 500;
/// Holes are looked for this often.
const HOLES_EVERY_MS: u64 = 10_000;

/// What the sink is given by the runtime.
pub struct Deps {
    /// Where the batches are.
    pub source: Arc<dyn BatchSource>,
    /// The way to the state store.
    pub delivery: Arc<dyn Delivery>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// The last record that was committed.
    pub head: watch::Receiver<Seq>,
    /// Where the sink says how it is.
    pub status: watch::Sender<SinkStatus>,
    /// The site, for the tag.
    pub site: SiteId,
    /// Where the token is looked for.
    pub credentials: Credentials,
}

/// Runs the sink until it is told to stop. Whatever the store does, it goes on.
///
/// # Errors
/// When the settings cannot be used: address, token file, certificates.
pub async fn run(config: InfluxConfig, deps: Deps, stop: CancellationToken) -> Result<(), OutboundError> {
    let store = client::Store::new(&config, &deps.credentials)?;
    #[cfg(feature = "influxdb2")]
    if config.create_bucket && config.engine == Engine::InfluxDb2 {
        tokio::spawn(bucket(config.clone(), deps.credentials.clone(), stop.clone()));
    }
    let seed = deps.clock.now().wall.0.unsigned_abs();
    let Deps { source, delivery, clock, head, status, site, credentials: _ } = deps;
    status.send_modify(|s| s.name = config.name.as_str().into());
    let encoder = Encoder::new(site, config.milliseconds_only());
    let reader = Reader {
        source,
        encoder: Arc::new(Mutex::new(encoder)),
        max_bytes: config.max_bytes,
        max_lines: config.max_lines,
    };
    let sink = Sink {
        consumer: format!("sink:{}", config.name),
        cap: config.backlog_bytes.0,
        reader,
        delivery,
        report: Report { status, clock: Arc::clone(&clock) },
        clock,
        sender: Sender::new(&config, store, seed),
        tail: Tail::new(config.settle()),
        lanes: Lanes::new(0, &[], config.split_after),
        stored: 0,
        stored_at: 0,
        holes_at: 0,
        stop: stop.clone(),
    };
    sink.run(head).await;
    Ok(())
}

/// Makes the bucket, as often as it takes; the sink holds and tries on meanwhile.
#[cfg(feature = "influxdb2")]
async fn bucket(config: InfluxConfig, credentials: Credentials, stop: CancellationToken) {
    let admin = match admin::Admin::new(&config, &credentials) {
        Ok(admin) => admin,
        Err(error) => return tracing::warn!(sink = %config.name, %error, "the bucket cannot be looked for"),
    };
    loop {
        match admin.ensure_bucket().await {
            Ok(made) => {
                return tracing::info!(sink = %config.name, bucket = %config.bucket, made, "the bucket is there");
            }
            Err(error) => tracing::warn!(sink = %config.name, %error, "the bucket could not be looked for"),
        }
        tokio::select! {
            () = tokio::time::sleep(config.hold.0) => {}
            () = stop.cancelled() => return,
        }
    }
}

struct Sink {
    /// Its name in the state store.
    consumer: String,
    reader: Reader,
    delivery: Arc<dyn Delivery>,
    clock: Arc<dyn Clock>,
    report: Report,
    sender: Sender,
    tail: Tail,
    lanes: Lanes,
    /// The cursor as it was stored last, and when.
    stored: Seq,
    stored_at: u64,
    holes_at: u64,
    /// Most bytes of batches that wait for the store.
    cap: u64,
    stop: CancellationToken,
}

type Ahead = Option<JoinHandle<Result<Prepared, SourceError>>>;

impl Sink {
    async fn run(mut self, mut head: watch::Receiver<Seq>) {
        let Err(Stopped) = self.work(&mut head).await;
        // What was sent since the cursor was last stored would only be sent again: not worth a delay.
        let settled = self.tail.settled(self.lanes.cursor());
        if settled > self.stored {
            let moved = DeliveryChange::CursorMoved { consumer: self.consumer.clone(), seq: settled };
            drop(tokio::time::timeout(Duration::from_millis(500), self.delivery.deliver(moved)).await);
        }
        self.report.change(|s| s.state = SinkState::Stopped);
    }

    /// Works until it is told to stop.
    async fn work(&mut self, head: &mut watch::Receiver<Seq>) -> Result<Infallible, Stopped> {
        self.begin().await?;
        let mut ahead: Ahead = None;
        loop {
            if self.stop.is_cancelled() {
                return Err(Stopped);
            }
            self.housekeeping(&mut ahead).await?;
            let newest = *head.borrow_and_update();
            let Some(job) = self.lanes.next(newest) else {
                self.report.idle(self.lanes.cursor(), newest, self.lanes.missing());
                self.wait(head).await?;
                continue;
            };
            let prepared = self.prepared(job, ahead.take()).await?;
            ahead = self.look_ahead(&prepared, *head.borrow());
            let refused = self.sender.send(&prepared.chunk, &self.report, &self.stop).await?;
            self.quarantine(&prepared, refused).await?;
            self.lanes.done(prepared.job, prepared.up_to);
            self.tail.sent(self.lanes.cursor(), self.clock.now().steady_ms);
            if let Job::Fill { hole } = prepared.job {
                self.filled(hole, prepared.up_to).await?;
            }
            let newest = *head.borrow();
            self.report.moved(self.lanes.cursor(), newest, self.lanes.catching_up(), self.lanes.missing());
        }
    }

    /// Reads the cursor; nothing can be sent before it is known.
    async fn begin(&mut self) -> Result<(), Stopped> {
        // From here on batches wait for this sink; nothing happens when it is known.
        self.deliver(DeliveryChange::ConsumerAdded { consumer: self.consumer.clone(), seq: 0 }).await?;
        let consumer = self.consumer.clone();
        let cursor = self.ask(move |source| source.cursor(&consumer)).await?;
        self.lanes.begin(cursor);
        self.tail.begin(cursor);
        self.stored = cursor;
        Ok(())
    }

    /// Waits for news, but not past the next housekeeping.
    async fn wait(&self, head: &mut watch::Receiver<Seq>) -> Result<(), Stopped> {
        let pending = self.tail.settled(self.lanes.cursor()) > self.stored;
        let most = if pending { CURSOR_EVERY_MS } else { self.tail.check_every_ms().min(HOLES_EVERY_MS) };
        tokio::select! {
            () = self.stop.cancelled() => Err(Stopped),
            changed = head.changed() => changed.map_err(|_| Stopped),
            () = tokio::time::sleep(Duration::from_millis(most)) => Ok(()),
        }
    }

    async fn housekeeping(&mut self, ahead: &mut Ahead) -> Result<(), Stopped> {
        let now = self.clock.now().steady_ms;
        if self.tail.check_is_due(now) && !self.tail.seen(self.sender.store().started_at().await, now) {
            // It was started anew and may have forgotten what it had accepted: send that again.
            self.lanes.rewind(self.tail.settled(0));
            *ahead = None;
            self.report
                .failed(SinkState::CatchingUp, "the store was restarted; its last minute is sent again");
        }
        let settled = self.tail.settled(self.lanes.cursor());
        if settled > self.stored && now.saturating_sub(self.stored_at) >= CURSOR_EVERY_MS {
            let consumer = self.consumer.clone();
            self.deliver(DeliveryChange::CursorMoved { consumer, seq: settled }).await?;
            (self.stored, self.stored_at) = (settled, now);
        }
        if self.holes_at == 0 || now.saturating_sub(self.holes_at) >= HOLES_EVERY_MS {
            self.cap_and_holes(settled).await?;
            self.holes_at = now.max(1);
        }
        Ok(())
    }

    /// A backlog above its cap becomes a hole, so that the batches can go; then reads which holes there are.
    async fn cap_and_holes(&mut self, settled: Seq) -> Result<(), Stopped> {
        let cap = self.cap;
        if let Some(to) = self.ask(move |source| source.over_cap(settled, cap)).await? {
            let (consumer, from) = (self.consumer.clone(), settled + 1);
            self.deliver(DeliveryChange::HoleOpened { consumer, from, to }).await?;
            self.lanes.skip(to);
            self.tail.skip(to);
            tracing::warn!(sink = %self.consumer, from, to, "the backlog is full; this part is filled in later");
        }
        let consumer = self.consumer.clone();
        let holes = self.ask(move |source| source.holes(&consumer)).await?;
        self.lanes.set_holes(&holes);
        Ok(())
    }

    async fn filled(&mut self, hole: Hole, to: Seq) -> Result<(), Stopped> {
        if to < hole.first {
            // The long-term store is behind: there is nothing to fill yet. Ask again with the other holes.
            self.lanes.set_holes(&[]);
            return Ok(());
        }
        let (consumer, from) = (self.consumer.clone(), hole.first);
        self.deliver(DeliveryChange::HoleFilled { consumer, from, to }).await
    }

    /// The chunk of this job: the one read ahead if it was for the same job.
    async fn prepared(&mut self, job: Job, ahead: Ahead) -> Result<Prepared, Stopped> {
        if let Some(ahead) = ahead
            && let Ok(Ok(prepared)) = ahead.await
            && prepared.job == job
        {
            return Ok(prepared);
        }
        let reader = self.reader.clone();
        self.blocking(move || reader.prepare(job)).await
    }

    /// Reads and encodes the next chunk while this one is on its way.
    fn look_ahead(&self, prepared: &Prepared, newest: Seq) -> Ahead {
        let mut lanes = self.lanes.clone();
        lanes.done(prepared.job, prepared.up_to);
        let job = lanes.next(newest)?;
        let reader = self.reader.clone();
        Some(tokio::task::spawn_blocking(move || reader.prepare(job)))
    }

    /// Puts on record what the store does not take, before the cursor passes it.
    async fn quarantine(
        &mut self,
        prepared: &Prepared,
        refused: Vec<(usize, &'static str, String)>,
    ) -> Result<(), Stopped> {
        let at = self.clock.now().wall;
        let chunk = &prepared.chunk;
        let refused = refused.into_iter().map(|(line, code, reason)| {
            let (origin, device) = chunk.origin(line);
            (origin, device, code, reason, chunk.line(line))
        });
        let unwritable = chunk.unwritable.iter().cloned();
        let unwritable =
            unwritable.map(|(origin, device, code, reason)| (origin, device, code, reason, String::new()));
        for (origin, device, code, reason, line) in refused.chain(unwritable) {
            self.report.rejected(code);
            let rejected = DeliveryChange::Rejected {
                seq: origin.seq,
                index: origin.index,
                at,
                consumer: self.consumer.clone(),
                address: device.to_string(),
                code,
                reason,
                excerpt: line.into_bytes(),
            };
            self.deliver(rejected).await?;
        }
        Ok(())
    }

    /// Tells the state store, as often as it takes.
    async fn deliver(&self, change: DeliveryChange) -> Result<(), Stopped> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), self.stored);
        loop {
            let done = tokio::select! {
                done = self.delivery.deliver(change.clone()) => done,
                () = self.stop.cancelled() => return Err(Stopped),
            };
            let Err(why) = done else { return Ok(()) };
            self.pause(&why, &mut backoff).await?;
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&dyn BatchSource) -> Result<T, SourceError> + Clone + Send + 'static,
    ) -> Result<T, Stopped> {
        let source = Arc::clone(&self.reader.source);
        self.blocking(move || question(&*source)).await
    }

    /// Asks the store of the gateway off the async threads, as often as it takes.
    async fn blocking<T: Send + 'static>(
        &self,
        question: impl Fn() -> Result<T, SourceError> + Clone + Send + 'static,
    ) -> Result<T, Stopped> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), self.stored);
        loop {
            let why = match tokio::task::spawn_blocking(question.clone()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(e)) => e.to_string(),
                Err(e) => format!("reading ended with a fault of ours: {e}"),
            };
            self.pause(&why, &mut backoff).await?;
        }
    }

    async fn pause(&self, why: &str, backoff: &mut Backoff) -> Result<(), Stopped> {
        self.report.failed(SinkState::Blocked, why);
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => Ok(()),
            () = self.stop.cancelled() => Err(Stopped),
        }
    }
}
