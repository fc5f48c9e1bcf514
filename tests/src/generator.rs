//! A paced load of blood-pressure readings that survives the death of whom it talks to and keeps the ledger.
//!
//! What was not acknowledged is sent again, in order, after each reconnect, as a real device does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ledger::{Ledger, Sent};
use crate::mqtt_load::Publisher;

/// What the generator sends.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Port of the broker or listener.
    pub port: u16,
    /// How many connections; a device always speaks over the same one.
    pub connections: usize,
    /// Devices for each connection.
    pub devices_each: usize,
    /// Messages a second, all connections together.
    pub per_second: usize,
    /// Unacknowledged messages that one connection may have.
    pub window: usize,
    /// Device time of the first message of each device, in ms since 1970.
    pub first_device_time: i64,
    /// Device time from one message of a device to its next, in ms.
    pub step_ms: i64,
    /// Makes the values; the same seed sends the same.
    pub seed: u64,
}

/// How far the load is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Messages that left for the first time.
    pub sent: usize,
    /// Messages that were acknowledged.
    pub acked: usize,
    /// Connections that are open; without one no acknowledgement comes any more.
    pub talking: usize,
}

/// Twelve hours ago, to the second: device times that run faster than the clock must not reach the future.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a real daemon lives in real time")]
pub fn twelve_hours_ago() -> i64 {
    (jiff::Timestamp::now().as_second() - 12 * 3_600) * 1_000
}

/// A running load.
#[derive(Debug)]
pub struct Generator {
    progress: watch::Receiver<Progress>,
    stop: watch::Sender<bool>,
    lines: Vec<Arc<Mutex<Vec<Sent>>>>,
    tasks: JoinSet<()>,
}

impl Generator {
    /// Starts the load; `up` says while whom it talks to is alive.
    #[must_use]
    pub fn start(plan: &Plan, up: &watch::Receiver<bool>) -> Self {
        let (told, progress) = watch::channel(Progress::default());
        let (stop, stopped) = watch::channel(false);
        let told = Arc::new(told);
        let mut tasks = JoinSet::new();
        let mut lines = Vec::new();
        for connection in 0..plan.connections {
            let messages = Arc::new(Mutex::new(Vec::new()));
            lines.push(Arc::clone(&messages));
            let line = Line {
                plan: plan.clone(),
                connection,
                messages,
                unacked: Vec::new(),
                told: Arc::clone(&told),
                up: up.clone(),
                stopped: stopped.clone(),
            };
            tasks.spawn(line.run());
        }
        Self { progress, stop, lines, tasks }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// All messages that were acknowledged so far.
    #[must_use]
    pub fn acked(&self) -> Vec<Sent> {
        let line = |line: &Arc<Mutex<Vec<Sent>>>| {
            let messages = line.lock().unwrap_or_else(PoisonError::into_inner);
            messages.iter().filter(|message| message.acked).cloned().collect::<Vec<_>>()
        };
        self.lines.iter().flat_map(line).collect()
    }

    /// Waits until the load is so far.
    ///
    /// # Panics
    /// When the load has died.
    pub async fn wait(&mut self, far_enough: impl FnMut(&Progress) -> bool) {
        assert!(self.progress.wait_for(far_enough).await.is_ok(), "the load has died");
    }

    /// Sends nothing new any more, waits until all that left is acknowledged, and gives the ledger.
    pub async fn finish(mut self) -> Ledger {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        let mut ledger = Ledger::default();
        for line in self.lines {
            ledger.messages.append(&mut line.lock().unwrap_or_else(PoisonError::into_inner));
        }
        ledger
    }
}

/// One connection and its devices.
struct Line {
    plan: Plan,
    connection: usize,
    messages: Arc<Mutex<Vec<Sent>>>,
    /// Numbers of the messages that wait for their acknowledgement, in order of first sending.
    unacked: Vec<usize>,
    told: Arc<watch::Sender<Progress>>,
    up: watch::Receiver<bool>,
    stopped: watch::Receiver<bool>,
}

impl Line {
    async fn run(mut self) {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        loop {
            if self.up.wait_for(|up| *up).await.is_err() {
                return;
            }
            // No connection although it should be up: it is just dying. The pause keeps this from spinning.
            pause.tick().await;
            let Ok(publisher) =
                Publisher::connect(self.plan.port, &format!("load-{}", self.connection)).await
            else {
                continue;
            };
            self.told.send_modify(|p| p.talking += 1);
            let done = self.talk(publisher).await;
            self.told.send_modify(|p| p.talking -= 1);
            if done {
                return;
            }
        }
    }

    /// Publishes until the connection breaks (`false`) or all is done (`true`).
    async fn talk(&mut self, mut publisher: Publisher) -> bool {
        let mut again: std::collections::VecDeque<usize> = self.unacked.iter().copied().collect();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let batch = (self.plan.per_second / self.plan.connections / 100).max(1);
        loop {
            // Ends where every device has finished an episode: a state left open would fire two quiet seconds later.
            let stopped = *self.stopped.borrow() && self.all_between_episodes();
            if stopped && self.unacked.is_empty() {
                return true;
            }
            let room = self.plan.window.saturating_sub(publisher.in_flight());
            tokio::select! {
                acked = publisher.acked() => match acked {
                    Ok(number) => self.note_ack(number),
                    Err(_) => return false,
                },
                _ = tick.tick(), if room > 0 => {
                    let mut numbers: Vec<(usize, bool)> = Vec::with_capacity(batch);
                    while numbers.len() < room && let Some(number) = again.pop_front() {
                        numbers.push((number, true));
                    }
                    if numbers.is_empty() && !stopped {
                        let stopping = *self.stopped.borrow();
                        for _ in 0..batch.min(room) {
                            if stopping && self.all_between_episodes() {
                                break;
                            }
                            numbers.push((self.next_message(), false));
                        }
                    }
                    if !numbers.is_empty() && self.send(&mut publisher, &numbers).await.is_err() {
                        return false;
                    }
                }
            }
        }
    }

    async fn send(&mut self, publisher: &mut Publisher, numbers: &[(usize, bool)]) -> anyhow::Result<()> {
        let packets: Vec<(usize, String, Vec<u8>, bool)> = {
            let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            numbers
                .iter()
                .map(|&(number, again)| {
                    let message = &mut messages[number];
                    message.times_sent += 1;
                    (number, message.topic(), message.payload.clone().into_bytes(), again)
                })
                .collect()
        };
        let borrowed: Vec<(usize, &str, &[u8], bool)> = packets
            .iter()
            .map(|(n, topic, body, again)| (*n, topic.as_str(), body.as_slice(), *again))
            .collect();
        publisher.publish(&borrowed).await
    }

    fn all_between_episodes(&self) -> bool {
        let sent = self.messages.lock().unwrap_or_else(PoisonError::into_inner).len();
        sent.is_multiple_of(self.plan.devices_each * EPISODE)
    }

    fn note_ack(&mut self, number: usize) {
        if let Ok(place) = self.unacked.binary_search(&number) {
            self.unacked.remove(place);
            self.messages.lock().unwrap_or_else(PoisonError::into_inner)[number].acked = true;
            self.told.send_modify(|p| p.acked += 1);
        }
    }

    /// Makes the next message and writes it into the ledger before it leaves.
    fn next_message(&mut self) -> usize {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let number = messages.len();
        let device_in_line = number % self.plan.devices_each;
        let turn = number / self.plan.devices_each;
        let device = self.connection * self.plan.devices_each + device_in_line;
        let device_time = self.plan.first_device_time + i64::try_from(turn).unwrap_or(0) * self.plan.step_ms;
        let (sys, dia, pulse) = pressure(self.plan.seed, device, turn);
        messages.push(Sent {
            device: format!("bp-{device:04}"),
            class: "bp_meter".to_owned(),
            device_time,
            payload: format!(
                "{{\"sys\":{sys},\"dia\":{dia},\"pulse\":{pulse},\"t\":\"{}\"}}",
                orderly_core::time::Timestamp(device_time)
            ),
            times_sent: 0,
            acked: false,
        });
        self.unacked.push(number);
        drop(messages);
        self.told.send_modify(|p| p.sent += 1);
        number
    }
}

/// Turns of one episode.
const EPISODE: usize = 8;

/// The pressure of a device at a turn: mostly normal, with episodes of eight turns that cross the crisis threshold.
#[must_use]
pub fn pressure(seed: u64, device: usize, turn: usize) -> (u32, u32, u32) {
    let mix = |n: u64| {
        let mut x = n.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^ (x >> 32)
    };
    let episode = mix((device as u64) << 32 | (turn / EPISODE) as u64);
    let jitter = u32::try_from(mix((device as u64) << 40 | turn as u64) % 11).unwrap_or(0);
    match episode % 16 {
        0 => (186 + jitter, 96 + jitter % 5, 88),
        1 => (150 + jitter, 112 + jitter % 4, 90),
        _ => (118 + jitter, 74 + jitter % 7, 70 + jitter % 9),
    }
}
