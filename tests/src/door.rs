//! The MQTT door on a free port, over a journal in memory.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orderly::sources::mqtt_door::{self, Attempt, Door, Login, Logins, Settings, Troubles};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::memory_intake::{Disk, Handle, MemoryIntake, TokioClock};
use crate::mqtt_raw::{Hello, Raw};

/// The topic that the anonymous clients of the tests use.
pub const TOPIC: &str = "orderly/v1/main/bp_meter/bp-0001/up/reading";
/// Its status topic.
pub const STATUS: &str = "orderly/v1/main/bp_meter/bp-0001/status";

/// User `bp-0001` with password `secret` is that device; without a user name one is anonymous.
#[derive(Debug)]
struct TestLogins;

impl Logins for TestLogins {
    fn check(&self, attempt: &Attempt<'_>) -> Login {
        match (attempt.username, attempt.password) {
            (None, _) => Login::Anonymous,
            (Some(user), Some(b"secret")) => match (DeviceId::new(user), ClassId::new("bp_meter")) {
                (Ok(device), Ok(class)) => Login::Device { device, class },
                _ => Login::Refused,
            },
            _ => Login::Refused,
        }
    }
}

/// The devices whose packets were too large to take, in order.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<DeviceId>>);

impl Told {
    /// The devices so far.
    pub fn too_large(&self) -> Vec<DeviceId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Troubles for Told {
    fn too_large(&self, device: &DeviceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(device.clone());
    }
}

/// A door that is open until it is dropped.
pub struct OpenDoor {
    /// What it takes.
    pub journal: Arc<MemoryIntake>,
    /// What it told about the way of devices to it.
    pub troubles: Arc<Told>,
    /// The door itself.
    pub door: Arc<Door>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends it.
    pub stop: CancellationToken,
    /// Ends when it has closed.
    pub served: JoinHandle<()>,
    _guard: DropGuard,
}

impl OpenDoor {
    /// Opens a door over such a disk.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn open(disk: Disk) -> anyhow::Result<Self> {
        Self::open_with(disk, |_| {}).await
    }

    /// Opens a door with changed settings.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn open_with(disk: Disk, change: impl FnOnce(&mut Settings)) -> anyhow::Result<Self> {
        let mut settings = Settings::new(SiteId::new("main")?);
        settings.hello = Duration::from_millis(200);
        change(&mut settings);
        let journal = MemoryIntake::new(disk);
        let troubles = Arc::new(Told::default());
        let intake = Arc::new(Handle(Arc::clone(&journal)));
        let door = Door::new(
            settings,
            intake,
            Arc::new(TestLogins),
            Arc::new(TokioClock::new()),
            Arc::clone(&troubles) as _,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let served = tokio::spawn(mqtt_door::serve(Arc::clone(&door), listener, stop.clone()));
        let _guard = stop.clone().drop_guard();
        Ok(Self { journal, troubles, door, address, stop, served, _guard })
    }

    /// A socket on which nothing was said yet.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn socket(&self) -> anyhow::Result<Raw<TcpStream>> {
        Ok(Raw::new(TcpStream::connect(self.address).await?))
    }

    /// Says hello; the connection and the CONNACK.
    ///
    /// # Errors
    /// When it is closed before a CONNACK.
    pub async fn hello(&self, hello: &Hello<'_>) -> anyhow::Result<(Raw<TcpStream>, Vec<u8>)> {
        let mut raw = self.socket().await?;
        raw.send(&hello.bytes()).await?;
        let connack = raw.next().await.ok_or_else(|| anyhow::anyhow!("no CONNACK"))?;
        Ok((raw, connack))
    }

    /// Connects anonymously.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn client(&self, level: u8, client_id: &str) -> anyhow::Result<Raw<TcpStream>> {
        let (raw, connack) = self.hello(&Hello::new(level, client_id)).await?;
        anyhow::ensure!(connack.get(3) == Some(&0), "refused: {connack:?}");
        Ok(raw)
    }
}
