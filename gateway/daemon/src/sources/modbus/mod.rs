//! Modbus: polls the registers that a profile names, one request at a time on each link, over TCP or a serial line.
//!
//! Nothing that comes late is ever believed: after any error the connection is dropped, and a serial line falls silent
//! and proves that nothing is on its way ([`wire`]). Only polls with news become records; the others are signs of life.

mod bus;
mod config;
mod crowd;
mod leave_out;
mod link;
mod plan;
mod report;
mod schedule;
pub mod wire;
mod write;

use std::sync::Arc;

use orderly_core::ids::SiteId;
use orderly_core::time::Clock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use self::config::{LinkConfig, Polled};
pub use self::crowd::Crowd;
pub use self::link::Heard;
pub use self::plan::{Ask, plan};
pub use self::schedule::Patience;
use super::intake::Intake;
use super::links::Links;
use super::outgoing::ToUnit;

/// What a link is given by the runtime.
#[derive(Clone)]
pub struct Deps {
    /// The way into the journal.
    pub intake: Arc<dyn Intake>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// The site of the devices.
    pub site: SiteId,
    /// Told of devices that answered without news.
    pub heard: Heard,
    /// Told when the link comes up or goes down.
    pub links: Arc<dyn Links>,
    /// Keeps many links from filling the log.
    pub crowd: Arc<Crowd>,
    /// Where the link says how it is.
    pub status: watch::Sender<LinkStatus>,
}

/// How a link is, for the status page.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LinkStatus {
    /// Whether the last poll got an answer.
    pub up: bool,
    /// Polls that were answered.
    pub polls: u64,
    /// Polls that became records.
    pub reports: u64,
    /// Polls without a usable answer.
    pub failed: u64,
    /// Requests that units refused, so that their registers were left out.
    pub refused: u64,
    /// What went wrong last, if anything did.
    pub last_error: Option<String>,
}

/// Polls one link until told to stop. A record that was appended is durable soon or polled again.
pub async fn run(config: LinkConfig, deps: Deps, stop: CancellationToken) {
    let (_never, devices) = watch::channel(config.devices.clone());
    let (_nobody, orders) = mpsc::channel(1);
    run_following(config, devices, orders, deps, stop).await;
}

/// The same, where the devices may change: those whose profile is another begin anew, the others do not notice. Between
/// two polls it carries out the orders that come.
pub async fn run_following(
    config: LinkConfig,
    devices: watch::Receiver<Vec<Polled>>,
    orders: mpsc::Receiver<ToUnit>,
    deps: Deps,
    stop: CancellationToken,
) {
    tokio::select! {
        () = link::Link::new(config, devices, orders, deps).run() => {}
        () = stop.cancelled() => {}
    }
}
