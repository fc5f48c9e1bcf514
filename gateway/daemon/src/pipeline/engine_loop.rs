//! The engine thread: takes durable records in order, lets the engine decide, hands batches to the committer.
//!
//! It never writes a store. Batch n+1 is computed while n commits; never more than one is with the committer.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::engine::{Engine, EngineSettings};
use orderly_core::output::Snapshot;
use orderly_core::record::{Entry, Kind, Record, Seq};
use orderly_core::time::Clock;
use orderly_store::journal::{Journal, JournalError, Tail};
use tokio::sync::mpsc;

use super::census::Census;
use super::committer::StateCommand;
use super::lane::Lane;
use super::lookup::Lookups;
use super::opening::Opener;
use super::recent::Recent;
use super::refused::Refusals;
use super::signals::{Progress, Signals};
use super::timers::Timers;
use crate::observe::health::Pulse;
use crate::observe::metrics;
use crate::runtime::clock::Stopwatch;

/// A commit carries about so many records at most: three such batches are in memory at a time, and what a person
/// orders waits for one and a half.
const BATCH_RECORDS: u64 = 2_000;
/// And about so many readings: one record of line protocol may hold thousands.
const BATCH_READINGS: usize = 2_000;
/// And about so many bytes of input.
const BATCH_BYTES: usize = 2 << 20;
/// After a commit of so many records the next one may wait a little for more: each commit writes every device that
/// changed, so in a flood few large ones cost half of what many small ones do.
const CROWD: u64 = 500;
/// How long it waits at most after the one before.
const GATHER: Duration = Duration::from_millis(20);
/// The loop shows that it moves at least so often.
const BEAT: Duration = Duration::from_secs(1);
/// Pauses after a failed commit.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the engine thread works with.
pub struct EngineLoop {
    /// Where records come from and timer runs go to.
    pub journal: Journal,
    /// The clocks, for the question whether a timer is due. Decisions use the records' own time.
    pub clock: Arc<dyn Clock>,
    /// Fixed settings of the engine.
    pub settings: EngineSettings,
    /// The past.
    pub lookups: Lookups,
    /// When to write timer runs.
    pub timers: Timers,
    /// How far the threads are.
    pub signals: Arc<Signals>,
    /// Decided batches.
    pub recent: Arc<Recent>,
    /// The bulk lane.
    pub lane: Arc<Lane>,
    /// Texts that the engine leaves out.
    pub refusals: Arc<Refusals>,
    /// The committer.
    pub committer: mpsc::Sender<StateCommand>,
    /// How many devices are there.
    pub census: Arc<Census>,
    /// Opens what the doors sealed.
    pub opener: Opener,
    /// Beats at least once a second.
    pub pulse: Pulse,
}

/// Why one life of the engine ended.
#[derive(Debug)]
enum End {
    Stopped,
    Failed(String),
}

/// One life of the engine: from a snapshot to a failure or the stop.
struct Life {
    engine: Engine,
    tail: Tail,
    handled: Seq,
    records: u64,
    bytes: usize,
    /// A person waits for this batch: nothing more comes into it.
    urgent: bool,
    /// How long a full batch had to wait while records stood behind it.
    blocked: Duration,
    /// Records of the last batch, and since when it is away.
    last: u64,
    since: Stopwatch,
    /// When the engine wants a timer run, by the steady clock of this run.
    due: Option<u64>,
}

impl Life {
    const fn full(&self) -> bool {
        self.urgent
            || self.records >= BATCH_RECORDS
            || self.bytes >= BATCH_BYTES
            || self.engine.undrained() >= BATCH_READINGS
    }

    /// How long the batch still waits for more. Whoever is to be told or answered does not wait.
    fn gathers(&self) -> Duration {
        if self.last < CROWD || self.full() || self.engine.is_pressing() {
            return Duration::ZERO;
        }
        GATHER.saturating_sub(self.since.elapsed())
    }
}

impl EngineLoop {
    /// Works until stopped; after a failed commit the engine is built anew from what is committed.
    pub fn run(mut self, first: Snapshot) {
        let mut snapshot = Some(first);
        let mut pause = FIRST_PAUSE;
        loop {
            self.pulse.beat();
            let opened = snapshot.take().map_or_else(|| self.reopen(), Ok);
            let (end, moved) = match opened {
                Ok(snapshot) => {
                    let cursor = snapshot.cursor;
                    let end = self.live(snapshot);
                    (end, self.signals.look().committed > cursor)
                }
                Err(error) => (End::Failed(error), false),
            };
            let End::Failed(error) = end else { return };
            pause = if moved { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tracing::warn!(%error, pause_ms = pause.as_millis(), "the engine is built anew from the last commit");
            if self.rest(pause) {
                return;
            }
        }
    }

    /// Waits; `true` when the daemon stops meanwhile: what is not committed is handled at the next start.
    fn rest(&self, pause: Duration) -> bool {
        let mut left = pause;
        while !left.is_zero() {
            self.pulse.beat();
            let step = left.min(BEAT);
            if self.signals.wait(step, |p| p.stopping).stopping {
                return true;
            }
            left -= step;
        }
        false
    }

    fn reopen(&self) -> Result<Snapshot, String> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.committer
            .blocking_send(StateCommand::Reopen(tell))
            .map_err(|_| "the committer ended".to_owned())?;
        told.recv().map_err(|_| "the committer ended".to_owned())?
    }

    fn live(&mut self, snapshot: Snapshot) -> End {
        let cursor = snapshot.cursor;
        let engine = match Engine::new(self.settings.clone(), snapshot) {
            Ok(engine) => engine,
            Err(error) => {
                self.census.failed();
                return End::Failed(error.to_string());
            }
        };
        // Nothing is with the committer now: what it counts next is on top of this.
        self.census.begin(engine.presence());
        let mut life = Life {
            due: None,
            engine,
            tail: self.journal.tail(cursor),
            handled: cursor,
            records: 0,
            bytes: 0,
            urgent: false,
            blocked: Duration::ZERO,
            last: 0,
            since: Stopwatch::start(),
        };
        loop {
            self.pulse.beat();
            let (full, watch) = (life.full(), Stopwatch::start());
            let progress = self.wait(&life);
            if full && progress.durable > life.handled {
                life.blocked += watch.elapsed();
            }
            if let Some(error) = progress.failed {
                return End::Failed(error);
            }
            // Before it is worked off: this is what a new record stands behind.
            metrics::engine_lag(self.lane.unhandled(), self.lane.waiting());
            if let Err(error) = self.take(&mut life, progress.durable) {
                return End::Failed(error);
            }
            self.hand_over(&mut life);
            self.refusals.note(life.engine.refused(), &self.committer, self.clock.now().wall, life.handled);
            if !progress.stopping {
                life.due = life.engine.next_timeout();
                let served =
                    self.timers.run(&self.journal, &*self.clock, life.due, life.handled, progress.nudged);
                if served && progress.nudged {
                    self.signals.tell(|p| p.nudged = false);
                }
            } else if self.drained(&life) {
                return End::Stopped;
            }
        }
    }

    fn wait(&self, life: &Life) -> Progress {
        let mut patience = self.timers.patience(&*self.clock, life.due).min(BEAT);
        let gathers = life.gathers();
        if life.records > 0 && !gathers.is_zero() {
            patience = patience.min(gathers);
        }
        self.signals.wait(patience, |p| {
            p.failed.is_some()
                || (p.durable > life.handled && !life.full())
                || (life.records > 0 && self.may_hand_over(life, p))
                || (p.stopping && life.records == 0 && !p.in_flight)
                || (p.nudged && !p.stopping && !self.timers.busy())
        })
    }

    fn may_hand_over(&self, life: &Life, progress: &Progress) -> bool {
        let gathers = !progress.stopping && !life.gathers().is_zero();
        !gathers && !progress.in_flight && self.recent.has_room(life.engine.undrained(), life.urgent)
    }

    /// Handles what is durable, as long as the batch has room.
    fn take(&mut self, life: &mut Life, durable: Seq) -> Result<(), String> {
        while !life.full() {
            let group = match life.tail.next(Duration::ZERO) {
                // Closed and all given out: the daemon is stopping.
                Err(JournalError::Closed) => None,
                group => group.map_err(|e| e.to_string())?,
            };
            let Some(group) = group else {
                // All that was durable is handled, or gone by damage that the journal has reported.
                life.handled = life.handled.max(durable);
                self.lane.handled(life.handled.max(self.gone(life)), 0, Duration::ZERO);
                return Ok(());
            };
            self.pulse.beat();
            let watch = Stopwatch::start();
            let before = life.records;
            for record in group.iter() {
                self.handle(life, &record)?;
            }
            // Who comes next waits as long as these did, for the engine and for what is behind it.
            let took = watch.elapsed() + std::mem::take(&mut life.blocked);
            self.lane.handled(life.handled, life.records - before, took);
        }
        Ok(())
    }

    /// The last record that nobody need wait for: what a failed write took away is never handled.
    fn gone(&self, life: &Life) -> Seq {
        let appended = self.lane.last();
        if appended > life.handled && self.journal.unsynced_bytes() == 0 { appended } else { 0 }
    }

    fn handle(&mut self, life: &mut Life, record: &Record<'_>) -> Result<(), String> {
        let (opened, samples) = (self.opener.body(record), self.opener.samples(record));
        let record = &match &samples {
            Some(body) => Record { entry: Entry { body, ..record.entry }, ..*record },
            None => *record,
        };
        let why;
        let prepared = match &opened {
            None => life.engine.prepare(record),
            Some(Ok(body)) => life.engine.prepare_sealed(record, Ok(body)),
            Some(Err(error)) => {
                why = error.to_string();
                life.engine.prepare_sealed(record, Err(&why))
            }
        };
        let seen = match prepared.lookups() {
            [] => Vec::new(),
            lookups => {
                let watch = Stopwatch::start();
                let seen = self.lookups.answer(lookups)?;
                metrics::looked_up(lookups.len(), watch.elapsed());
                // A backlog that was sent again is looked up one by one: the loop is slow then, and moves.
                self.pulse.beat();
                seen
            }
        };
        life.engine.handle(prepared, &seen);
        life.handled = record.seq;
        life.records += 1;
        life.bytes += record.entry.body.len();
        life.urgent |= record.entry.kind == Kind::Action;
        Ok(())
    }

    /// Gives the batch to the committer, if it has nothing else to do.
    fn hand_over(&mut self, life: &mut Life) {
        if life.records == 0 || !self.may_hand_over(life, &self.signals.look()) {
            return;
        }
        (life.last, life.since) = (life.records, Stopwatch::start());
        (life.records, life.bytes, life.urgent) = (0, 0, false);
        let output = Arc::new(life.engine.drain());
        if output.is_empty() {
            return;
        }
        self.recent.push(&output);
        self.signals.tell(|p| p.in_flight = true);
        if self.committer.blocking_send(StateCommand::Commit(output)).is_err() {
            self.signals.tell(|p| p.failed = Some("the committer ended".to_owned()));
        }
    }

    /// Everything durable is handled and committed.
    fn drained(&self, life: &Life) -> bool {
        let progress = self.signals.look();
        life.records == 0 && !progress.in_flight && life.handled >= progress.durable
    }
}
