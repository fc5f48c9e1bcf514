//! One MQTT connection for a group of devices: QoS 1, repeated until it is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use orderly_core::time::{Clock, Timestamp};
use rumqttc::{AsyncClient, EventLoop, MqttOptions, PublishOptions, QoS};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ledger::{Ledger, Summary};
use super::obey::{Ear, Heard};
use super::outgoing::Outgoing;

/// Messages that may wait in the devices of one group.
const WAITING: usize = 20_000;
/// Messages of one connection that may be unacknowledged.
const IN_FLIGHT: usize = 512;
/// How long acknowledgements are waited for at the end.
const LAST_ACKS: Duration = Duration::from_millis(500);

/// A connection that takes messages.
#[derive(Debug)]
pub(super) struct Publisher {
    sender: mpsc::Sender<Outgoing>,
    task: tokio::task::JoinHandle<Summary>,
    dropped: u64,
}

/// Where and as whom a group connects.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub host: String,
    pub port: u16,
    pub credentials: Option<(String, String)>,
    pub client_id: String,
    /// What its devices hear.
    pub filters: Vec<String>,
    /// Where that goes.
    pub heard: mpsc::Sender<Heard>,
}

/// A message on its way.
struct Flight {
    message: Outgoing,
    sent_at: Timestamp,
    acked: bool,
}

impl Publisher {
    pub(super) fn start(
        target: Target,
        clock: Arc<dyn Clock>,
        ledger: Ledger,
        stop: CancellationToken,
    ) -> Self {
        let (sender, messages) = mpsc::channel(WAITING);
        let task = tokio::spawn(run(target, clock, ledger, stop, messages));
        Self { sender, task, dropped: 0 }
    }

    /// Hands a message over; one that finds the memory of the devices full is lost, as it would be there.
    pub(super) fn send(&mut self, message: Outgoing) {
        self.dropped += u64::from(self.sender.try_send(message).is_err());
    }

    /// Waits for the last acknowledgements.
    pub(super) async fn finish(self) -> Summary {
        drop(self.sender);
        let summary = self.task.await.unwrap_or_default();
        Summary { dropped: summary.dropped + self.dropped, ..summary }
    }
}

async fn run(
    target: Target,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    stop: CancellationToken,
    mut messages: mpsc::Receiver<Outgoing>,
) -> Summary {
    let mut options = MqttOptions::new(target.client_id, (target.host, target.port));
    options.set_keep_alive(30);
    options.set_clean_session(true);
    options.set_inflight(u16::try_from(IN_FLIGHT).unwrap_or(100));
    if let Some((name, password)) = target.credentials {
        options.set_credentials(name, password);
    }
    let (client, events) = AsyncClient::builder(options).capacity(IN_FLIGHT).build();
    let link_stop = CancellationToken::new();
    let ear = Ear::new(client.clone(), target.filters, target.heard);
    let link = tokio::spawn(keep_link(events, ear, link_stop.clone()));

    let mut summary = Summary::default();
    let mut flights = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(flight) = flights.next() => {
                if let Some(again) = landed(flight, &clock, &ledger, &mut summary).await {
                    flights.push(fly(client.clone(), again));
                }
            }
            message = messages.recv(), if flights.len() < IN_FLIGHT => match message {
                Some(message) => {
                    summary.sent += 1;
                    let sent_at = clock.now().wall;
                    flights.push(fly(client.clone(), Flight { message, sent_at, acked: false }));
                }
                None => break,
            }
        }
    }
    let last = tokio::time::timeout(LAST_ACKS, async {
        while let Some(flight) = flights.next().await {
            // What was not acknowledged now never will be.
            _ = landed(flight, &clock, &ledger, &mut summary).await;
        }
    });
    if last.await.is_err() {
        tracing::debug!(open = flights.len(), "messages without acknowledgement at the end");
    }
    while let Ok(message) = messages.try_recv() {
        summary.dropped += 1;
        ledger.message(&message, None, None).await;
    }
    if let Err(error) = client.try_disconnect_now() {
        tracing::debug!(%error, "the connection was already gone");
    }
    link_stop.cancel();
    _ = link.await;
    summary
}

/// Publishes and waits until the broker has it or the connection is lost.
async fn fly(client: AsyncClient, mut flight: Flight) -> Flight {
    let Outgoing { topic, payload, .. } = &flight.message;
    let options = PublishOptions::new(QoS::AtLeastOnce);
    if let Ok(notice) = client.publish_tracked(topic.clone(), payload.clone(), options).await {
        flight.acked = notice.wait_async().await.is_ok();
    }
    flight
}

/// Notes an acknowledged message; gives one back that must be sent again.
async fn landed(
    flight: Flight,
    clock: &Arc<dyn Clock>,
    ledger: &Ledger,
    summary: &mut Summary,
) -> Option<Flight> {
    if !flight.acked {
        return Some(flight);
    }
    summary.acked += 1;
    ledger.message(&flight.message, Some(flight.sent_at), Some(clock.now().wall)).await;
    None
}

/// Keeps the connection going: tries again after every loss, a little later each time.
async fn keep_link(mut events: EventLoop, ear: Ear, stop: CancellationToken) {
    let mut wait = Duration::from_millis(100);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            event = events.poll() => match event {
                Ok(event) => {
                    ear.see(&event);
                    wait = Duration::from_millis(100);
                }
                Err(error) => {
                    tracing::debug!(%error, "simulated devices lost their connection");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(wait) => wait = (wait * 2).min(Duration::from_secs(2)),
                    }
                }
            }
        }
    }
}
