//! What the gateway says about itself, gathered from all rooms. Asked about once a second.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::output::{Counts, Output};
use orderly_core::time::{Clock, Now};
use orderly_store::journal::Journal;
use orderly_store::state::StateStatus;
use tokio::sync::watch;

use super::reload::Troubles;
use crate::api::dto;
use crate::api::{Check, Overview};
use crate::notify::webhook::NotifyStatus;
use crate::observe::health::Health;
use crate::pipeline::{Census, Lane, Refusals, Signals, StateFile};
use crate::sinks::{SinkState, SinkStatus, StoreCheck};

/// Counted since the start of this run, commit by commit.
#[derive(Debug, Default)]
pub struct Tallies {
    commit: AtomicU64,
    records: AtomicU64,
    readings: AtomicU64,
    repeats: AtomicU64,
    late: AtomicU64,
}

impl Tallies {
    /// Adds a commit.
    pub fn committed(&self, commit: u64, output: &Output) {
        let Counts { records, readings, repeats, late, .. } = output.counts;
        self.commit.store(commit, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.readings.fetch_add(readings, Ordering::Relaxed);
        self.repeats.fetch_add(repeats, Ordering::Relaxed);
        self.late.fetch_add(late, Ordering::Relaxed);
    }

    /// The last commit of an earlier run.
    pub fn begin(&self, commit: u64) {
        self.commit.store(commit, Ordering::Relaxed);
    }
}

/// One source as the status page shows it.
pub type SourceProbe = Box<dyn Fn() -> dto::SourceStatus + Send + Sync>;

/// Everything that the status page is made of.
pub struct Overseer {
    /// Name of the site.
    pub site: String,
    /// When this run began.
    pub started: Now,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The journal.
    pub journal: Journal,
    /// How far the threads are.
    pub signals: Arc<Signals>,
    /// The bulk lane.
    pub lane: Arc<Lane>,
    /// Whether the loops move.
    pub health: Arc<Health>,
    /// Counted commit by commit.
    pub tallies: Arc<Tallies>,
    /// How many devices are there.
    pub census: Arc<Census>,
    /// What is committed.
    pub dir: PathBuf,
    /// The sinks.
    pub sinks: Vec<watch::Receiver<SinkStatus>>,
    /// The notifier; `None`: nobody is to be told.
    pub notices: Option<watch::Receiver<NotifyStatus>>,
    /// Profiles and rules that were in force and that this version refuses.
    pub refusals: Arc<Refusals>,
    /// Files of profiles and rules that cannot be used, each with what is wrong.
    pub broken: Arc<Troubles>,
    /// What is wrong with the folder of the registry.
    pub misfits: Arc<Troubles>,
    /// The sources.
    pub sources: Vec<SourceProbe>,
    /// Used from one call to the next.
    pub last: Mutex<Last>,
}

/// What one call leaves for the next.
#[derive(Debug, Default)]
pub struct Last {
    at_ms: u64,
    records: u64,
    readings: u64,
    rates: dto::Rates,
    state: StateStatus,
}

/// Rates and counts are looked up again after so long.
const FRESH_MS: u64 = 900;

impl Overseer {
    fn refreshed(&self) -> (dto::Rates, StateStatus) {
        let now = self.clock.now().steady_ms;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_sub(last.at_ms);
        if since >= FRESH_MS {
            let records = self.tallies.records.load(Ordering::Relaxed);
            let readings = self.tallies.readings.load(Ordering::Relaxed);
            last.rates = dto::Rates {
                messages_per_s: per_second(records - last.records, since),
                readings_per_s: per_second(readings - last.readings, since),
            };
            (last.at_ms, last.records, last.readings) = (now, records, readings);
            match StateFile(self.dir.clone()).reader().and_then(|r| r.status().map_err(|e| e.to_string())) {
                Ok(state) => last.state = state,
                Err(error) => tracing::warn!(%error, "the counts of the status page are old"),
            }
        }
        (last.rates.clone(), last.state.clone())
    }

    fn warnings(
        &self,
        trouble: Option<&str>,
        sinks: &[SinkStatus],
        state: &StateStatus,
    ) -> Vec<dto::Warning> {
        let mut warnings = Vec::new();
        let (places, lost) = (state.damage_places, state.damage_lost);
        if places > 0 {
            warnings.push(warning(
                "journal_damage",
                &format!("日志有 {places} 处损坏，已知丢失 {lost} 条记录；详见隔离区"),
                &format!(
                    "the journal is damaged in {places} place(s), {lost} records are known to be lost; quarantine tells which"
                ),
            ));
        }
        for (name, why) in self.refusals.list() {
            warnings.push(warning(
                "text_refused",
                &format!("本版本不接受仍在使用的配置 {name}，其设备的数据进入隔离区：{why}"),
                &format!("this version refuses the {name}, which was in force; readings of its devices go to quarantine: {why}"),
            ));
        }
        for why in self.broken.list() {
            warnings.push(warning(
                "text_broken",
                &format!("配置文件有错误，仍按原有内容运行：{why}"),
                &format!("a file of profiles or rules has an error, what was in force stays: {why}"),
            ));
        }
        for why in self.misfits.list() {
            warnings.push(warning(
                "registry_line",
                &format!("登记表中有一行未导入：{why}"),
                &format!("a line of the registry's folder did not go in: {why}"),
            ));
        }
        if let Some(why) = trouble {
            warnings.push(warning(
                "journal_refuses",
                &format!("日志暂时无法写入，新数据未被确认：{why}"),
                &format!("the journal cannot be written, nothing new is acknowledged: {why}"),
            ));
        }
        if let Some(why) = self.signals.look().failed {
            warnings.push(warning(
                "state_refuses",
                &format!("状态库暂时无法写入：{why}"),
                &format!("the state store cannot be written: {why}"),
            ));
        }
        for sink in sinks.iter().filter(|s| matches!(s.state, SinkState::Retrying | SinkState::Holding)) {
            let (name, why) = (&sink.name, sink.last_error.as_deref().unwrap_or("-"));
            warnings.push(warning(
                "sink_behind",
                &format!("外部库 {name} 不接收数据：{why}"),
                &format!("the store {name} does not take readings: {why}"),
            ));
        }
        // A token that may write and not look around is enough for a sink that writes.
        let writes = |s: &&SinkStatus| s.state == SinkState::Ok && s.accepted > 0;
        for sink in sinks.iter().filter(|s| !writes(s)) {
            if let StoreCheck::Faulty(why) = &sink.store {
                let name = &sink.name;
                warnings.push(warning(
                    "sink_store",
                    &format!("外部库 {name} 自检异常：{why}"),
                    &format!("the store {name} is not as it should be: {why}"),
                ));
            }
        }
        if let Some(notices) =
            self.notices.as_ref().map(|n| n.borrow().clone()).filter(|n| !n.down.is_empty())
        {
            let (down, why) = (notices.down.join(", "), notices.last_error.unwrap_or_default());
            warnings.push(warning(
                "notices_wait",
                &format!("通知无法送达 {down}：{why}"),
                &format!("notices cannot be delivered to {down}: {why}"),
            ));
        }
        warnings
    }
}

/// A warning in both languages.
#[must_use]
pub fn warning(code: &str, zh: &str, en: &str) -> dto::Warning {
    dto::Warning { code: code.to_owned(), text: dto::Text { zh: zh.to_owned(), en: en.to_owned() } }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, ms: u64) -> f64 {
    (count as f64 * 10_000.0 / ms.max(1) as f64).round() / 10.0
}

impl Overview for Overseer {
    fn status(&self) -> dto::Status {
        let (rates, state) = self.refreshed();
        let progress = self.signals.look();
        let journal = self.journal.stats();
        let sinks: Vec<SinkStatus> = self.sinks.iter().map(|sink| sink.borrow().clone()).collect();
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        dto::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: self.site.clone(),
            started_at: self.started.wall.into(),
            now: self.clock.now().wall.into(),
            warnings: self.warnings(journal.trouble.as_deref(), &sinks, &state),
            journal: dto::JournalStatus {
                durable: journal.durable.seq,
                unsynced_bytes: journal.unsynced_bytes as u64,
                segments: journal.segments as u64,
                bytes: journal.bytes,
            },
            engine: dto::EngineStatus {
                cursor: progress.committed,
                lag: progress.durable.saturating_sub(progress.committed),
            },
            series: dto::SeriesStatus {
                applied: progress.applied,
                lag: progress.committed.saturating_sub(progress.applied),
            },
            commit: load(&self.tallies.commit),
            sinks: sinks.iter().map(shown).collect(),
            sources: self.sources.iter().map(|probe| probe()).collect(),
            rates,
            counts: dto::Counts {
                devices: state.devices,
                online: self.census.online(self.clock.now().wall),
                readings: load(&self.tallies.readings),
                repeats: load(&self.tallies.repeats),
                late: load(&self.tallies.late),
                quarantined: state.quarantined,
            },
            alerts: dto::AlertCounts { firing: state.alerts_firing, open: state.alerts_open },
        }
    }
}

fn shown(sink: &SinkStatus) -> dto::SinkStatus {
    let state = match sink.state {
        SinkState::Ok => "ok",
        SinkState::Starting | SinkState::CatchingUp => "filling",
        SinkState::Retrying | SinkState::Holding | SinkState::Blocked => "retrying",
        SinkState::Stopped => "off",
    };
    dto::SinkStatus {
        name: sink.name.to_string(),
        cursor: sink.cursor,
        lag: sink.lag,
        state: state.to_owned(),
        last_error: sink.last_error.clone(),
        store: sink.store.word().to_owned(),
        store_detail: sink.store.detail().map(str::to_owned),
    }
}

/// A sink among the checks: it never makes the gateway unready, for ingest does not wait for it; what is wrong with
/// it is said all the same.
fn check_of(sink: &SinkStatus) -> Check {
    let failing = matches!(sink.state, SinkState::Retrying | SinkState::Holding | SinkState::Blocked);
    let wrong = if failing { sink.last_error.clone() } else { None };
    let fault = match &sink.store {
        StoreCheck::Faulty(why) => Some(why.clone()),
        StoreCheck::Unknown | StoreCheck::Ok | StoreCheck::Unsupported(_) => None,
    };
    Check { name: format!("sink:{}", sink.name), ok: true, detail: wrong.or(fault).unwrap_or_default() }
}

impl crate::api::Health for Overseer {
    fn live(&self) -> bool {
        self.health.stuck().is_empty()
    }

    fn checks(&self) -> Vec<Check> {
        let stats = self.journal.stats();
        let progress = self.signals.look();
        let stuck = self.health.stuck();
        let check = |name: &str, wrong: Option<String>| Check {
            name: name.to_owned(),
            ok: wrong.is_none(),
            detail: wrong.unwrap_or_default(),
        };
        let mut checks = vec![
            check("journal", stats.trouble),
            check("state", progress.failed),
            check(
                "engine",
                (!stuck.is_empty()).then(|| format!("no sign of life from: {}", stuck.join(", "))),
            ),
            check("doors", (!self.health.is_ready()).then(|| "the doors are not open".to_owned())),
        ];
        checks.extend(self.sinks.iter().map(|sink| check_of(&sink.borrow())));
        checks
    }
}
