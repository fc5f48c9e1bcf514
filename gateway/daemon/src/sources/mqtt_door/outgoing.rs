//! Commands on their way to the devices that are here. What is not here gets nothing, now or later.

use std::collections::VecDeque;
use std::sync::Arc;

use orderly_core::ids::DeviceId;
use orderly_core::record::Found;
use tokio::sync::Notify;

use super::Door;
use super::conn::{Client, SOURCE};
use super::sessions::Sessions;
use crate::sources::mqtt::wire::{self, Message};
use crate::sources::outgoing::{Outcomes, ToDevice, seconds_left};

/// Most commands that wait for one connection's next write.
const MOST: usize = 32;

/// What waits for a connection.
#[derive(Debug, Default)]
pub struct Waiting {
    queue: VecDeque<(Arc<ToDevice>, u8)>,
    /// Rung when something was put into it.
    pub bell: Arc<Notify>,
}

impl Waiting {
    /// Puts a command in; `false`: too many wait already.
    pub fn put(&mut self, command: Arc<ToDevice>, qos: u8) -> bool {
        if self.queue.len() >= MOST {
            return false;
        }
        self.queue.push_back((command, qos));
        self.bell.notify_one();
        true
    }

    /// Takes all out.
    pub fn take(&mut self) -> VecDeque<(Arc<ToDevice>, u8)> {
        std::mem::take(&mut self.queue)
    }
}

impl Door {
    /// Gives a command to the connection of a device, if it is here and listens.
    ///
    /// # Errors
    /// Why it was not given; then it never will be.
    pub fn send(&self, command: ToDevice) -> Result<(), &'static str> {
        let (device, topic) = (command.device.clone(), command.topic.clone());
        self.sessions.give(&device, &topic, Arc::new(command))
    }
}

/// Writes down what waits for this connection. What has become void meanwhile is told and never sent.
pub fn write(door: &Door, client: &mut Client, out: &mut Vec<u8>) {
    for (command, qos) in door.sessions.taken_out(&client.key, client.number) {
        let Some(left) = seconds_left(command.expires_at, door.clock.now().wall) else {
            door.outcomes.tell(SOURCE, &command.id, Found::Void);
            continue;
        };
        let id = (qos > 0).then(|| client.next_id());
        let said = Message {
            topic: &command.topic,
            payload: command.payload.as_bytes(),
            id,
            retain: false,
            expiry: Some(left),
        };
        wire::message(out, client.version, &said);
        door.tally.commanded();
        tracing::info!(command = %command.id, device.id = %command.device, "a command went out");
    }
}

/// A connection ended: what it had not taken was not sent.
pub fn left(outcomes: &Outcomes, sessions: &Sessions, client: &Client) {
    for (command, _) in sessions.taken_out(&client.key, client.number) {
        let why = "the connection ended".to_owned();
        outcomes.tell(SOURCE, &command.id, Found::NotConnected { why });
    }
}

/// Whether a filter lets a topic through.
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    let (mut levels, mut names) = (filter.split('/'), topic.split('/'));
    loop {
        match (levels.next(), names.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}

/// Whether a session is that of a device: its own login, or a client without one on loopback.
pub fn is_of(key_device: &str, device: &DeviceId) -> bool {
    key_device.is_empty() || key_device == device.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        let topic = "orderly/v1/main/lock/l1/cmd/a1";
        for filter in [
            "orderly/v1/main/lock/l1/cmd/+",
            "orderly/v1/main/lock/l1/cmd/#",
            "orderly/v1/main/+/+/cmd/a1",
            topic,
        ] {
            assert!(matches(filter, topic), "{filter}");
        }
        for filter in [
            "orderly/v1/main/lock/l2/cmd/+",
            "orderly/v1/main/lock/l1/cmd",
            "orderly/v1/main/lock/l1/cmd/+/x",
        ] {
            assert!(!matches(filter, topic), "{filter}");
        }
        assert!(matches("a/#", "a"), "# stands for nothing too");
    }
}
