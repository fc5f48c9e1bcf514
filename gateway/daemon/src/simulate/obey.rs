//! Simulated devices that are told what to do: they hear their commands and say that they carried them out.

use std::collections::VecDeque;

use rumqttc::{AsyncClient, Event, Packet, PublishOptions, QoS};

/// Classes that hear commands, and how many devices of one connection do: our listener keeps no more filters.
const CLASSES: [&str; 2] = ["drug_cabinet", "wheelchair_dock"];
pub const MOST: usize = 8;
/// How many commands a device remembers, so that one that comes twice is carried out once.
const REMEMBERED: usize = 64;

/// Whether devices of this class hear commands.
#[must_use]
pub fn hears(class: &str) -> bool {
    CLASSES.contains(&class)
}

/// What one connection does about commands.
#[derive(Debug)]
pub struct Obedience {
    client: AsyncClient,
    filters: Vec<String>,
    done: VecDeque<String>,
}

impl Obedience {
    /// Listens on these filters.
    #[must_use]
    pub const fn new(client: AsyncClient, filters: Vec<String>) -> Self {
        Self { client, filters, done: VecDeque::new() }
    }

    /// Looks at what the connection brought.
    pub fn see(&mut self, event: &Event) {
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
                if topic.contains("/cmd/") && !self.done.contains(&topic) {
                    self.carry_out(topic);
                }
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, topic: String) {
        let answer = PublishOptions::new(QoS::AtLeastOnce);
        let said = self.client.try_publish(format!("{topic}/ack"), r#"{"result":"done"}"#, answer);
        if let Err(error) = said {
            tracing::warn!(%error, topic, "a simulated device cannot answer");
        }
        if self.done.len() == REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back(topic);
    }
}
