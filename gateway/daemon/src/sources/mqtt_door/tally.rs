//! What the door counts about itself.

use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{Counter, Gauge, counter, gauge};

/// Handles that are fetched once, so that a message costs an addition and no look-up.
pub struct Tally {
    open: AtomicUsize,
    open_gauge: Gauge,
    messages: Counter,
    bytes: Counter,
    acks: Counter,
    repeats: Counter,
    oversize: Counter,
    commands: Counter,
}

impl Tally {
    /// Handles of the recorder that is installed now.
    pub fn new() -> Self {
        Self {
            open: AtomicUsize::new(0),
            open_gauge: gauge!("orderly_listener_connections"),
            messages: counter!("orderly_listener_messages_total"),
            bytes: counter!("orderly_listener_payload_bytes_total"),
            acks: counter!("orderly_listener_acks_total"),
            repeats: counter!("orderly_listener_repeats_total"),
            oversize: counter!("orderly_listener_oversize_total"),
            commands: counter!("orderly_listener_commands_total"),
        }
    }

    /// A command went out.
    pub fn commanded(&self) {
        self.commands.increment(1);
    }

    /// A connection was accepted.
    pub fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.open_gauge.increment(1.0);
    }

    /// A connection ended, with the reason.
    pub fn closed(&self, reason: &'static str) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.open_gauge.decrement(1.0);
        counter!("orderly_listener_closed_total", "reason" => reason).increment(1);
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Something that a client asked for was refused.
    pub fn refused(&self, reason: &'static str) {
        counter!("orderly_listener_refused_total", "reason" => reason).increment(1);
    }

    /// A client was let in.
    pub fn welcomed(&self, version: &'static str) {
        counter!("orderly_listener_connects_total", "version" => version).increment(1);
    }

    /// Messages went into the journal.
    pub fn taken(&self, messages: usize, bytes: usize) {
        self.messages.increment(messages as u64);
        self.bytes.increment(bytes as u64);
    }

    /// Acknowledgements went out.
    pub fn acked(&self, n: usize) {
        self.acks.increment(n as u64);
    }

    /// A message came again while its acknowledgement was waiting, or before its id was released.
    pub fn repeated(&self) {
        self.repeats.increment(1);
    }

    /// A message was too large to keep.
    pub fn oversize(&self) {
        self.oversize.increment(1);
    }
}
