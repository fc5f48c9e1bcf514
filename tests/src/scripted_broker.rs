//! A broker that does exactly what the test says, connection by connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use orderly::sources::links::Links;
use orderly::sources::mqtt_client::{self, Address, Deps, Remembered, Settings, Status};
use orderly_core::record::LinkChange;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::memory_intake::{Handle, MemoryIntake, TokioClock};
use crate::mqtt_raw::Raw;

/// A listening socket; the test plays the broker on each accepted connection.
#[derive(Debug)]
pub struct ScriptedBroker {
    listener: TcpListener,
    /// Its port on loopback.
    pub port: u16,
}

impl ScriptedBroker {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn listen() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// The next connection, and the CONNECT on it.
    ///
    /// # Errors
    /// When nothing connects.
    pub async fn accept(&self) -> anyhow::Result<(Raw<TcpStream>, Vec<u8>)> {
        let (stream, _) = self.listener.accept().await?;
        let mut raw = Raw::new(stream);
        let connect = raw.next().await.ok_or_else(|| anyhow::anyhow!("no CONNECT"))?;
        Ok((raw, connect))
    }

    /// The next connection, let in; with a new session the SUBSCRIBE is granted with QoS 1.
    ///
    /// # Errors
    /// When the client does something else.
    pub async fn welcome(&self, session_present: bool, subscribes: bool) -> anyhow::Result<Raw<TcpStream>> {
        let (mut raw, _) = self.accept().await?;
        raw.send(&[0x20, 2, u8::from(session_present), 0]).await?;
        if subscribes {
            let subscribe = raw.next().await.ok_or_else(|| anyhow::anyhow!("no SUBSCRIBE"))?;
            anyhow::ensure!(subscribe[0] == 0x82, "not a SUBSCRIBE: {subscribe:?}");
            raw.send(&[0x90, 3, 0, 1, 1]).await?;
        }
        Ok(raw)
    }
}

/// Remembers what a source says about its link.
#[derive(Debug, Default)]
pub struct SeenLinks(Mutex<Vec<LinkChange>>);

impl SeenLinks {
    /// Up and session lost, in order.
    #[must_use]
    pub fn changes(&self) -> Vec<(bool, bool)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|change| (change.up, change.session_lost)).collect()
    }
}

impl Links for SeenLinks {
    fn changed(&self, change: LinkChange) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// Remembers filters as the state store does, for one source.
#[derive(Debug, Default)]
pub struct MemoryOfFilters(pub watch::Sender<Vec<String>>);

impl Remembered for MemoryOfFilters {
    fn filters(&self, _: &str) -> BoxFuture<'_, Result<Vec<String>, String>> {
        Box::pin(async { Ok(self.0.borrow().clone()) })
    }

    fn remember(&self, _: &str, filters: Vec<String>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.0.send_replace(filters);
            Ok(())
        })
    }
}

/// Our client, running until it is dropped.
pub struct RunningClient {
    /// How its link is.
    pub status: watch::Receiver<Status>,
    /// What it said about its link.
    pub links: Arc<SeenLinks>,
    /// Ends it.
    pub stop: CancellationToken,
    /// Ends when it has ended.
    pub running: JoinHandle<()>,
    _guard: DropGuard,
}

impl RunningClient {
    /// Starts a client of the broker on this port.
    ///
    /// # Errors
    /// Never on loopback.
    pub fn start(
        port: u16,
        journal: &Arc<MemoryIntake>,
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        Self::start_remembering(port, journal, Arc::default(), change)
    }

    /// Starts a client that knows what an earlier one subscribed.
    ///
    /// # Errors
    /// Never on loopback.
    pub fn start_remembering(
        port: u16,
        journal: &Arc<MemoryIntake>,
        remembered: Arc<MemoryOfFilters>,
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        let address = Address::parse(&format!("mqtt://127.0.0.1:{port}"))?;
        let mut settings =
            Settings::new("test", address, "orderly-test".to_owned(), vec!["ward/#".to_owned()]);
        settings.pause = (Duration::from_millis(1), Duration::from_millis(50));
        change(&mut settings);
        let (links, stop) = (Arc::new(SeenLinks::default()), CancellationToken::new());
        let (sender, status) = watch::channel(Status::default());
        let deps = Deps {
            intake: Arc::new(Handle(Arc::clone(journal))),
            clock: Arc::new(TokioClock::new()),
            links: Arc::<SeenLinks>::clone(&links),
            remembered,
            status: sender,
        };
        let running = tokio::spawn(mqtt_client::run(settings, deps, stop.clone()));
        let _guard = stop.clone().drop_guard();
        Ok(Self { status, links, stop, running, _guard })
    }

    /// Waits until the link came up this often.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn came_up(&mut self, times: u32) -> anyhow::Result<()> {
        self.status.wait_for(|s| s.up && s.connections >= times).await?;
        Ok(())
    }

    /// Ends it and waits for its end.
    ///
    /// # Errors
    /// When it panicked.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.running.await?)
    }
}
