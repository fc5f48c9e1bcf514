//! What we subscribe to, and what the broker's session holds of ours from before.
//!
//! A broker keeps the subscriptions of a session, also those that are no longer in the settings: they are told to it
//! as no longer wanted. What a session may hold is therefore remembered over restarts.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;

use super::Client;
use super::end::End;
use crate::sources::mqtt::wire::broker;

/// Packet ids: a connection sends one of each at most.
const SUBSCRIBE: u16 = 1;
const UNSUBSCRIBE: u16 = 2;

/// Remembers over restarts which filters a broker's session of ours may hold.
pub trait Remembered: Send + Sync + 'static {
    /// The filters of this source.
    fn filters(&self, source: &str) -> BoxFuture<'_, Result<Vec<String>, String>>;

    /// These are the filters of this source from now on. Returns when it is on disk.
    fn remember(&self, source: &str, filters: Vec<String>) -> BoxFuture<'_, Result<(), String>>;
}

/// What a broker was asked for and has not answered yet.
pub(super) struct Asked {
    /// The session that we had is gone.
    pub(super) session_lost: bool,
    subscribe: bool,
    unsubscribe: bool,
}

impl Asked {
    /// A SUBACK came; whether it is ours.
    pub(super) const fn subscribed(&mut self, id: u16) -> bool {
        let ours = id == SUBSCRIBE && self.subscribe;
        if ours {
            self.subscribe = false;
        }
        ours
    }

    /// An UNSUBACK came.
    pub(super) const fn unsubscribed(&mut self, id: u16) {
        if id == UNSUBSCRIBE {
            self.unsubscribe = false;
        }
    }

    pub(super) const fn is_answered(&self) -> bool {
        !self.subscribe && !self.unsubscribe
    }
}

impl Client {
    /// Puts into `out` what is wanted, and what is not wanted any more.
    pub(super) async fn ask(&mut self, out: &mut Vec<u8>, session: bool, session_lost: bool) -> Asked {
        let wanted: BTreeSet<String> = self.settings.subscribe.iter().cloned().collect();
        let known = self.remembered.filters(&self.settings.source).await.unwrap_or_else(|error| {
            tracing::warn!(source = %self.settings.source, error, "what was subscribed earlier is not known");
            Vec::new()
        });
        // A new session holds nothing.
        let known: BTreeSet<String> = if session { known.into_iter().collect() } else { BTreeSet::new() };
        let stale: Vec<&str> = known.difference(&wanted).map(String::as_str).collect();
        // Before the broker hears of them: if we end in between, the session may hold these too.
        self.remember(known.union(&wanted).cloned().collect()).await;
        let settings = &self.settings;
        if !stale.is_empty() {
            tracing::info!(source = %settings.source, filters = stale.join(", "), "is not wanted any more");
            broker::unsubscribe(out, settings.version, UNSUBSCRIBE, stale.iter().copied());
        }
        let filters = settings.subscribe.iter().map(String::as_str);
        broker::subscribe(out, settings.version, SUBSCRIBE, filters, settings.qos);
        Asked { session_lost, subscribe: true, unsubscribe: !stale.is_empty() }
    }

    /// The broker answered all: the session holds what is wanted and nothing else.
    pub(super) async fn answered(&mut self, _: Asked) {
        self.remember(self.settings.subscribe.clone()).await;
    }

    async fn remember(&self, filters: Vec<String>) {
        if let Err(error) = self.remembered.remember(&self.settings.source, filters).await {
            tracing::warn!(source = %self.settings.source, error, "what is subscribed could not be remembered");
        }
    }

    /// Looks at every code of a SUBACK.
    pub(super) fn granted(&mut self, codes: &[u8], session_lost: bool) -> Result<(), End> {
        let filters = &self.settings.subscribe;
        let refused: Vec<String> = filters
            .iter()
            .enumerate()
            .filter(|(n, _)| codes.get(*n).is_none_or(|code| *code >= 0x80))
            .map(|(_, filter)| filter.clone())
            .collect();
        for filter in &refused {
            tracing::error!(source = %self.settings.source, filter, "the broker refused a subscription");
            metrics::counter!("orderly_mqtt_client_refused_filters_total",
                "source" => self.settings.source.clone())
            .increment(1);
        }
        if refused.len() == filters.len() {
            return Err(End::NothingGranted);
        }
        for (filter, code) in filters.iter().zip(codes).filter(|(_, code)| **code < self.settings.qos) {
            tracing::warn!(source = %self.settings.source, filter, qos = code, "the broker granted a lower QoS");
        }
        // What was refused is asked for again on the next connection.
        self.subscribed = refused.is_empty();
        self.came_up(session_lost, refused);
        Ok(())
    }
}
