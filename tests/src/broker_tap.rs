//! Sits on the wire between Orderly and a broker: it notes what Orderly acknowledged and whether the broker knew the
//! session, holds back what the broker sends, and cuts the wire with all that is on it, as a power cut would.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::mqtt_raw::{packet, read};

/// A message by topic and payload.
pub type Message = (String, Vec<u8>);

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What Orderly acknowledged.
    pub acknowledged: BTreeSet<Message>,
    /// How many messages passed to Orderly, repeats counted.
    pub given: usize,
    /// For each connection that the broker took: whether it knew the session.
    pub knew: Vec<bool>,
}

/// What the test wants of the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wire {
    /// Nothing passes to Orderly.
    held: bool,
    /// Connections of an earlier number are cut.
    epoch: u32,
}

/// The tap; dropped, it closes its port.
#[derive(Debug)]
pub struct Tap {
    /// Where Orderly finds it.
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    wire: watch::Sender<Wire>,
    subscribed: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Tap {
    /// Listens, and carries each connection on to the broker on this port, if it is there.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn before(broker: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (wire, told) = watch::channel(Wire::default());
        let (tell, subscribed) = watch::channel(0);
        let seen = Arc::<Mutex<Seen>>::default();
        let line = Line { seen: Arc::clone(&seen), wire: told, subscribed: Arc::new(tell) };
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if let Ok(far) = TcpStream::connect(("127.0.0.1", broker)).await {
                    tokio::spawn(line.clone().carry(near, far));
                }
            }
        });
        Ok(Self { port, seen, wire, subscribed, task })
    }

    /// Nothing passes to Orderly from now on; what it sends still passes.
    pub fn hold(&self) {
        self.wire.send_modify(|wire| wire.held = true);
    }

    /// Cuts all connections with what is on the wire; new ones are carried as ever.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| *wire = Wire { held: false, epoch: wire.epoch + 1 });
    }

    /// What was seen until now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Waits until the broker has taken Orderly's subscription so often, or has said that it still has it.
    pub async fn subscribed(&mut self, times: usize) {
        let reached = self.subscribed.wait_for(|n| *n >= times).await.is_ok();
        assert!(reached, "the tap has ended");
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all connections share.
#[derive(Debug, Clone)]
struct Line {
    seen: Arc<Mutex<Seen>>,
    wire: watch::Receiver<Wire>,
    subscribed: Arc<watch::Sender<usize>>,
}

/// Messages on one connection that have no acknowledgement yet, by packet id.
type Open = Mutex<HashMap<u16, Message>>;

impl Line {
    async fn carry(self, near: TcpStream, far: TcpStream) {
        if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
            return;
        }
        let epoch = self.wire.borrow().epoch;
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        let open = Open::default();
        let mut cut = self.wire.clone();
        tokio::select! {
            // A cut wire carries nothing more, also of what was held back.
            biased;
            _ = cut.wait_for(|wire| wire.epoch != epoch) => {}
            () = to_broker(near_in, far_out, &open, &self.seen) => {}
            () = self.to_orderly(far_in, near_out, &open) => {}
        }
    }

    async fn to_orderly(&self, from: OwnedReadHalf, mut to: OwnedWriteHalf, open: &Open) {
        let (mut from, mut told) = (BufReader::new(from), self.wire.clone());
        while let Some((first, body)) = read(&mut from).await {
            if told.wait_for(|wire| !wire.held).await.is_err() {
                return;
            }
            match (first & 0xF0, &body[..]) {
                // CONNACK of a connection that was let in.
                (0x20, [flags, 0, ..]) => {
                    lock(&self.seen).knew.push(flags & 1 == 1);
                    self.subscribed.send_modify(|n| *n += usize::from(flags & 1 == 1));
                }
                // SUBACK.
                (0x90, _) => self.subscribed.send_modify(|n| *n += 1),
                (0x30, body) => {
                    if let Some((id, message)) = qos_1(first, body) {
                        open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, message);
                        lock(&self.seen).given += 1;
                    }
                }
                _ => {}
            }
            if to.write_all(&packet(first, &body)).await.is_err() {
                return;
            }
        }
    }
}

async fn to_broker(from: OwnedReadHalf, mut to: OwnedWriteHalf, open: &Open, seen: &Mutex<Seen>) {
    let mut from = BufReader::new(from);
    while let Some((first, body)) = read(&mut from).await {
        if let (0x40, [high, low, ..]) = (first, &body[..]) {
            let id = u16::from_be_bytes([*high, *low]);
            let message = open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            lock(seen).acknowledged.extend(message);
        }
        if to.write_all(&packet(first, &body)).await.is_err() {
            return;
        }
    }
}

/// Packet id and message of a PUBLISH of MQTT 3.1.1 with QoS 1.
fn qos_1(first: u8, body: &[u8]) -> Option<(u16, Message)> {
    let [high, low, rest @ ..] = body else { return None };
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    let [high, low, payload @ ..] = rest else { return None };
    let topic = String::from_utf8(topic.to_vec()).ok()?;
    (first & 6 == 2).then(|| (u16::from_be_bytes([*high, *low]), (topic, payload.to_vec())))
}
