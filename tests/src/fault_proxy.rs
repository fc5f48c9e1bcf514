//! A TCP proxy that spoils what passes: late, lost, cut, flipped, half-open; by script or by seeded chance.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::fakestore::draw;

/// What happens to one piece that the far side sends back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It passes.
    None,
    /// It passes, but only after this time; what follows waits behind it.
    Delay(Duration),
    /// It is swallowed; the connection stays open.
    Drop,
    /// Only its first bytes pass, then both sides are closed.
    Truncate(usize),
    /// Only its first bytes pass, and the connection stays open.
    Short(usize),
    /// One bit of this byte (counted from the end when it is past the end) is turned.
    Flip(usize),
    /// From now on nothing passes, and nobody is told.
    HalfOpen,
    /// Both sides are closed at once.
    Close,
}

/// Chances of the faults, in percent of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Odds {
    /// Equal seeds give equal faults.
    pub seed: u64,
    /// Share of late answers, and how late they are.
    pub late: (u8, Duration),
    /// Share of answers that are cut short, the connection left open.
    pub short: u8,
    /// Share of answers with one bit turned.
    pub flip: u8,
    /// Only among so many first bytes of the answer; 0: anywhere.
    pub flip_within: usize,
    /// Share of answers that never come.
    pub drop: u8,
    /// Share of connections closed instead of an answer.
    pub close: u8,
}

#[derive(Default)]
struct Faults {
    script: VecDeque<Fault>,
    odds: Odds,
    for_ever: Option<Fault>,
}

impl Faults {
    fn next(&mut self, len: usize) -> Fault {
        if let Some(fault) = self.script.pop_front().or(self.for_ever) {
            return fault;
        }
        let Odds { late, short, flip, flip_within: within, drop, close, .. } = self.odds;
        let place = draw(&mut self.odds.seed) as usize % len.max(1);
        let mut left = (draw(&mut self.odds.seed) % 100) as u8;
        let faults = [
            (late.0, Fault::Delay(late.1)),
            (short, Fault::Short(place)),
            (flip, Fault::Flip(if within > 0 { place % within } else { place })),
            (drop, Fault::Drop),
            (close, Fault::Close),
        ];
        for (percent, fault) in faults {
            if left < percent {
                return fault;
            }
            left -= percent;
        }
        Fault::None
    }
}

/// A running proxy in front of one server; dropping it closes the port.
pub struct FaultProxy {
    address: SocketAddr,
    faults: Arc<Mutex<Faults>>,
    connections: Arc<AtomicU64>,
    spoilt: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts on a free port of the loopback; every connection is passed on to `upstream`.
    ///
    /// # Panics
    /// When no port can be opened.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let faults = Arc::new(Mutex::new(Faults::default()));
        let (connections, spoilt) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (rules, count, marks) = (Arc::clone(&faults), Arc::clone(&connections), Arc::clone(&spoilt));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let Ok(far) = TcpStream::connect(upstream).await else { continue };
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                let (rules, marks) = (Arc::clone(&rules), Arc::clone(&marks));
                open.spawn(async move {
                    tokio::select! {
                        () = pass(near_in, far_out) => {}
                        () = spoil(far_in, near_out, &rules, &marks) => {}
                    }
                });
            }
        });
        Self { address, faults, connections, spoilt, task }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// These faults, one for each answer, then what was set before.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().script.extend(faults);
    }

    /// Faults by chance from now on.
    pub fn odds(&self, odds: Odds) {
        self.lock().odds = odds;
    }

    /// The same fault for every answer from now on; `None` ends it.
    pub fn always(&self, fault: Option<Fault>) {
        self.lock().for_ever = fault;
    }

    /// Connections taken so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Answers spoilt so far.
    #[must_use]
    pub fn spoilt(&self) -> u64 {
        self.spoilt.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Stands between two streams that are open already, such as two ends of serial lines, until one of them ends. What
/// comes from the far one is spoilt by these chances; says how many pieces were.
pub async fn between<N, F>(near: N, far: F, odds: Odds, spoilt: &AtomicU64)
where
    N: AsyncRead + AsyncWrite,
    F: AsyncRead + AsyncWrite,
{
    let rules = Mutex::new(Faults { odds, ..Faults::default() });
    let (near_in, near_out) = tokio::io::split(near);
    let (far_in, far_out) = tokio::io::split(far);
    tokio::select! {
        () = pass(near_in, far_out) => {}
        () = spoil(far_in, near_out, &rules, spoilt) => {}
    }
}

/// Passes what the near side sends, as it is.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // An error ends the connection on both sides, which is all a proxy can tell.
    drop(tokio::io::copy(&mut from, &mut to).await);
}

/// Passes what the far side answers, spoilt as the rules say.
async fn spoil(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    rules: &Mutex<Faults>,
    marks: &AtomicU64,
) {
    let mut piece = vec![0; 64 * 1024];
    let mut half_open = false;
    while let Ok(len @ 1..) = from.read(&mut piece).await {
        if half_open {
            continue;
        }
        let fault = rules.lock().unwrap_or_else(PoisonError::into_inner).next(len);
        if fault != Fault::None {
            marks.fetch_add(1, Ordering::Relaxed);
        }
        let (send, close) = match fault {
            Fault::None => (len, false),
            Fault::Delay(wait) => {
                tokio::time::sleep(wait).await;
                (len, false)
            }
            Fault::Drop => (0, false),
            Fault::Truncate(n) => (n.min(len), true),
            Fault::Short(n) => (n.min(len), false),
            Fault::Flip(at) => {
                piece[at.min(len - 1)] ^= 1;
                (len, false)
            }
            Fault::HalfOpen => {
                half_open = true;
                (0, false)
            }
            Fault::Close => (0, true),
        };
        if to.write_all(&piece[..send]).await.is_err() || close {
            return;
        }
    }
}
