//! How the sink is, kept for the status page, the metrics and the log.

use std::sync::Arc;

use orderly_core::record::Seq;
use orderly_core::time::Clock;
use tokio::sync::watch;

use crate::sinks::{SinkState, SinkStatus};

/// Says how the sink is.
pub(super) struct Report {
    pub(super) status: watch::Sender<SinkStatus>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Report {
    pub(super) fn change(&self, change: impl FnOnce(&mut SinkStatus)) {
        self.status.send_modify(change);
    }

    pub(super) fn accepted(&self, points: u64) {
        self.change(|s| s.accepted += points);
    }

    pub(super) fn rejected(&self, code: &str) {
        self.change(|s| match code {
            "same_millisecond" => s.collisions += 1,
            _ => s.rejected += 1,
        });
    }

    /// Something went wrong. Logged when it begins, not at every try.
    pub(super) fn failed(&self, state: SinkState, why: &str) {
        let at = self.clock.now().wall;
        self.change(|s| {
            if s.state != state {
                tracing::warn!(sink = %s.name, ?state, why, "the store cannot be written");
            }
            s.state = state;
            s.last_error = Some(why.to_owned());
            s.last_error_at = Some(at);
        });
    }

    /// A chunk is through.
    pub(super) fn moved(&self, cursor: Seq, head: Seq, backlog: bool, missing: u64) {
        let state = if backlog { SinkState::CatchingUp } else { SinkState::Ok };
        self.place(state, cursor, head, missing);
    }

    /// There is nothing to send. A sink that never reached its store stays `starting`.
    pub(super) fn idle(&self, cursor: Seq, head: Seq, missing: u64) {
        let state = self.status.borrow().state;
        let state = if state == SinkState::Starting { state } else { SinkState::Ok };
        self.place(state, cursor, head, missing);
    }

    fn place(&self, state: SinkState, cursor: Seq, head: Seq, missing: u64) {
        self.change(|s| {
            if matches!(s.state, SinkState::Retrying | SinkState::Holding | SinkState::Blocked) {
                tracing::info!(sink = %s.name, cursor, "the store takes points again");
            }
            s.state = state;
            (s.cursor, s.lag, s.missing) = (cursor, head.saturating_sub(cursor), missing);
        });
    }
}
