//! The MQTT front door: devices speak MQTT 3.1.1 or 5 to it, and a PUBACK means that the raw message is on disk.
//!
//! It serves devices, not applications: nothing is routed between clients, and the only topics that can be
//! subscribed are a device's own commands. It never decodes a payload and never touches the engine.
//!
//! Way of a message: socket -> `wire` -> one journal append for all that one read brought -> `acks` waits for the
//! durable watermark -> one write of all acknowledgements that it covers. Pings never stand in that queue.

mod accept;
mod commands;
mod conn;
mod end;
mod hello;
mod outgoing;
mod rights;
mod sessions;
mod tally;
mod wills;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use orderly_core::ids::{DeviceId, SiteId};
use orderly_core::time::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

pub use accept::{serve, watch_journal};
pub use rights::{Attempt, Login, Logins};

use super::intake::Intake;
use super::outgoing::Outcomes;
use sessions::Sessions;
use tally::Tally;

/// How long after a reconnect an equal payload may be a repeat (DESIGN 7.2).
const REPEATS_MS: u64 = 60_000;
/// How long after a restart a client that is not known is taken for one that comes back.
const RESUMED_MS: u64 = 600_000;
/// Most wills that wait for their delay.
const DELAYED_WILLS: usize = 1_024;

/// What one listener is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The site whose topics are taken.
    pub site: SiteId,
    /// Most connections at a time.
    pub max_connections: u32,
    /// Most clients, connected or remembered.
    pub max_sessions: usize,
    /// A client must have said CONNECT within this time.
    pub hello: Duration,
    /// How many messages of one connection may wait for the disk.
    pub receive_maximum: u16,
    /// Packets up to this size are kept whole; in bytes.
    pub max_kept: usize,
    /// Messages up to this size are read through and kept as [`orderly_core::record::Oversize`]; in bytes.
    pub max_taken: usize,
    /// Reading stops while more than this waits for the disk, of all sources together; in bytes.
    pub max_unsynced: usize,
    /// A session outlives its connection at most for this time.
    pub max_session_expiry: Duration,
    /// Reading stops while the engine is behind (DESIGN 3, "two lanes"); off for P1 sources.
    pub bulk: bool,
    /// The daemon was restarted on data that it had: clients that are not known may be coming back.
    pub resumed: bool,
}

impl Settings {
    /// The defaults for a site.
    #[must_use]
    pub const fn new(site: SiteId) -> Self {
        Self {
            site,
            max_connections: 20_000,
            max_sessions: 100_000,
            hello: Duration::from_secs(10),
            receive_maximum: 1_024,
            max_kept: 256 << 10,
            max_taken: 16 << 20,
            max_unsynced: 8 << 20,
            max_session_expiry: Duration::from_secs(7 * 86_400),
            bulk: true,
            resumed: false,
        }
    }
}

/// Told of what is wrong with a device's way to us; `runtime` passes it on to the engine.
pub trait Troubles: Send + Sync + 'static {
    /// The connection of a device was ended for a packet too large to take. Must not wait.
    fn too_large(&self, device: &DeviceId);
}

/// One listener.
pub struct Door {
    settings: Settings,
    intake: Arc<dyn Intake>,
    logins: Arc<dyn Logins>,
    clock: Arc<dyn Clock>,
    troubles: Arc<dyn Troubles>,
    outcomes: Outcomes,
    sessions: Sessions,
    tally: Tally,
    connections: AtomicU32,
    opened_ms: u64,
    /// What ends all connections: a failed sync or the end of the daemon.
    over: watch::Sender<Over>,
    delayed_wills: Arc<Semaphore>,
}

/// What ends all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Over {
    /// Generation of the journal.
    generation: u32,
    /// The daemon is stopping.
    stopping: bool,
}

impl Door {
    /// A door that puts what it takes into `intake`.
    #[must_use]
    pub fn new(
        settings: Settings,
        intake: Arc<dyn Intake>,
        logins: Arc<dyn Logins>,
        clock: Arc<dyn Clock>,
        troubles: Arc<dyn Troubles>,
    ) -> Arc<Self> {
        let opened_ms = clock.now().steady_ms;
        let generation = intake.durable().borrow().generation;
        Arc::new(Self {
            outcomes: Outcomes::new(Arc::clone(&intake), Arc::clone(&clock)),
            sessions: Sessions::new(settings.max_sessions),
            settings,
            intake,
            logins,
            clock,
            troubles,
            tally: Tally::new(),
            connections: AtomicU32::new(0),
            opened_ms,
            over: watch::Sender::new(Over { generation, stopping: false }),
            delayed_wills: Arc::new(Semaphore::new(DELAYED_WILLS)),
        })
    }

    /// Ends the connections of a device whose credential was taken away or changed.
    pub fn revoke(&self, device: &DeviceId) {
        self.sessions.revoke(|key| key.device == device.as_str());
    }

    /// Ends the connections of clients without credential: the first credential was made.
    pub fn revoke_anonymous(&self) {
        self.sessions.revoke(|key| key.device.is_empty());
    }

    /// How many connections are open, logins under way included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.tally.open()
    }

    /// Serves one stream that is open already, from its first byte to its last. [`serve`] does it for each
    /// connection that it accepts; [`watch_journal`] must be running.
    pub async fn serve_stream<R, W>(self: Arc<Self>, reader: R, writer: W, peer: SocketAddr)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        conn::Connection::serve(self, reader, writer, peer).await;
    }

    fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().steady_ms
    }
}
