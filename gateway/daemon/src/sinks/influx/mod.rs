//! InfluxDB and what speaks its line protocol (InfluxDB 1 to 3, VictoriaMetrics and others).
//!
//! The writer, the error table and the splitting are ours; the `influxdb2` crate serves health, buckets and old
//! history only, in one file (RELIABILITY 5.3).

#[cfg(feature = "influxdb2")]
pub mod admin;
pub mod answers;
#[cfg(feature = "influxdb2")]
mod checkup;
mod client;
mod config;
pub mod encode;
mod field;
mod keep;
mod lanes;
#[cfg(feature = "influxdb2")]
pub mod old;
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
use self::keep::{Keeper, Place};
use self::lanes::{Job, Lanes};
use self::prepare::{Prepared, Reader};
use self::report::Report;
use self::send::{Refused, Sender, Stopped};
use self::settle::Tail;
use super::{BatchSource, Hole, SinkState, SinkStatus, SourceError};
use crate::config::Credentials;
use crate::delivery::Delivery;
use crate::outbound::OutboundError;

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
    tokio::spawn(checkup::run(config.clone(), deps.credentials.clone(), deps.status.clone(), stop.clone()));
    #[cfg(not(feature = "influxdb2"))]
    deps.status.send_modify(|s| s.store = StoreCheck::Unsupported("this build asks no store about itself"));
    let seed = deps.clock.now().wall.0.unsigned_abs();
    let Deps { source, delivery, clock, head, status, site, credentials: _ } = deps;
    status.send_modify(|s| s.name = config.name.as_str().into());
    let encoder = Encoder::new(site, config.fields(), config.milliseconds_only());
    let reader = Reader {
        source,
        encoder: Arc::new(Mutex::new(encoder)),
        max_bytes: config.max_bytes,
        max_lines: config.max_lines,
    };
    let sink = Sink {
        keeper: Keeper {
            consumer: format!("sink:{}", config.name),
            delivery,
            report: Report { status, clock: Arc::clone(&clock) },
            seed,
            stop,
        },
        cap: config.backlog_bytes.0,
        reader,
        clock,
        sender: Sender::new(&config, store, seed),
        tail: Tail::new(config.settle()),
        lanes: Lanes::new(0, &[], config.split_after),
        place: Place::default(),
        holes_at: 0,
    };
    sink.run(head).await;
    Ok(())
}

struct Sink {
    keeper: Keeper,
    reader: Reader,
    clock: Arc<dyn Clock>,
    sender: Sender,
    tail: Tail,
    lanes: Lanes,
    /// The cursor as it was stored last.
    place: Place,
    holes_at: u64,
    /// Most bytes of batches that wait for the store.
    cap: u64,
}

type Ahead = Option<JoinHandle<Result<Prepared, SourceError>>>;

impl Sink {
    async fn run(mut self, mut head: watch::Receiver<Seq>) {
        let Err(Stopped) = self.work(&mut head).await;
        // What was sent since the cursor was last stored would only be sent again: not worth a delay.
        let settled = self.tail.settled(self.lanes.cursor());
        if settled > self.place.stored() {
            let told = self.keeper.delivery.deliver(self.keeper.moved(settled));
            drop(tokio::time::timeout(Duration::from_millis(500), told).await);
        }
        self.keeper.report.change(|s| s.state = SinkState::Stopped);
    }

    /// Works until it is told to stop.
    async fn work(&mut self, head: &mut watch::Receiver<Seq>) -> Result<Infallible, Stopped> {
        self.begin().await?;
        let mut ahead: Ahead = None;
        loop {
            if self.keeper.stop.is_cancelled() {
                return Err(Stopped);
            }
            self.housekeeping(&mut ahead).await?;
            let newest = *head.borrow_and_update();
            let Some(job) = self.lanes.next(newest) else {
                self.keeper.report.idle(self.lanes.cursor(), newest, self.lanes.missing());
                self.store_cursor().await?;
                self.wait(head).await?;
                continue;
            };
            let prepared = self.prepared(job, ahead.take()).await?;
            ahead = self.look_ahead(&prepared, *head.borrow());
            let refused = self.send(&prepared).await?;
            self.quarantine(&prepared, refused).await?;
            prepared.done(&mut self.lanes);
            self.place.sent(prepared.chunk.len());
            self.tail.sent(self.lanes.cursor(), self.clock.now().steady_ms);
            if let Job::Fill { hole } = prepared.job {
                self.filled(hole, prepared.up_to).await?;
            }
            let newest = *head.borrow();
            let (cursor, missing) = (self.lanes.cursor(), self.lanes.missing());
            self.keeper.report.moved(cursor, newest, self.lanes.catching_up(), missing);
        }
    }

    /// Reads the cursor; nothing can be sent before it is known.
    async fn begin(&mut self) -> Result<(), Stopped> {
        // From here on batches wait for this sink; nothing happens when it is known.
        let consumer = self.keeper.consumer.clone();
        self.keeper.deliver(DeliveryChange::ConsumerAdded { consumer: consumer.clone(), seq: 0 }).await?;
        let cursor = self.ask(move |source| source.cursor(&consumer)).await?;
        self.lanes.begin(cursor);
        self.tail.begin(cursor);
        self.place.begin(cursor);
        Ok(())
    }

    /// Sends the chunk, and meanwhile stores how far the earlier ones have got.
    async fn send(&mut self, prepared: &Prepared) -> Result<Vec<Refused>, Stopped> {
        let now = self.clock.now().steady_ms;
        let due = self.place.due(self.tail.settled(self.lanes.cursor()), now);
        let Self { keeper, sender, .. } = self;
        let stored = async {
            match due {
                Some(settled) => keeper.deliver(keeper.moved(settled)).await,
                None => Ok(()),
            }
        };
        let (refused, stored) =
            tokio::join!(sender.send(&prepared.chunk, &keeper.report, &keeper.stop), stored);
        if let (Some(settled), Ok(())) = (due, stored) {
            self.place.stored_up_to(settled, now);
        }
        refused
    }

    /// Stores the cursor if it is due.
    async fn store_cursor(&mut self) -> Result<(), Stopped> {
        let now = self.clock.now().steady_ms;
        if let Some(settled) = self.place.due(self.tail.settled(self.lanes.cursor()), now) {
            self.keeper.deliver(self.keeper.moved(settled)).await?;
            self.place.stored_up_to(settled, now);
        }
        Ok(())
    }

    /// Waits for news, but not past the next housekeeping.
    async fn wait(&self, head: &mut watch::Receiver<Seq>) -> Result<(), Stopped> {
        let pending = self.tail.settled(self.lanes.cursor()) > self.place.stored();
        let most =
            if pending { keep::AT_LEAST_EVERY_MS } else { self.tail.check_every_ms().min(HOLES_EVERY_MS) };
        tokio::select! {
            () = self.keeper.stop.cancelled() => Err(Stopped),
            changed = head.changed() => changed.map_err(|_| Stopped),
            () = tokio::time::sleep(Duration::from_millis(most)) => Ok(()),
        }
    }

    async fn housekeeping(&mut self, ahead: &mut Ahead) -> Result<(), Stopped> {
        let now = self.clock.now().steady_ms;
        if self.tail.check_is_due(now) && !self.tail.seen(self.sender.store().started_at().await, now) {
            // It was started anew and may have forgotten what it had accepted: send that again.
            self.lanes.rewind(self.tail.settled(0));
            self.holes_at = 0;
            *ahead = None;
            let why = "the store was restarted; its last minute is sent again";
            self.keeper.report.failed(SinkState::CatchingUp, why);
        }
        self.close_holes().await?;
        if self.holes_at == 0 || now.saturating_sub(self.holes_at) >= HOLES_EVERY_MS {
            self.cap_and_holes(self.tail.settled(self.lanes.cursor())).await?;
            self.holes_at = now.max(1);
        }
        Ok(())
    }

    /// A backlog above its cap becomes a hole, so that the batches can go; then reads which holes there are.
    async fn cap_and_holes(&mut self, settled: Seq) -> Result<(), Stopped> {
        let cap = self.cap;
        if let Some(to) = self.ask(move |source| source.over_cap(settled, cap)).await? {
            let (consumer, from) = (self.keeper.consumer.clone(), settled + 1);
            self.keeper.deliver(DeliveryChange::HoleOpened { consumer, from, to }).await?;
            self.lanes.skip(to);
            self.tail.skip(to);
            tracing::warn!(sink = %self.keeper.consumer, from, to, "the backlog is full; this part is filled in later");
        }
        let consumer = self.keeper.consumer.clone();
        let holes = self.ask(move |source| source.holes(&consumer)).await?;
        self.lanes.set_holes(&self.tail.to_fill(holes));
        Ok(())
    }

    async fn filled(&mut self, hole: Hole, to: Seq) -> Result<(), Stopped> {
        if to < hole.first {
            // The long-term store is behind: there is nothing to fill yet. Ask again with the other holes.
            self.lanes.set_holes(&[]);
            return Ok(());
        }
        self.tail.filled(Hole { first: hole.first, last: to }, self.clock.now().steady_ms);
        self.close_holes().await
    }

    /// Tells which parts of holes the store has for good.
    async fn close_holes(&mut self) -> Result<(), Stopped> {
        for Hole { first: from, last: to } in self.tail.take_closed() {
            let consumer = self.keeper.consumer.clone();
            self.keeper.deliver(DeliveryChange::HoleFilled { consumer, from, to }).await?;
        }
        Ok(())
    }

    /// The chunk of this job: the one read ahead if it was for the same job.
    async fn prepared(&mut self, job: Job, ahead: Ahead) -> Result<Prepared, Stopped> {
        if let Some(ahead) = ahead
            && let Ok(Ok(prepared)) = ahead.await
            && prepared.job == job
        {
            return Ok(prepared);
        }
        let (reader, most) = (self.reader.clone(), self.sender.most());
        self.keeper.blocking(move || reader.prepare(job, most)).await
    }

    /// Reads and encodes the next chunk while this one is on its way.
    fn look_ahead(&self, prepared: &Prepared, newest: Seq) -> Ahead {
        let mut lanes = self.lanes.clone();
        prepared.done(&mut lanes);
        let job = lanes.next(newest)?;
        let (reader, most) = (self.reader.clone(), self.sender.most());
        Some(tokio::task::spawn_blocking(move || reader.prepare(job, most)))
    }

    /// Puts on record what the store does not take, before the cursor passes it.
    async fn quarantine(&mut self, prepared: &Prepared, refused: Vec<Refused>) -> Result<(), Stopped> {
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
            self.keeper.report.rejected(code);
            let rejected = DeliveryChange::Rejected {
                seq: origin.seq,
                index: origin.index,
                at,
                consumer: self.keeper.consumer.clone(),
                address: device.to_string(),
                code,
                reason,
                excerpt: line.into_bytes(),
            };
            self.keeper.deliver(rejected).await?;
        }
        Ok(())
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&dyn BatchSource) -> Result<T, SourceError> + Clone + Send + 'static,
    ) -> Result<T, Stopped> {
        let source = Arc::clone(&self.reader.source);
        self.keeper.blocking(move || question(&*source)).await
    }
}
