//! Under whose name the readings of a message on a device's own topic are filed.

use std::sync::Arc;

use crate::profile::{Decoded, Profile};

use super::Engine;
use super::prepared::{Item, Message, Refused, Target};

impl Engine {
    /// Files readings under the device whose topic they came on. Those that the payload says are another device's are
    /// refused: the sender may speak for one device only, and a value in the wrong fridge's record is worse than none.
    pub(super) fn file(&self, decoded: Vec<Decoded>, target: &Target, profile: &Arc<Profile>) -> Message {
        let device = match target {
            Target::Known(number) => &self.register.get(*number).row.device,
            Target::New { device, .. } => device,
        };
        let mut message = Message::default();
        let (mut others, mut first) = (0_usize, None);
        for (index, decoded) in (0..).zip(decoded) {
            match &decoded.device {
                Some(other) if other != device => {
                    others += 1;
                    first.get_or_insert_with(|| other.clone());
                }
                _ => message.items.push(Item {
                    target: target.clone(),
                    profile: Arc::clone(profile),
                    decoded,
                    index,
                    lookup: None,
                }),
            }
        }
        // One row for all: each would show the same payload.
        message.refused.extend(first.map(|other| {
            Refused::new(
                "wrong_device",
                format!(
                    "the topic is that of {device:?}, but the payload names {other:?} ({others} of its readings \
                     are another device's); a gateway sends for others on a topic of its own"
                ),
            )
        }));
        message
    }
}
