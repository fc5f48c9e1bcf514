//! Last wills: what a client wanted said for it, journalled as an envelope when it vanishes.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::record::{Entry, Flags, Kind};

use super::Door;
use super::sessions::Key;
use crate::sources::mqtt::wire;

/// A will that outlives its packet.
pub struct Will {
    topic: String,
    payload: Vec<u8>,
    flags: Flags,
    delay: Duration,
}

impl Will {
    /// Keeps what a CONNECT said; `flags` are those of the connection.
    pub fn keep(will: &wire::Will<'_>, flags: Flags) -> Self {
        let kept = if will.retain { Flags::WILL.with(Flags::RETAINED) } else { Flags::WILL };
        Self {
            topic: will.topic.to_owned(),
            payload: will.payload.to_vec(),
            flags: flags.with(kept),
            delay: Duration::from_secs(u64::from(will.delay)),
        }
    }

    /// Says it: at once, or after its delay if the client has not come back and its session still lives.
    pub fn execute(self, door: &Arc<Door>, key: Key, connection: u32, session: Duration) {
        let delay = self.delay.min(session);
        // With too many waiting it is said early rather than not at all.
        match Arc::clone(&door.delayed_wills).try_acquire_owned() {
            Ok(permit) if !delay.is_zero() => {
                let door = Arc::clone(door);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    if !door.sessions.is_back(&key, connection) {
                        self.append(&door, connection);
                    }
                    drop(permit);
                });
            }
            Ok(_) | Err(_) => self.append(door, connection),
        }
    }

    fn append(&self, door: &Door, connection: u32) {
        let entry = Entry {
            kind: Kind::Envelope,
            flags: self.flags,
            source: super::conn::SOURCE,
            connection,
            address: &self.topic,
            body: &self.payload,
        };
        if let Err(error) = door.intake.append(&[entry]) {
            door.tally.refused("will");
            tracing::warn!(topic = %self.topic, %error, "a last will could not be journalled");
        }
    }
}
