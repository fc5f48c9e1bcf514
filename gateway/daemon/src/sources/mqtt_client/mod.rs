//! A client of an external broker (mosquitto, EMQX, ChirpStack): subscribes, journals, and acknowledges what is on disk.
//!
//! It never publishes: commands go over connections of their own ([`send_all`]), so that nothing can stand in the way of an
//! acknowledgement. Acknowledgements live inside one connection and end with it, so a stale one cannot be sent.
//! A message of any size is taken: over `max_kept` it is read through and journalled by its head, so that it
//! never blocks the good one behind it. Why this is not `rumqttc`: docs/decisions/0002-mqtt-client.md.

mod address;
mod commands;
mod end;
mod filters;
mod link;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orderly_core::record::LinkChange;
use orderly_core::time::{Clock, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use address::{Address, AddressError};
pub use commands::send_all;
pub use end::End;
pub use filters::Remembered;

use super::intake::Intake;
use super::links::Links;
use super::mqtt::wire::Version;
use crate::config::Secret;
use crate::retry::Asking;

/// After so many packets in a row that could not be read, the session is begun afresh under a gap record:
/// a broker would send the same packet for ever.
const MAX_UNREADABLE: u32 = 3;

/// One broker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the source in the journal: `mqtt:<name>`.
    pub source: String,
    /// Where the broker is.
    pub address: Address,
    /// Certificates to trust instead of those of the system, for `mqtts://`.
    pub ca_file: Option<PathBuf>,
    /// Version to be spoken.
    pub version: Version,
    /// Ours alone; the broker keeps our session under it.
    pub client_id: String,
    /// What is subscribed; `$share/<group>/...` is passed through.
    pub subscribe: Vec<String>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// A silent broker is given up after one and a half of this.
    pub keep_alive: Duration,
    /// How long the broker keeps our session while we are away (MQTT 5).
    pub session_expiry: Duration,
    /// How many messages may wait for the disk.
    pub receive_maximum: u16,
    /// Messages up to this size are kept whole; in bytes.
    pub max_kept: usize,
    /// Reading stops while more than this waits for the disk, of all sources together; in bytes.
    pub max_unsynced: usize,
    /// For connecting and for the answer to a subscription.
    pub patience: Duration,
    /// A pause between two tries is random, and at most this: soon after the link went down, and in a long outage. It is
    /// at least a fifth of that.
    pub pause: (Duration, Duration),
    /// Reading stops while the engine is behind; off for P1 sources.
    pub bulk: bool,
    /// The daemon was restarted on data that it had: a lost session is a gap even on the first connection, if there was
    /// one.
    pub resumed: bool,
}

impl Settings {
    /// The defaults for a broker.
    #[must_use]
    pub fn new(name: &str, address: Address, client_id: String, subscribe: Vec<String>) -> Self {
        Self {
            source: format!("mqtt:{name}"),
            address,
            ca_file: None,
            version: Version::V4,
            client_id,
            subscribe,
            qos: 1,
            username: None,
            password: None,
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::from_secs(7 * 86_400),
            receive_maximum: 1_000,
            max_kept: 256 << 10,
            max_unsynced: 8 << 20,
            patience: Duration::from_secs(10),
            pause: (Duration::from_secs(1), Duration::from_secs(10)),
            bulk: true,
            resumed: false,
        }
    }

    /// The pauses between tries, 0.2 to 10 s: clients that lose one broker together do not come back in step, and who was
    /// away for seconds or minutes is back within one.
    fn pauses(&self, first: Duration, steady_ms: u64) -> Asking {
        let seed = self.client_id.bytes().fold(steady_ms, |s, b| s.rotate_left(7) ^ u64::from(b));
        Asking::new(first, self.pause.1, seed)
    }
}

/// How the link is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Subscribed and receiving.
    pub up: bool,
    /// How often it came up.
    pub connections: u32,
    /// Filters that the broker refused.
    pub refused: Vec<String>,
    /// Why it went down last, or could not come up.
    pub last_error: Option<String>,
    /// The latest time for which the broker had forgotten our session.
    pub gap: Option<Gap>,
}

/// A time of which messages may be missing: the broker had forgotten our session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When the link went down; `None`: before this run of the daemon.
    pub since: Option<Timestamp>,
    /// When we had subscribed again.
    pub until: Timestamp,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the broker had forgotten our session; messages may be missing ")?;
        match self.since {
            Some(since) => write!(f, "from {since} to {}", self.until),
            None => write!(f, "from the last stop to {}", self.until),
        }
    }
}

/// Everything that outlives one connection.
struct Client {
    settings: Settings,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    links: Arc<dyn Links>,
    remembered: Arc<dyn Remembered>,
    status: watch::Sender<Status>,
    /// Number of the latest connection.
    number: u32,
    /// The broker knows all our filters.
    subscribed: bool,
    /// The next connection begins afresh.
    afresh: bool,
    /// There was a session that could be lost.
    had_session: bool,
    /// When the link went down last.
    down_since: Option<Timestamp>,
}

/// What the client is given by the runtime.
pub struct Deps {
    /// The way into the journal.
    pub intake: Arc<dyn Intake>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// Told when the link comes up or goes down.
    pub links: Arc<dyn Links>,
    /// What the broker's session may hold from before.
    pub remembered: Arc<dyn Remembered>,
    /// Where it says how it is.
    pub status: watch::Sender<Status>,
}

/// Keeps the link up until `stop`.
pub async fn run(settings: Settings, deps: Deps, stop: CancellationToken) {
    let Deps { intake, clock, links, remembered, status } = deps;
    let steady_ms = clock.now().steady_ms;
    let mut pauses = settings.pauses(settings.pause.0, steady_ms);
    let mut patient = settings.pauses(settings.pause.1, steady_ms);
    // A source that never subscribed has no session that a broker could have forgotten.
    let earlier = remembered.filters(&settings.source).await;
    let had_session = settings.resumed && earlier.map_or(true, |filters| !filters.is_empty());
    let mut client = Client {
        settings,
        intake,
        clock,
        links,
        remembered,
        status,
        number: 0,
        subscribed: false,
        afresh: false,
        had_session,
        down_since: None,
    };
    let mut unreadable = 0;
    while !stop.is_cancelled() {
        let end = link::connect_and_serve(&mut client, &stop).await;
        let was_up = client.went_down(&end);
        if end == End::Stopping {
            return;
        }
        if was_up {
            pauses.reset();
        }
        unreadable = if matches!(end, End::Bad(_)) { unreadable + 1 } else { 0 };
        if unreadable >= MAX_UNREADABLE {
            tracing::error!(source = %client.settings.source,
                "the broker keeps sending a packet that cannot be read; the session is begun afresh");
            client.afresh = true;
            unreadable = 0;
        }
        let pause = if end.needs_a_person() { patient.pause() } else { pauses.pause() };
        tracing::warn!(source = %client.settings.source, %end, pause_ms = pause.as_millis(), "the link is down");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Client {
    fn came_up(&self, session_lost: bool, refused: Vec<String>) {
        let source = &self.settings.source;
        self.links.changed(LinkChange { source: source.clone(), up: true, session_lost });
        let gap = session_lost.then(|| Gap { since: self.down_since, until: self.clock.now().wall });
        if let Some(gap) = &gap {
            tracing::warn!(%source, "{gap}");
            metrics::counter!("orderly_mqtt_client_lost_sessions_total", "source" => source.clone())
                .increment(1);
        }
        self.status.send_modify(|status| {
            status.up = true;
            status.connections += 1;
            status.refused = refused;
            status.gap = gap.or(status.gap);
        });
    }

    /// Whether it had been up.
    fn went_down(&mut self, end: &End) -> bool {
        let mut was_up = false;
        self.status.send_modify(|status| {
            was_up = std::mem::take(&mut status.up);
            status.last_error = Some(end.to_string());
        });
        metrics::counter!("orderly_mqtt_client_ends_total",
            "source" => self.settings.source.clone(), "reason" => end.label())
        .increment(1);
        if was_up {
            self.down_since = Some(self.clock.now().wall);
            let source = self.settings.source.clone();
            self.links.changed(LinkChange { source, up: false, session_lost: false });
        }
        was_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(client_id: &str) -> Asking {
        let address = Address::parse("mqtt://127.0.0.1:1883").unwrap();
        let settings = Settings::new("ward", address, client_id.to_owned(), Vec::new());
        settings.pauses(settings.pause.0, 5_000)
    }

    #[test]
    fn a_link_is_tried_again_after_a_fifth_of_a_second_to_ten() {
        let mut asking = pauses("orderly-1");
        let (mut away, mut longest) = (Duration::ZERO, Duration::ZERO);
        while away < Duration::from_secs(7_200) {
            let pause = asking.pause();
            assert!(pause >= Duration::from_millis(200) && pause <= Duration::from_secs(10), "{pause:?}");
            if away < Duration::from_secs(200) {
                assert!(
                    pause <= Duration::from_secs(1),
                    "a broker that was restarted is found at once: {pause:?}"
                );
            }
            longest = longest.max(pause);
            away += pause;
        }
        assert!(longest > Duration::from_secs(9), "one that is away for hours is left alone: {longest:?}");
    }

    #[test]
    fn gateways_that_lose_a_broker_together_do_not_come_back_in_step() {
        let (mut one, mut other) = (pauses("orderly-1"), pauses("orderly-2"));
        assert!((0..5).all(|_| one.pause() != other.pause()));
    }
}
