//! The durable part of the daemon: lock, state, journal, engine, committer, series. No door is open here, so the
//! command line can use it too when no daemon runs.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use orderly_core::engine::EngineSettings;
use orderly_core::ids::SiteId;
use orderly_core::output::{DeviceRow, TextRow};
use orderly_core::record::Seq;
use orderly_core::registry::Row;
use orderly_core::time::Clock;
use orderly_store::disk::RealDisk;
use orderly_store::journal::{Journal, JournalOptions, Recovered};
use orderly_store::keys::KeyRing;
use orderly_store::lock::DirLock;
use orderly_store::version;
use tokio::sync::{mpsc, watch};

use super::intake::{JournalIntake, Sealer};
use super::keys;
use super::orders::OrderDesk;
use super::register::Register;
use super::salts::salts;
use crate::config::Settings;
use crate::observe::health::Health;
use crate::pipeline::{
    Answers, Census, Committer, EngineLoop, Heard, Lane, Lookups, Observer, OpenState, Opener, Recent,
    Refusals, SeriesLoop, Signals, StateCommand, StateFile, Timers, Trimming,
};
use crate::sources::intake::{Durable, Intake};

/// Commands that may wait for the committer.
const COMMANDS: usize = 256;
/// Threads of the pipeline.
const THREADS: usize = 3;

/// The running durable part.
pub struct Core {
    /// Where all files are.
    pub dir: PathBuf,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The doors' way in.
    pub intake: Arc<dyn Intake>,
    /// People's way in.
    pub orders: OrderDesk,
    /// Devices heard without a report, and links.
    pub heard: Heard,
    /// The committer.
    pub committer: mpsc::Sender<StateCommand>,
    /// The last record that is committed.
    pub committed: watch::Receiver<Seq>,
    /// What is on disk.
    pub durable: watch::Receiver<Durable>,
    /// Whether the loops move.
    pub health: Arc<Health>,
    /// How far the threads are.
    pub signals: Arc<Signals>,
    /// Decided batches at hand.
    pub recent: Arc<Recent>,
    /// The bulk lane.
    pub lane: Arc<Lane>,
    /// Texts that this version refuses although they were in force.
    pub refusals: Arc<Refusals>,
    /// The journal.
    pub journal: Journal,
    /// The keys of the days.
    pub keys: Arc<KeyRing>,
    /// The register, which knows what is sealed.
    pub register: Arc<Register>,
    /// How many devices are there.
    pub census: Arc<Census>,
    /// What the start found.
    pub found: Found,
    /// Engine, committer, series, in the order in which they end.
    threads: VecDeque<JoinHandle<()>>,
    _lock: DirLock,
}

/// What the start found in the data directory.
#[derive(Debug, Default)]
pub struct Found {
    /// The register.
    pub devices: Vec<DeviceRow>,
    /// The rows of the registry of places and things.
    pub registry: Vec<Row>,
    /// Texts in force.
    pub texts: Vec<TextRow>,
    /// Last record that was committed before.
    pub cursor: Seq,
    /// Number of the last commit before.
    pub commit: u64,
    /// Whether there was anything at all.
    pub resumed: bool,
    /// What the journal's recovery reported.
    pub recovered: Recovered,
}

/// Looks at what the start found and gives who is told of each commit.
pub type Observe = Box<dyn FnOnce(&Found) -> Vec<Observer> + Send>;

/// What may be put in place of the ordinary parts, by tests.
pub struct Parts {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The register, kept up to date by who is told of commits.
    pub register: Arc<Register>,
    /// Looks at what the start found and gives who is told of each commit.
    pub observe: Observe,
    /// Opens the state store; `None`: `state.db` of the data directory.
    pub state: Option<Box<dyn OpenState>>,
}

impl Core {
    /// Starts everything behind the doors, in order: lock, state, journal, series, engine. What was durable and
    /// not yet committed is handled next; [`Core::caught_up`] waits for it.
    ///
    /// # Errors
    /// When another process has the directory, or a file cannot be opened.
    pub fn start(settings: &Settings, parts: Parts) -> anyhow::Result<Self> {
        let dir = settings.data_dir.clone();
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let lock = DirLock::take(&dir)?;
        version::agree(&RealDisk, &dir)?;
        let keys = keys::open(settings)?;
        let Parts { clock, register, observe, state } = parts;
        if !settings.http.hooks.is_empty() {
            register.seal_hooks();
        }
        let mut opener = state.unwrap_or_else(|| Box::new(StateFile(dir.clone())));
        let (store, snapshot) = opener.open().map_err(|e| anyhow!(e))?;
        let commit = StateFile(dir.clone()).reader().map_err(|e| anyhow!(e))?.cursors()?.commit;

        let waiting = !snapshot.commands.is_empty();
        let signals = Arc::new(Signals::default());
        let answers = Arc::new(Answers::default());
        let (journal, recovered, durable) =
            open_journal(settings, &clock, &signals, &answers, snapshot.cursor)?;
        let lane = Arc::new(Lane::new(journal.durable().seq.max(snapshot.cursor)));
        let (series, state_reader) = SeriesLoop::catch_up(&dir).map_err(|e| anyhow!(e))?;
        signals.tell(|p| (p.committed, p.applied) = (snapshot.cursor, series.applied()));

        let health = Health::new(Arc::clone(&clock));
        let recent = Arc::new(Recent::default());
        let census = Arc::new(Census::default());
        let heard = Heard::new(Arc::clone(&signals));
        let (committer, inbox) = mpsc::channel(COMMANDS);
        let (committed_tx, committed) = watch::channel(snapshot.cursor);
        let found = Found {
            devices: snapshot.devices.clone(),
            registry: snapshot.registry.clone(),
            texts: snapshot.texts.clone(),
            cursor: snapshot.cursor,
            commit,
            resumed: snapshot.cursor > 0 || journal.durable().seq > 0,
            recovered,
        };

        let committing = Committer {
            opener,
            store: Some(store),
            audit: Box::new(super::audit::ChainFile::open(&dir)?),
            signals: Arc::clone(&signals),
            recent: Arc::clone(&recent),
            answers: Arc::clone(&answers),
            committed: committed_tx,
            observers: observe(&found),
            pulse: health.pulse("committer"),
            held: Vec::new(),
            unaudited: true,
            census: Arc::clone(&census),
            trimming: Trimming::new(Arc::clone(&clock), settings.retention.clone()),
        };
        let refusals = Arc::new(Refusals::default());
        let deciding = EngineLoop {
            refusals: Arc::clone(&refusals),
            journal: journal.clone(),
            clock: Arc::clone(&clock),
            settings: engine_settings(settings)?,
            lookups: Lookups::open(&dir, Arc::clone(&recent)).map_err(|e| anyhow!(e))?,
            timers: Timers::new(heard.clone()),
            signals: Arc::clone(&signals),
            recent: Arc::clone(&recent),
            lane: Arc::clone(&lane),
            committer: committer.clone(),
            census: Arc::clone(&census),
            opener: Opener::new(Arc::clone(&keys)),
            pulse: health.pulse("engine"),
        };
        let keeping = SeriesLoop {
            dir: dir.clone(),
            store: series,
            state: state_reader,
            signals: Arc::clone(&signals),
            recent: Arc::clone(&recent),
            committer: committer.clone(),
            journal: journal.clone(),
            clock: Arc::clone(&clock),
            pulse: health.pulse("series"),
            retention: settings.retention.clone(),
            drop_at_ms: 0,
        };
        let threads = VecDeque::from([
            spawn("engine", move || deciding.run(snapshot))?,
            spawn("committer", move || committing.run(inbox))?,
            spawn("series", move || keeping.run())?,
        ]);
        let sealer =
            Sealer { register: Arc::clone(&register), keys: Arc::clone(&keys), clock: Arc::clone(&clock) };
        let intake: Arc<dyn Intake> =
            Arc::new(JournalIntake::new(journal.clone(), durable.clone(), Arc::clone(&lane), sealer));
        let allowed = Arc::new(settings.commands.clone());
        let orders = OrderDesk::new(Arc::clone(&intake), answers, allowed, Arc::clone(&register));
        if waiting {
            // What an earlier run sent may be unknown by now; no record may come by itself to tell the time.
            signals.tell(|p| p.nudged = true);
        }
        Ok(Self {
            dir,
            clock,
            intake,
            orders,
            heard,
            committer,
            committed,
            durable,
            health,
            signals,
            recent,
            lane,
            refusals,
            journal,
            keys,
            register,
            census,
            found,
            threads,
            _lock: lock,
        })
    }

    /// Waits until all that is durable now is committed.
    ///
    /// # Errors
    /// When the committer ended.
    pub async fn caught_up(&self) -> anyhow::Result<()> {
        let goal = self.journal.durable().seq;
        let mut committed = self.committed.clone();
        committed.wait_for(|cursor| *cursor >= goal).await.context("the committer ended")?;
        // Who asks how many devices are there is not told "none" because the engine is only just being built.
        self.census.begun().await;
        Ok(())
    }

    /// Closes the journal and waits until what it holds is handled and handed over. Blocks. The committer goes on:
    /// sinks still write their cursors.
    pub fn drain(&mut self) {
        self.journal.clone().close();
        self.signals.tell(|p| p.stopping = true);
        join(self.threads.pop_front());
    }

    /// Ends the committer and the series thread, when all is committed and applied. Blocks.
    pub fn stop(mut self) {
        if self.threads.len() == THREADS {
            self.drain();
        }
        super::damage::tell_last(&self.journal, &self.committer, &*self.clock);
        // The committer takes what is queued before this and then ends.
        drop(self.committer.blocking_send(StateCommand::Stop));
        join(self.threads.pop_front());
        self.signals.tell(|p| p.ended = true);
        join(self.threads.pop_front());
        self.keys.leave();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn open_journal(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    signals: &Arc<Signals>,
    answers: &Arc<Answers>,
    cursor: Seq,
) -> anyhow::Result<(Journal, Recovered, watch::Receiver<Durable>)> {
    let (tell, durable) = watch::channel(Durable::default());
    let open = |read_over: bool| {
        let mut options = JournalOptions::new(settings.data_dir.join("journal"), salts()?);
        options.segment_bytes = settings.journal.segment_bytes.0;
        options.keep_bytes = settings.journal.keep_bytes.0;
        options.keep_for = settings.journal.keep.0;
        options.after = cursor;
        options.read_over = read_over;
        let (bell, waiting) = (Arc::clone(signals), Arc::clone(answers));
        let told = tell.clone();
        let watch = move |now: Durable| {
            bell.tell(|p| p.durable = now.seq);
            let failed = told.borrow().generation != now.generation;
            told.send_replace(now);
            if failed {
                waiting.lost(now.seq);
            }
        };
        Ok(Journal::open(options, Arc::new(RealDisk), Arc::clone(clock), Box::new(watch))?)
    };
    let pause = |time| drop(signals.wait(time, |p| p.stopping));
    let (journal, recovered) = super::worn::open(open, pause).context("the journal")?;
    if recovered.torn_bytes > 0 {
        tracing::info!(bytes = recovered.torn_bytes, "an interrupted write at the journal's end was cut off");
    }
    for damage in &recovered.damaged {
        tracing::error!(?damage, "the journal is damaged");
    }
    let now = journal.durable();
    tell.send_replace(now);
    signals.tell(|p| p.durable = now.seq);
    Ok((journal, recovered, durable))
}

fn engine_settings(settings: &Settings) -> anyhow::Result<EngineSettings> {
    Ok(EngineSettings { site: SiteId::new(&settings.site)? })
}

fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).with_context(|| format!("thread {name}"))
}

fn join(thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("a thread of the pipeline panicked");
    }
}
