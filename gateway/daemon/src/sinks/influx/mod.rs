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
mod spool;

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
use self::send::{Refused, Sender, Stopped, Went};
use self::settle::Tail;
use self::spool::{LOOK_EVERY_MS, Spool};
use super::{BatchSource, SinkState, SinkStatus, SourceError};
use crate::config::Credentials;
use crate::delivery::Delivery;
use crate::outbound::OutboundError;

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
        reader,
        clock,
        sender: Sender::new(&config, store, seed),
        spool: Spool::new(
            Lanes::new(0, &[], config.split_after),
            Tail::new(config.settle()),
            config.backlog_bytes.0,
        ),
        place: Place::default(),
    };
    sink.run(head).await;
    Ok(())
}

struct Sink {
    keeper: Keeper,
    reader: Reader,
    clock: Arc<dyn Clock>,
    sender: Sender,
    spool: Spool,
    /// The cursor as it was stored last.
    place: Place,
}

/// A chunk that is being read while another is on its way.
struct Ahead {
    job: Job,
    chunk: JoinHandle<Result<Prepared, SourceError>>,
}

impl Sink {
    async fn run(mut self, mut head: watch::Receiver<Seq>) {
        let Err(Stopped) = self.work(&mut head).await;
        // What was sent since the cursor was last stored would only be sent again: not worth a delay.
        let settled = self.spool.settled();
        if settled > self.place.stored() {
            let told = self.keeper.delivery.deliver(self.keeper.moved(settled));
            drop(tokio::time::timeout(Duration::from_millis(500), told).await);
        }
        self.keeper.report.change(|s| s.state = SinkState::Stopped);
    }

    /// Works until it is told to stop.
    async fn work(&mut self, head: &mut watch::Receiver<Seq>) -> Result<Infallible, Stopped> {
        self.begin().await?;
        let mut ahead: Option<Ahead> = None;
        loop {
            if self.keeper.stop.is_cancelled() {
                return Err(Stopped);
            }
            self.housekeeping(&mut ahead).await?;
            let newest = *head.borrow_and_update();
            let lanes = &mut self.spool.lanes;
            let Some(job) = lanes.next(newest) else {
                self.keeper.report.idle(lanes.cursor(), newest, lanes.missing());
                self.store_cursor().await?;
                self.wait(head).await?;
                continue;
            };
            let prepared = self.prepared(job, &mut ahead).await?;
            if ahead.is_none() {
                ahead = self.look_ahead(&prepared, *head.borrow());
            }
            let refused = self.send(&prepared).await?;
            self.quarantine(&prepared, refused).await?;
            prepared.done(&mut self.spool.lanes);
            self.place.sent(prepared.chunk.len());
            let now = self.clock.now().steady_ms;
            self.spool.tail.sent(self.spool.lanes.cursor(), now);
            if let Job::Fill { hole } = prepared.job {
                self.spool.filled(&self.keeper, hole, prepared.up_to, now).await?;
            }
            let lanes = &self.spool.lanes;
            let newest = *head.borrow();
            self.keeper.report.moved(lanes.cursor(), newest, lanes.catching_up(), lanes.missing());
        }
    }

    /// Reads the cursor; nothing can be sent before it is known.
    async fn begin(&mut self) -> Result<(), Stopped> {
        // From here on batches wait for this sink; nothing happens when it is known.
        let consumer = self.keeper.consumer.clone();
        self.keeper.deliver(DeliveryChange::ConsumerAdded { consumer: consumer.clone(), seq: 0 }).await?;
        let cursor = self.keeper.ask(&self.reader, move |source| source.cursor(&consumer)).await?;
        self.spool.begin(cursor);
        self.place.begin(cursor);
        Ok(())
    }

    /// Sends the chunk, and meanwhile stores how far the earlier ones have got. Takes as long as the store is away.
    async fn send(&mut self, prepared: &Prepared) -> Result<Vec<Refused>, Stopped> {
        let now = self.clock.now().steady_ms;
        let due = self.place.due(self.spool.settled(), now);
        let Self { keeper, reader, clock, sender, spool, place } = self;
        let stored = async {
            match due {
                Some(settled) => keeper.deliver(keeper.moved(settled)).await,
                None => Ok(()),
            }
        };
        let mut sending = sender.begin(&prepared.chunk);
        let (mut went, stored) =
            tokio::join!(sender.go_on(&mut sending, &keeper.report, &keeper.stop), stored);
        if let (Some(settled), Ok(())) = (due, stored) {
            place.stored_up_to(settled, now);
        }
        while let Went::Wait(wait) = went? {
            spool.look(keeper, reader, clock.now().steady_ms).await?;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = keeper.stop.cancelled() => return Err(Stopped),
            }
            went = sender.go_on(&mut sending, &keeper.report, &keeper.stop).await;
        }
        Ok(sending.refused)
    }

    /// Stores the cursor if it is due.
    async fn store_cursor(&mut self) -> Result<(), Stopped> {
        let now = self.clock.now().steady_ms;
        if let Some(settled) = self.place.due(self.spool.settled(), now) {
            self.keeper.deliver(self.keeper.moved(settled)).await?;
            self.place.stored_up_to(settled, now);
        }
        Ok(())
    }

    /// Waits for news, but not past the next housekeeping.
    async fn wait(&self, head: &mut watch::Receiver<Seq>) -> Result<(), Stopped> {
        let pending = self.spool.settled() > self.place.stored();
        let most = if pending {
            keep::AT_LEAST_EVERY_MS
        } else {
            self.spool.tail.check_every_ms().min(LOOK_EVERY_MS)
        };
        tokio::select! {
            () = self.keeper.stop.cancelled() => Err(Stopped),
            changed = head.changed() => changed.map_err(|_| Stopped),
            () = tokio::time::sleep(Duration::from_millis(most)) => Ok(()),
        }
    }

    async fn housekeeping(&mut self, ahead: &mut Option<Ahead>) -> Result<(), Stopped> {
        let now = self.clock.now().steady_ms;
        let tail = &mut self.spool.tail;
        if tail.check_is_due(now) && !tail.seen(self.sender.store().started_at().await, now) {
            self.spool.rewind();
            *ahead = None;
            let why = "the store was restarted; its last minute is sent again";
            self.keeper.report.failed(SinkState::CatchingUp, why);
        }
        self.spool.close_holes(&self.keeper).await?;
        self.spool.look(&self.keeper, &self.reader, now).await
    }

    /// The chunk of this job: the one read ahead if it was for the same job. What was read of the backlog waits while the
    /// newest go first: those are read when it is their turn, and so up to the last.
    async fn prepared(&self, job: Job, ahead: &mut Option<Ahead>) -> Result<Prepared, Stopped> {
        let keep = matches!(job, Job::Live { .. }) && self.spool.lanes.catching_up();
        if let Some(read) = ahead.take_if(|read| read.job == job || !keep)
            && read.job == job
            && let Ok(Ok(prepared)) = read.chunk.await
        {
            return Ok(prepared);
        }
        let (reader, most) = (self.reader.clone(), self.sender.most());
        self.keeper.blocking(move || reader.prepare(job, most)).await
    }

    /// Reads and encodes the next chunk while this one is on its way; while there is a backlog, the next of that.
    fn look_ahead(&self, prepared: &Prepared, newest: Seq) -> Option<Ahead> {
        let mut lanes = self.spool.lanes.clone();
        prepared.done(&mut lanes);
        let mut job = lanes.next(newest)?;
        if matches!(job, Job::Live { .. }) && lanes.catching_up() {
            lanes.done(job, newest);
            job = lanes.next(newest)?;
        }
        let (reader, most) = (self.reader.clone(), self.sender.most());
        Some(Ahead { job, chunk: tokio::task::spawn_blocking(move || reader.prepare(job, most)) })
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
}
