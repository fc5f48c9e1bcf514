//! What a generator sent and what was acknowledged to it: the truth that every crash test is held against.

use std::collections::BTreeMap;

/// One message of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The device.
    pub device: String,
    /// Class of the device.
    pub class: String,
    /// Device time in ms since 1970; unique within the device.
    pub device_time: i64,
    /// The payload as sent.
    pub payload: String,
    /// How often it left, re-sends included.
    pub times_sent: u32,
    /// Whether an acknowledgement came back.
    pub acked: bool,
}

impl Sent {
    /// The topic it is published on.
    #[must_use]
    pub fn topic(&self) -> String {
        format!("orderly/v1/main/{}/{}/up/reading", self.class, self.device)
    }

    /// What it is called in a [`Verdict`].
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.device, self.device_time)
    }
}

fn name(device: &str, time: i64) -> String {
    format!("{device} at {time}")
}

/// All that was sent, by order of first sending.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The messages.
    pub messages: Vec<Sent>,
}

/// What a store holds, counted against the ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged messages.
    pub acked: usize,
    /// Acknowledged and not in the store: must be none.
    pub lost: Vec<String>,
    /// In the store more than once: must be none.
    pub double: Vec<String>,
    /// In the store and never sent: must be none.
    pub invented: Vec<String>,
}

impl Ledger {
    /// Compares with what a store holds: (device, device time) -> how many rows.
    #[must_use]
    pub fn judge(&self, stored: &BTreeMap<(String, i64), usize>) -> Verdict {
        let sent: BTreeMap<(String, i64), &Sent> =
            self.messages.iter().map(|m| ((m.device.clone(), m.device_time), m)).collect();
        let name = |(device, time): &(String, i64)| name(device, *time);
        Verdict {
            acked: self.messages.iter().filter(|m| m.acked).count(),
            lost: sent
                .iter()
                .filter(|(key, m)| m.acked && !stored.contains_key(*key))
                .map(|(key, _)| name(key))
                .collect(),
            double: stored.iter().filter(|(_, n)| **n > 1).map(|(key, _)| name(key)).collect(),
            invented: stored.keys().filter(|key| !sent.contains_key(*key)).map(name).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_sees_loss_doubles_and_inventions() {
        let message = |time, acked| Sent {
            device: "d".into(),
            class: "c".into(),
            device_time: time,
            payload: String::new(),
            times_sent: 1,
            acked,
        };
        let ledger = Ledger { messages: vec![message(1, true), message(2, true), message(3, false)] };
        let stored = BTreeMap::from([(("d".to_owned(), 1), 2), (("d".to_owned(), 9), 1)]);
        let verdict = ledger.judge(&stored);
        assert_eq!(verdict.acked, 2);
        assert_eq!(verdict.lost, ["d at 2"]);
        assert_eq!(verdict.double, ["d at 1"]);
        assert_eq!(verdict.invented, ["d at 9"]);
    }
}
