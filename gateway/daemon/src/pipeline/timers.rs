//! When to journal that time has passed. The engine only ever hears of time through these records.

use std::time::Duration;

use orderly_core::record::{Entry, Flags, Kind, Seq, TimerRun};
use orderly_core::time::Clock;
use orderly_store::journal::{Appended, Journal};

use super::heard::Heard;

/// Timer runs are at least so far apart.
const APART_MS: u64 = 1_000;
/// Devices that were heard without a report are told at least so often.
const TELL_HEARD_MS: u64 = 5_000;

/// Writes timer runs when something is due.
#[derive(Debug)]
pub struct Timers {
    heard: Heard,
    last_steady_ms: Option<u64>,
    out: Option<(Appended, TimerRun)>,
}

impl Timers {
    /// Nothing was written yet.
    pub const fn new(heard: Heard) -> Self {
        Self { heard, last_steady_ms: None, out: None }
    }

    /// How long the loop may sleep before a timer is due. `due` is of the steady clock of this run.
    pub fn patience(&self, clock: &dyn Clock, due: Option<u64>) -> Duration {
        let now = clock.now();
        let until_due = due.map_or(u64::MAX, |due| due.saturating_sub(now.steady_ms));
        let until_apart =
            self.last_steady_ms.map_or(0, |last| (last + APART_MS).saturating_sub(now.steady_ms));
        Duration::from_millis(until_due.max(until_apart).max(1))
    }

    /// Whether a timer run is on its way to the engine.
    pub const fn busy(&self) -> bool {
        self.out.is_some()
    }

    /// Appends a timer run if one is due and none is under way. `false`: not now, ask again.
    pub fn run(
        &mut self,
        journal: &Journal,
        clock: &dyn Clock,
        due: Option<u64>,
        handled: Seq,
        nudged: bool,
    ) -> bool {
        if self.under_way(journal, handled) {
            return false;
        }
        let now = clock.now();
        let since = self.last_steady_ms.map_or(u64::MAX, |last| now.steady_ms.saturating_sub(last));
        let timer_due = due.is_some_and(|due| due <= now.steady_ms);
        let heard_due = since >= TELL_HEARD_MS && self.heard.any();
        if !(nudged || ((timer_due || heard_due) && since >= APART_MS)) {
            return true;
        }
        let run = self.heard.take();
        match append(journal, &run) {
            Ok(appended) => {
                self.last_steady_ms = Some(now.steady_ms);
                self.out = Some((appended, run));
                true
            }
            Err(error) => {
                tracing::debug!(%error, "a timer run could not be journalled; it is tried again");
                self.heard.put_back(run);
                false
            }
        }
    }

    /// Whether a timer run is on its way to the engine. One that a failed write took away is collected again.
    fn under_way(&mut self, journal: &Journal, handled: Seq) -> bool {
        let Some((appended, run)) = self.out.take() else { return false };
        if handled >= appended.last {
            return false;
        }
        let durable = journal.durable();
        if durable.generation != appended.generation && durable.seq < appended.last {
            self.heard.put_back(run);
            return false;
        }
        self.out = Some((appended, run));
        true
    }
}

fn append(journal: &Journal, run: &TimerRun) -> Result<Appended, String> {
    let body = rmp_serde::to_vec_named(run).map_err(|e| e.to_string())?;
    let entry = Entry {
        kind: Kind::TimerRun,
        flags: Flags::default(),
        source: "engine",
        connection: 0,
        address: "",
        body: &body,
    };
    journal.append(&[entry]).map_err(|e| e.to_string())
}
