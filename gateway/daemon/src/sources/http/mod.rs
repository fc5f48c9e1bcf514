//! The HTTP doors for readings: JSON as on the own topic, line protocol as existing agents send it, and what the
//! clouds of vendors push with a signature.
//!
//! The syntax is read before anything is journalled; what does not parse is refused whole, with its place. A 2xx
//! leaves only when the records are on disk.

mod entrance;
pub mod hooks;
mod json;
mod lines;
pub mod signature;
mod write;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use orderly_core::codec::line::Line;
use orderly_core::ids::SiteId;
use orderly_core::profile::Profile;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::hooks::Hooks;
use super::intake::Intake;
use super::mqtt_door::Logins;
use crate::catalog::Catalog;

/// The largest record, and the largest JSON body.
pub const MAX_RECORD: usize = 256 * 1024;
/// The largest body of a write request, as it comes over the wire.
const MAX_WRITE: usize = 2 * 1024 * 1024;
/// The largest body of a write request when it is unpacked.
const MAX_UNPACKED: usize = 16 * 1024 * 1024;
/// Readings under way at once; each holds at most [`MAX_RECORD`].
const JSON_AT_ONCE: usize = 256;
/// Write requests under way at once; each holds at most [`MAX_UNPACKED`].
const WRITES_AT_ONCE: usize = 8;

/// Which devices a line is about, as the profiles read it.
pub type Owner = Arc<dyn Fn(&Line<'_>) -> Vec<String> + Send + Sync>;

/// What the doors are given by the runtime.
pub struct Deps {
    /// The way into the journal.
    pub intake: Arc<dyn Intake>,
    /// The register.
    pub logins: Arc<dyn Logins>,
    /// The site that these doors belong to.
    pub site: SiteId,
    /// Which devices a line is about: a device with a credential may only write its own.
    pub owner: Owner,
    /// The clouds of vendors that may post here.
    pub hooks: Arc<Hooks>,
    /// Where clients are taken to be when the server does not say: loopback on a port that only loopback reaches.
    pub peer: Option<SocketAddr>,
}

/// The doors of one port.
pub(crate) struct Doors {
    deps: Deps,
    json: Semaphore,
    writes: Semaphore,
}

/// The owner of a line by the profiles in force: every device that one of them would read from it.
pub fn owner_by(catalog: Arc<Catalog>) -> Owner {
    Arc::new(move |line| {
        let in_force = catalog.now();
        let reads = in_force.profiles.iter().filter(|profile| profile.reads(line));
        let device = |profile: &Arc<Profile>| Some(profile.decode_line(line, "").ok()?.device?.to_string());
        reads.filter_map(device).collect()
    })
}

/// The routes of the doors.
pub fn router(deps: Deps) -> Router {
    let doors =
        Arc::new(Doors { deps, json: Semaphore::new(JSON_AT_ONCE), writes: Semaphore::new(WRITES_AT_ONCE) });
    let router = match doors.deps.hooks.is_empty() {
        true => Router::new(),
        false => Router::new()
            .route("/ingest/v1/hooks/{name}", post(hooks::take).layer(DefaultBodyLimit::max(MAX_RECORD)))
            .route(
                "/ingest/v1/hooks/{name}/{*rest}",
                post(hooks::take_below).layer(DefaultBodyLimit::max(MAX_RECORD)),
            ),
    };
    router
        .route(
            "/ingest/v1/{site}/{class}/{device}/{stream}",
            post(json::take).layer(DefaultBodyLimit::max(MAX_RECORD)),
        )
        .route("/api/v2/write", post(write::take).layer(DefaultBodyLimit::max(MAX_WRITE)))
        .with_state(doors)
}

/// Serves the doors alone on a port of their own, until told to stop; requests under way are answered.
///
/// # Errors
/// When the listener fails for good.
pub async fn run(listener: TcpListener, deps: Deps, stop: CancellationToken) -> std::io::Result<()> {
    let service = router(deps).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// An extractor's error that cannot happen.
type Never = Infallible;
