//! Lets connections in, within limits, and ends them all when it must.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::conn::Connection;
use super::{Door, Over};

/// How long connections may take to pay what they owe when the daemon stops.
const PARTING: Duration = Duration::from_secs(2);

/// Serves one listening socket until `stop`, then ends its connections.
pub async fn serve(door: Arc<Door>, listener: TcpListener, stop: CancellationToken) {
    let max = door.settings.max_connections;
    let slots = Arc::new(Semaphore::new(max as usize));
    let mut journal = pin!(watch_journal(&door));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = &mut journal => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(&door, &slots, stream, peer),
                Err(error) => {
                    // Out of file descriptors, most likely: the connections that end will free some.
                    door.tally.refused("accept");
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    door.over.send_modify(|over| over.stopping = true);
    // Each connection holds one slot; all of them back means that all have ended.
    drop(tokio::time::timeout(PARTING, slots.acquire_many(max)).await);
}

fn admit(door: &Arc<Door>, slots: &Arc<Semaphore>, stream: TcpStream, peer: SocketAddr) {
    let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
        door.tally.refused("connections");
        return;
    };
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%peer, %error, "socket options");
    }
    let door = Arc::clone(door);
    tokio::spawn(async move {
        let (reader, writer) = stream.into_split();
        Connection::serve(door, reader, writer, peer).await;
        drop(slot);
    });
}

/// Acknowledgements leave at once; a peer that vanished is noticed even with keep-alive 0.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let patience =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    SockRef::from(stream).set_tcp_keepalive(&patience)
}

/// Passes failed syncs on to the connections; one task looks at each sync, so that idle connections need not.
/// Returns when the journal is gone.
pub async fn watch_journal(door: &Door) {
    let mut durable = door.intake.durable();
    loop {
        let generation = durable.borrow_and_update().generation;
        door.over.send_if_modified(|over: &mut Over| {
            let failed = over.generation != generation;
            over.generation = generation;
            failed
        });
        if durable.changed().await.is_err() {
            return;
        }
    }
}
