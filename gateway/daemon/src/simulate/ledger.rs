//! The ledger: one line of JSON for every message, with the instants at which it was sent and acknowledged.

use std::path::Path;

use orderly_core::time::Timestamp;
use serde_json::{Value as Json, json};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::mpsc;

use super::hospital::Changed;
use super::outgoing::Outgoing;
use super::value::shown;

/// Lines that may wait for the disk.
const WAITING: usize = 10_000;

/// What became of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Messages handed to a connection.
    pub sent: u64,
    /// Messages whose acknowledgement came.
    pub acked: u64,
    /// Messages that were never handed over because the connection was too far behind.
    pub dropped: u64,
    /// Changes of Modbus registers.
    pub registers: u64,
}

/// Where lines are handed in.
#[derive(Debug, Clone)]
pub(super) struct Ledger(Option<mpsc::Sender<String>>);

impl Ledger {
    /// A ledger that keeps nothing.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Opens the file; the task ends, with everything written, when the last handle is gone.
    pub(super) async fn open(
        path: &Path,
    ) -> std::io::Result<(Self, tokio::task::JoinHandle<std::io::Result<()>>)> {
        let mut file = BufWriter::new(File::create(path).await?);
        let (sender, mut lines) = mpsc::channel::<String>(WAITING);
        let task = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                file.write_all(line.as_bytes()).await?;
                // Readers follow the file while it grows.
                if lines.is_empty() {
                    file.flush().await?;
                }
            }
            file.flush().await
        });
        Ok((Self(Some(sender)), task))
    }

    pub(super) async fn message(
        &self,
        message: &Outgoing,
        sent_at: Option<Timestamp>,
        acked_at: Option<Timestamp>,
    ) {
        if self.0.is_none() {
            return;
        }
        let payload: Json = match (serde_json::from_slice(&message.payload), message.values.is_empty()) {
            (Ok(json), _) => json,
            // What nobody can read is shown as it is; bytes that mean something, in hexadecimal.
            (Err(_), true) => json!(String::from_utf8_lossy(&message.payload)),
            (Err(_), false) => json!(message.payload.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        };
        let line = json!({
            "device": &*message.device, "class": &*message.class, "stream": message.stream, "n": message.number,
            "device_time": message.device_time, "sent_at": sent_at, "acked_at": acked_at, "fault": message.fault,
            "topic": message.topic, "payload": payload, "values": shown(&message.values),
        });
        self.put(&line).await;
    }

    pub(super) async fn registers(&self, changed: &Changed, now: Timestamp) {
        if self.0.is_none() {
            return;
        }
        let Changed { name, registers, values } = changed;
        let line = json!({
            "device": &*name.device, "class": &*name.class, "stream": &*name.stream, "unit": name.unit, "at": now,
            "input": registers.input, "holding": registers.holding, "discrete": registers.discrete,
            "values": shown(values),
        });
        self.put(&line).await;
    }

    async fn put(&self, line: &Json) {
        if let Some(sender) = &self.0 {
            // The writer is gone only when the disk failed; its task says so.
            _ = sender.send(format!("{line}\n")).await;
        }
    }
}
