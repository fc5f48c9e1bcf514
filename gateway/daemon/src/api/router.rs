//! The table of routes and what every handler shares.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use orderly_core::time::Clock;
use tokio::sync::{Semaphore, watch};
use tower_http::compression::CompressionLayer;

use super::error::ApiError;
use super::stage::Stage;
use super::{Feed, Health, OldHistory, Orders, Overview, ReadError, Reads};
use super::{
    alerts, commands, devices, events, guard, health, inventory, metrics, openapi, profiles, quarantine,
    readings, registry, status, strangers, twins, web, worklist,
};
use crate::book::Book;
use crate::catalog::Catalog;

/// How many reads may run on blocking threads at once.
const READS_AT_ONCE: usize = 8;
/// How many may wait for their turn; the next is told to come again.
const READS_WAITING: usize = 64;
/// How many live connections there may be.
const LIVE_AT_ONCE: usize = 256;
/// The largest body of an order.
const ORDER_BYTES: usize = 16 * 1024;

/// What the rest of the daemon gives to the API.
#[derive(Clone)]
pub struct Parts {
    /// The committed state.
    pub reads: Arc<dyn Reads>,
    /// The profiles in force.
    pub profiles: Arc<Catalog>,
    /// Places and things.
    pub registry: Arc<Book>,
    /// What stores outside hold from before the local history.
    pub older: Arc<dyn OldHistory>,
    /// Where orders go.
    pub orders: Arc<dyn Orders>,
    /// What the gateway says about itself.
    pub overview: Arc<dyn Overview>,
    /// Whether it does its work.
    pub health: Arc<dyn Health>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Renders the gateway's own figures as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What each commit changed.
    pub feed: Arc<Feed>,
    /// Turns `true` when the daemon stops; live connections end then.
    pub stop: watch::Receiver<bool>,
}

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) parts: Parts,
    pub(crate) stage: Arc<Stage>,
    pub(crate) live: Arc<Semaphore>,
    pub(crate) imports: Arc<Semaphore>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl App {
    /// Runs a read on a blocking thread, a few at a time.
    pub(crate) async fn read<T, F>(&self, call: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T, ReadError> + Send + 'static,
    {
        let _admitted = self.admitted.try_acquire().map_err(|_| ApiError::busy())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| ApiError::internal())?;
        let reads = Arc::clone(&self.parts.reads);
        let task = tokio::task::spawn_blocking(move || {
            // The permit goes with the thread: a caller that goes away does not make room for a second read.
            let _running = running;
            call(reads.as_ref())
        });
        Ok(task.await.map_err(|_| ApiError::internal())??)
    }
}

/// All routes of the API: path and handlers. The OpenAPI document must list the same.
fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/api/v1/devices", get(devices::list)),
        ("/api/v1/devices/{id}", get(devices::one)),
        ("/api/v1/devices/{id}/readings", get(readings::list)),
        ("/api/v1/devices/{id}/commands", get(commands::list).post(commands::order)),
        ("/api/v1/devices/{id}/commands/{command}", get(commands::one)),
        ("/api/v1/twins", get(twins::list)),
        ("/api/v1/profiles", get(profiles::list)),
        ("/api/v1/alerts", get(alerts::list)),
        ("/api/v1/alerts/{id}", get(alerts::one)),
        ("/api/v1/alerts/{id}/acknowledge", post(alerts::acknowledge)),
        ("/api/v1/alerts/{id}/close", post(alerts::close)),
        ("/api/v1/worklist", get(worklist::list).post(worklist::create)),
        ("/api/v1/worklist/figures", get(worklist::lists)),
        ("/api/v1/worklist/hand_over", post(worklist::hand_over)),
        ("/api/v1/worklist/{id}", get(worklist::one)),
        ("/api/v1/worklist/{id}/{step}", post(worklist::step)),
        ("/api/v1/quarantine", get(quarantine::list)),
        ("/api/v1/inventory", post(inventory::enter)),
        ("/api/v1/registry", get(registry::export).post(registry::enter)),
        ("/api/v1/zones", get(registry::zones)),
        ("/api/v1/bays", get(registry::bays)),
        ("/api/v1/items", get(registry::items)),
        ("/api/v1/unknown", get(strangers::list)),
        ("/api/v1/unknown/claim", post(strangers::claim)),
        ("/api/v1/unknown/{id}/adopt", post(strangers::adopt)),
        ("/api/v1/status", get(status::status)),
        ("/api/v1/events", get(events::events)),
        ("/api/openapi.json", get(openapi::serve)),
        ("/metrics", get(metrics::metrics)),
        ("/health/live", get(health::live)),
        ("/health/ready", get(health::ready)),
    ]
}

/// The paths of all routes of the API, without those of the doors for readings.
#[must_use]
pub fn paths() -> Vec<&'static str> {
    table().into_iter().map(|(path, _)| path).collect()
}

/// The whole HTTP face: the API, the boards, and the doors for readings that `doors` brings.
///
/// Must be called within a tokio runtime: the task that renders live updates starts here and ends with
/// `parts.stop`.
pub fn router(parts: Parts, doors: Router) -> Router {
    let app = App {
        stage: Stage::start(&parts),
        live: Arc::new(Semaphore::new(LIVE_AT_ONCE)),
        imports: Arc::new(Semaphore::new(1)),
        running: Arc::new(Semaphore::new(READS_AT_ONCE)),
        admitted: Arc::new(Semaphore::new(READS_AT_ONCE + READS_WAITING)),
        parts,
    };
    table()
        .into_iter()
        .fold(Router::new(), |router, (path, handlers)| router.route(path, handlers))
        .layer(DefaultBodyLimit::max(ORDER_BYTES))
        .merge(doors.with_state(()))
        .fallback(web::serve)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(guard::own_pages_only))
        .layer(middleware::from_fn(guard::careful_headers))
}

async fn wrong_method() -> Response {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "this address does not take that method",
        "see /api/openapi.json",
    )
    .into_response()
}
