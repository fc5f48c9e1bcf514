//! Simulated devices that are told what to do: the command changes what they are, and they say what came of it.

use std::collections::VecDeque;
use std::sync::Arc;

use rumqttc::{AsyncClient, Event, Packet, QoS};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::hospital::Hospital;
use super::outgoing::Outgoing;
use super::value::Values;

/// Classes that hear commands, and how many devices of one connection do: our listener keeps no more filters.
const CLASSES: [&str; 4] = ["drug_cabinet", "escort_bed", "gate", "wheelchair_dock"];
pub const MOST: usize = 8;
/// How many commands the devices remember, so that one that comes twice is carried out once.
const REMEMBERED: usize = 256;
/// Commands that may wait to be carried out.
pub const WAITING: usize = 256;

/// Whether devices of this class hear commands.
#[must_use]
pub fn hears(class: &str) -> bool {
    CLASSES.contains(&class)
}

/// A command as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What one connection does about commands.
#[derive(Debug)]
pub struct Ear {
    client: AsyncClient,
    filters: Vec<String>,
    heard: mpsc::Sender<Heard>,
}

impl Ear {
    /// Listens on these filters.
    #[must_use]
    pub const fn new(client: AsyncClient, filters: Vec<String>, heard: mpsc::Sender<Heard>) -> Self {
        Self { client, filters, heard }
    }

    /// Looks at what the connection brought.
    pub fn see(&self, event: &Event) {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                for filter in &self.filters {
                    if let Err(error) = self.client.try_subscribe(filter.clone(), QoS::AtLeastOnce) {
                        tracing::warn!(%error, filter, "a simulated device cannot listen");
                    }
                }
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let heard = Heard { topic, payload: publish.payload.to_vec() };
                // A device that is told too much at once misses some, and says nothing about it.
                if self.heard.try_send(heard).is_err() {
                    tracing::warn!("the simulated devices are told too much at once");
                }
            }
            _ => {}
        }
    }
}

/// Commands that were carried out.
#[derive(Debug, Default)]
pub struct Memory(VecDeque<String>);

impl Memory {
    /// Whether it is new; it is remembered then.
    fn is_new(&mut self, topic: &str) -> bool {
        if self.0.iter().any(|known| known == topic) {
            return false;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(topic.to_owned());
        true
    }
}

impl Hospital {
    /// Has a command carried out; gives the answer. A second copy is neither carried out nor answered.
    pub fn obey(&mut self, heard: &Heard, now: i64) -> Option<Outgoing> {
        let below = format!("orderly/v1/{}/", self.site);
        let mut levels = heard.topic.strip_prefix(&below)?.split('/');
        let (_, device) = (levels.next()?, levels.next()?);
        levels.next().filter(|level| *level == "cmd")?;
        let index = *self.by_name.get(device)?;
        if !self.memory.is_new(&heard.topic) {
            return None;
        }
        let result = self.carry_out(index, &heard.payload, now);
        let answer = match result {
            Ok(()) => {
                self.call(index, now);
                json!({ "result": "done" })
            }
            Err(reason) => json!({ "result": "failed", "reason": reason }),
        };
        let device = self.devices.get(index)?;
        Some(Outgoing {
            group: device.group,
            device: Arc::clone(&device.id),
            class: Arc::clone(&device.class),
            stream: "ack",
            number: 0,
            device_time: None,
            topic: format!("{}/ack", heard.topic),
            payload: answer.to_string().into_bytes(),
            fault: None,
            values: Values::new(),
        })
    }

    fn carry_out(&mut self, index: usize, payload: &[u8], now: i64) -> Result<(), &'static str> {
        let order: Json = serde_json::from_slice(payload).map_err(|_| "the command cannot be read")?;
        let text = |key: &str| order[key].as_str().unwrap_or_default();
        let expires: Option<jiff::Timestamp> = text("expires_at").parse().ok();
        if expires.is_none_or(|at| at.as_millisecond() < now) {
            return Err("the command came too late");
        }
        let command = text("command").to_owned();
        self.tell(index, &command, text("slot"), now)
    }
}
