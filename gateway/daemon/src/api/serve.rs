//! Opens the port and serves until the daemon stops.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::stage::stopped;

/// Why the port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address can be reached from other machines.
    #[error(
        "{0} can be reached from other machines; until there are accounts the API answers on loopback only: \
         use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The system refused it.
    #[error("cannot listen on {0}: {1}")]
    Refused(SocketAddr, #[source] std::io::Error),
}

/// Opens a port for the API; only on loopback.
///
/// # Errors
/// When the address is not loopback or the system refuses it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|error| BindError::Refused(address, error))
}

/// Serves until `stop` turns `true`, then lets answers in progress end. Live connections end by themselves.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(async move { stopped(&mut stop).await }).await
}
