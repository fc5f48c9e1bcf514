//! Renders live updates once for all boards.
//!
//! Two hundred open boards must not mean two hundred reads of the store: one task reads what changed, at most
//! four times a second, writes it as text once, and every connection passes the same bytes on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use orderly_core::alert::Alert;
use orderly_core::ids::DeviceId;
use orderly_core::task::Task;
use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::feed::{Feed, Since};
use super::router::Parts;
use super::{ReadError, Reads, dto};

/// The shortest time between two updates.
const PACE: Duration = Duration::from_millis(250);
/// How often the status is sent.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// How many frames may wait for a slow connection; then it catches up from the ring.
const FRAMES: usize = 32;
/// How many devices one event holds at most.
const DEVICES_PER_EVENT: usize = 500;

/// Text of one or more events that all connections pass on.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The commit that the connection stands at after it; `None`: no change of place (status).
    pub(crate) commit: Option<u64>,
    /// The events as they go over the wire.
    pub(crate) text: Bytes,
}

/// Where live connections get their frames from.
#[derive(Debug)]
pub(crate) struct Stage {
    frames: broadcast::Sender<Frame>,
}

impl Stage {
    /// Starts the rendering task; it ends when `parts.stop` turns `true`.
    pub(crate) fn start(parts: &Parts) -> Arc<Self> {
        let stage = Arc::new(Self { frames: broadcast::Sender::new(FRAMES) });
        let (run, parts) = (Arc::clone(&stage), parts.clone());
        tokio::spawn(async move { run.run(parts).await });
        stage
    }

    /// A new connection: every frame from here on.
    pub(crate) fn join(&self) -> broadcast::Receiver<Frame> {
        self.frames.subscribe()
    }

    async fn run(&self, parts: Parts) {
        let mut head = parts.feed.watch();
        let mut stop = parts.stop.clone();
        let mut pace = paced(PACE);
        let mut status = paced(STATUS_EVERY);
        let mut sent = parts.feed.head();
        loop {
            tokio::select! {
                _ = stopped(&mut stop) => return,
                _ = status.tick() => self.status(&parts),
                changed = head.changed() => {
                    if changed.is_err() { return }
                    pace.tick().await;
                    head.mark_unchanged();
                    sent = self.update(&parts, sent).await;
                }
            }
        }
    }

    /// Sends what changed after commit `sent`, and says up to where it has come.
    async fn update(&self, parts: &Parts, sent: u64) -> u64 {
        // First the place, then the count: who joins in between starts at or after this place.
        let head = parts.feed.head();
        if self.frames.receiver_count() == 0 {
            return head;
        }
        let (text, commit) = render_since(Arc::clone(&parts.reads), &parts.feed, sent).await;
        self.send(Frame { commit: Some(commit), text });
        commit
    }

    fn status(&self, parts: &Parts) {
        if self.frames.receiver_count() > 0 {
            let mut text = String::new();
            event(&mut text, "status", None, &parts.overview.status());
            self.send(Frame { commit: None, text: text.into() });
        }
    }

    fn send(&self, frame: Frame) {
        // Nobody listening is no fault.
        drop(self.frames.send(frame));
    }
}

/// The events that bring a board from commit `sent` to the present, and the commit it then stands at.
/// When the ring does not reach back, or the store cannot be read, that is a single `resync`.
pub(crate) async fn render_since(reads: Arc<dyn Reads>, feed: &Feed, sent: u64) -> (Bytes, u64) {
    let (head, devices, alerts, tasks) = match feed.since(sent) {
        Since::Missed { head } => return (resync(head), head),
        Since::Changed { head, devices, alerts, tasks } => (head, devices, alerts, tasks),
    };
    let text =
        tokio::task::spawn_blocking(move || render(reads.as_ref(), head, &devices, &alerts, &tasks)).await;
    match text {
        Ok(Ok(text)) => (text.into(), head),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "a live update could not be read");
            (resync(head), head)
        }
        Err(_) => (resync(head), head),
    }
}

/// Ends when the daemon stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means that the daemon is gone.
    drop(stop.wait_for(|stop| *stop).await);
}

fn paced(every: Duration) -> Interval {
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn resync(head: u64) -> Bytes {
    let mut text = String::new();
    event(&mut text, "resync", Some(head), &dto::Resync { commit: head });
    text.into()
}

fn render(
    reads: &dyn Reads,
    head: u64,
    devices: &[DeviceId],
    alerts: &[Alert],
    tasks: &[Task],
) -> Result<String, ReadError> {
    let mut text = String::new();
    for names in devices.chunks(DEVICES_PER_EVENT) {
        let views = reads.devices_named(names)?;
        let devices = views.iter().map(dto::Device::from).collect();
        event(&mut text, "devices", None, &dto::Devices { devices, next: None });
    }
    if !alerts.is_empty() {
        let alerts = alerts.iter().map(dto::Alert::from).collect();
        event(&mut text, "alerts", None, &dto::Alerts { alerts });
    }
    if !tasks.is_empty() {
        let tasks = tasks.iter().map(dto::Task::from).collect();
        event(&mut text, "tasks", None, &dto::Tasks { tasks });
    }
    // The id comes last and alone, so a board that was cut off in the middle asks for all of it again. An event
    // without data is not dispatched, but its id counts.
    text.push_str(&format!("id: {head}\n\n"));
    Ok(text)
}

/// Writes one event. JSON holds no line break, so one `data:` line is enough.
fn event(text: &mut String, name: &str, id: Option<u64>, data: &impl Serialize) {
    match serde_json::to_string(data) {
        Ok(json) => {
            if let Some(id) = id {
                text.push_str(&format!("id: {id}\n"));
            }
            text.push_str(&format!("event: {name}\ndata: {json}\n\n"));
        }
        Err(error) => tracing::error!(%error, event = name, "a live update could not be written"),
    }
}
